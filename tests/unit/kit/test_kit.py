"""The kit on disk: codes that scan, names that are harmless, and nobody else who may read it."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanning import scanned
from upath import UPath

from airflow_provider_esimgo.kit import KitEntry, safe_name, write_kit
from airflow_provider_esimgo.kit.entries import KitError
from airflow_provider_esimgo.kit.qr import render_png
from airflow_provider_esimgo.kit.write import INDEX_COLUMNS, index_csv

CODE = "K2-1ABCDE-9XYZ01"


def entry(recipient: str = "ACME-1", iccid: str = "8944500000000000014", **fields: Any) -> KitEntry:
    fields = {"bundle": "esim_1GB", "smdp_address": "rsp.example", "matching_id": CODE, **fields}
    return KitEntry(recipient_ref=recipient, iccid=iccid, **fields)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("matching_id", [CODE, "ABCDE-FGHIJ-KLMNO-PQRST", "X" * 120])
def test_a_qr_code_scans_as_the_activation_code(matching_id: str):
    assert scanned(render_png(f"LPA:1$rsp.example${matching_id}")) == f"LPA:1$rsp.example${matching_id}"


def test_every_row_of_the_index_leads_to_its_own_qr_code(tmp_path: Path):
    entries = [entry("ana", "8944000000000000001"), entry("bo", "8944000000000000002", matching_id="B-2")]
    files = write_kit(tmp_path / "kit", entries, {"order.zip": b"zip"})
    rows = rows_of(tmp_path / "kit")
    assert (files.qr_count, files.vendor_files) == (2, 1)
    assert tuple(rows[0]) == INDEX_COLUMNS
    for row in rows:
        assert scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) == row["activation_code"]
    assert (tmp_path / "kit" / "vendor" / "order.zip").read_bytes() == b"zip"


def test_only_the_owner_may_read_a_kit(tmp_path: Path):
    write_kit(tmp_path / "kit", [entry()], {"order.zip": b"zip"})
    places = [tmp_path / "kit", *(tmp_path / "kit").rglob("*")]
    assert {mode_of(place) for place in places if place.is_dir()} == {0o700}
    assert {mode_of(place) for place in places if place.is_file()} == {0o600}


def test_a_second_export_replaces_the_first_and_leaves_nothing_half_written(tmp_path: Path):
    for code in ("OLD-1", "NEW-2"):
        write_kit(tmp_path / "kit", [entry(matching_id=code)], {"order.zip": code.encode()})
    (row,) = rows_of(tmp_path / "kit")
    assert row["matching_id"] == "NEW-2"
    assert scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) == "LPA:1$rsp.example$NEW-2"
    assert (tmp_path / "kit" / "vendor" / "order.zip").read_bytes() == b"NEW-2"
    assert len([place for place in (tmp_path / "kit").rglob("*") if place.is_file()]) == 3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ACME-1001", "ACME-1001"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "unnamed"),
        ("a/b\\c", "a_b_c"),
        ("Ümit Şahin", "Umit_Sahin"),
        ("🙂", "unnamed"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("con trol\x00\n", "con_trol"),
        ("", "unnamed"),
    ],
)
def test_a_file_name_keeps_what_is_harmless(text: str, name: str):
    assert safe_name(text) == name


@given(st.text())
def test_no_text_makes_a_name_that_leaves_its_folder(text: str):
    name = safe_name(text)
    assert name
    assert len(name) <= 80
    assert Path(name).name == name
    assert name not in (".", "..")


def test_recipients_whose_names_become_alike_keep_their_own_qr_codes(tmp_path: Path):
    entries = [
        entry("a/b", "8944000000000000001", matching_id="A-1"),
        entry("a_b", "8944000000000000002", matching_id="B-2"),
        entry("🙂", "8944000000000000003", matching_id="C-3"),
        entry("../🙂", "8944000000000000004", matching_id="D-4"),
    ]
    write_kit(tmp_path / "kit", entries, {})
    rows = rows_of(tmp_path / "kit")
    codes = [scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) for row in rows]
    assert codes == [row["activation_code"] for row in rows]
    assert [row["recipient_ref"] for row in rows] == ["a/b", "a_b", "🙂", "../🙂"]
    assert {place.parent for place in tmp_path.rglob("*.png")} == {tmp_path / "kit" / "qr"}


@pytest.mark.parametrize("formula", ["=1+1", "+44", "-1", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_takes_no_persons_text_for_a_formula(formula: str):
    (row,) = csv.DictReader(io.StringIO(index_csv([entry(formula, name=formula, email=formula)])))
    assert (row["recipient_ref"], row["name"], row["email"]) == (f"'{formula}",) * 3


def test_the_vendors_own_install_links_win():
    (row,) = csv.DictReader(io.StringIO(index_csv([entry(apple_url="https://vendor.example/a")])))
    assert row["apple_link"] == "https://vendor.example/a"
    assert row["android_link"].endswith("carddata=LPA%3A1%24rsp.example%24K2-1ABCDE-9XYZ01")


def test_a_top_up_is_marked():
    (row,) = csv.DictReader(io.StringIO(index_csv([entry(topped_up=True)])))
    assert row["topped_up"] == "yes"


def test_an_entry_in_a_log_shows_no_code_and_no_person():
    told = repr(entry(name="Ada Whitfield", email="ada@acme.example", apple_url=f"https://v.example/{CODE}"))
    assert "ACME-1" in told
    assert not any(secret in told for secret in (CODE, "Ada", "ada@"))


@pytest.mark.parametrize(
    "fields",
    [
        {"matching_id": ""},
        {"smdp_address": ""},
        {"smdp_address": "https://rsp.example"},
        {"smdp_address": "rsp.example:443"},
        {"matching_id": f"{CODE} "},
        {"matching_id": f"{CODE}$1"},
    ],
)
def test_details_that_would_not_install_are_refused_without_telling_the_code(fields: dict[str, str]):
    with pytest.raises(KitError) as refused:
        entry(**fields)
    assert "8944500000000000014" in str(refused.value)
    assert CODE not in str(refused.value)


def test_a_kit_goes_into_an_object_store_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = UPath("memory://kits/batch")
    write_kit(folder, [entry()], {"order.zip": b"zip"})
    index = (folder / "index.csv").read_bytes().decode()
    (row,) = csv.DictReader(io.StringIO(index))
    assert scanned((folder / row["qr_png"]).read_bytes()) == row["activation_code"]
    assert not list(tmp_path.iterdir())
