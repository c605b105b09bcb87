"""The kit on disk: the whole layout, its owner's alone, made again without a trace of the last time."""

from __future__ import annotations

import csv
import io
import os
import stat
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from kit_entries import CODE, entry, many
from scanning import scanned
from upath import UPath

from airflow_provider_esimgo.kit import KitError
from airflow_provider_esimgo.kit import write as writing
from airflow_provider_esimgo.kit.folder import KitFolder, write_file
from airflow_provider_esimgo.kit.index import INDEX_COLUMNS, index_csv
from airflow_provider_esimgo.kit.qr import draw
from airflow_provider_esimgo.kit.verify import Verify
from airflow_provider_esimgo.kit.write import KitFiles, purge_kit, write_kit

ANA = entry("ana", "8944000000000000001")
BO = entry("bo", "8944000000000000002", matching_id="B-2")


def write(folder: Any, entries: list[Any], zips: dict[str, bytes] | None = None, **options: Any) -> KitFiles:
    return write_kit(KitFolder(folder), entries, zips or {}, title="eSIMs of batch acme", **options)


def rows_of(folder: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "index.csv").read_bytes().decode())))


def files_in(folder: Path) -> set[str]:
    return {str(place.relative_to(folder)) for place in folder.rglob("*") if place.is_file()}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_layout_is_the_same_for_everybody(tmp_path: Path):
    files = write(tmp_path / "kit", [ANA, BO], {"ref-1.zip": b"zip"}, formats=["android_management"])
    assert files_in(tmp_path / "kit") == {
        "index.csv",
        "index.html",
        "sheet.pdf",
        "qr/ana-8944000000000000001.png",
        "qr/ana-8944000000000000001.svg",
        "qr/bo-8944000000000000002.png",
        "qr/bo-8944000000000000002.svg",
        "vendor/ref-1.zip",
        "mdm/android-management.jsonl",
    }
    assert (files.qr_count, files.withheld, files.vendor_files, files.mdm_files) == (2, 0, 1, 1)
    assert Path(files.index).is_file()


def test_every_row_of_the_index_leads_to_its_own_qr_code(tmp_path: Path):
    write(tmp_path / "kit", [ANA, BO])
    rows = rows_of(tmp_path / "kit")
    assert tuple(rows[0]) == INDEX_COLUMNS
    for row in rows:
        assert scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) == row["activation_code"]
        assert (tmp_path / "kit" / row["qr_svg"]).read_bytes().startswith(b"<svg")


def test_only_the_owner_may_read_a_kit(tmp_path: Path):
    write(tmp_path / "kit", [ANA], {"order.zip": b"zip"}, formats=["intune"])
    places = [tmp_path / "kit", *(tmp_path / "kit").rglob("*")]
    assert {mode_of(place) for place in places if place.is_dir()} == {0o700}
    assert {mode_of(place) for place in places if place.is_file()} == {0o600}


def test_the_same_kit_twice_is_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        write(tmp_path / name, [ANA, BO], formats=["intune", "android_management"])
    for file in files_in(tmp_path / "one"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_second_export_leaves_nothing_of_the_first(tmp_path: Path):
    kit = tmp_path / "kit"
    write(kit, [ANA, BO], {"ref-1.zip": b"zip"}, formats=["intune"])
    write(kit, [entry("ana", ANA.iccid, matching_id="NEW-2")], {"ref-2.zip": b"zip"})
    assert files_in(kit) == {
        "index.csv",
        "index.html",
        "sheet.pdf",
        f"qr/ana-{ANA.iccid}.png",
        f"qr/ana-{ANA.iccid}.svg",
        "vendor/ref-2.zip",
    }
    (row,) = rows_of(kit)
    assert scanned((kit / row["qr_png"]).read_bytes()) == "LPA:1$rsp.example$NEW-2"


def test_what_is_not_the_kits_own_stays(tmp_path: Path):
    kit = tmp_path / "kit"
    own = ("notes.txt", "qr/logo.png", "mdm/our-devices.csv", "faults.csv", "report.html", "own/qr.png")
    for name in own:
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        (kit / name).write_text("mine")
    write(kit, [ANA], formats=["intune"])
    write(kit, [BO])
    assert set(own) <= files_in(kit)


def test_what_a_killed_export_left_half_written_is_removed_by_the_next(tmp_path: Path):
    qr = tmp_path / "kit" / "qr"
    qr.mkdir(parents=True)
    half = qr / ".ana.png.0123abcd.part"
    half.write_bytes(b"half")
    os.utime(half, (1, 1))
    young = qr / ".bo.png.0123abcd.part"  # of somebody who is at it right now
    young.write_bytes(b"half")
    os.utime(young, (2**31, 2**31))
    write(tmp_path / "kit", [ANA])
    assert not half.exists()
    assert young.exists()


def test_the_index_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: KitFolder, name: str, content: bytes) -> None:
        if name == "index.html":
            raise OSError(28, "No space left on device")
        put(self, name, content)

    put = KitFolder.put
    monkeypatch.setattr(KitFolder, "put", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "kit", [ANA])
    assert not (tmp_path / "kit" / "index.csv").exists()


def test_an_export_that_dies_at_any_file_leaves_a_whole_kit_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Over an older kit: at each file, before and after it is written."""
    puts = 2 * 2 + 3  # two codes, two sheets, the index
    new = [
        entry("ana", ANA.iccid, matching_id="NEW-1"),
        entry("cy", "8944000000000000003", matching_id="NEW-3"),
    ]
    real = KitFolder.put
    died = 0
    for deadline in range(2 * puts):
        kit = tmp_path / f"kit-{deadline}"
        write(kit, [ANA, BO])
        at = iter(range(2 * puts))

        def put(self: KitFolder, name: str, content: bytes, at=at, deadline=deadline) -> None:
            if next(at) == deadline:
                raise KeyboardInterrupt
            real(self, name, content)
            if next(at) == deadline:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(KitFolder, "put", put)
            with pytest.raises(KeyboardInterrupt):
                write(kit, new)
        died += 1
        if (kit / "index.csv").exists():
            rows = rows_of(kit)
            assert [row["recipient_ref"] for row in rows] in (["ana", "bo"], ["ana", "cy"])
            for row in rows:
                scanned((kit / row["qr_png"]).read_bytes())
            if rows[1]["recipient_ref"] == "cy":
                assert not (kit / "qr" / f"bo-{BO.iccid}.png").exists()
        write(kit, new)
        assert [row["activation_code"] for row in rows_of(kit)] == [one.activation_code for one in new]
    assert died == 2 * puts


@pytest.mark.parametrize("dies_at", ["remove_strays", "flush"])
def test_a_killed_export_never_leaves_an_index_beside_codes_that_are_withheld_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
):
    write(tmp_path / "kit", [ANA, BO])
    kept = entry("bo", BO.iccid, smdp_address="", matching_id="", withheld="already installed")
    real = getattr(KitFolder, dies_at)

    def die(self: KitFolder, *arguments: Any) -> None:
        if dies_at == "remove_strays" or not (tmp_path / "kit" / "index.csv").exists():
            raise KeyboardInterrupt
        real(self, *arguments)

    monkeypatch.setattr(KitFolder, dies_at, die)
    with pytest.raises(KeyboardInterrupt) if dies_at == "remove_strays" else nullcontext():
        write(tmp_path / "kit", [ANA, kept])
    index, image = tmp_path / "kit" / "index.csv", tmp_path / "kit" / "qr" / f"bo-{BO.iccid}.png"
    assert not (index.exists() and image.exists())


def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path):
    def broken():
        yield b"half"
        raise OSError("gone")

    target = tmp_path / "file"
    write_file(target, b"old")
    with pytest.raises(OSError, match="gone"):
        write_file(target, broken())
    assert target.read_bytes() == b"old"
    assert files_in(tmp_path) == {"file"}


def test_two_exports_at_once_do_not_mix(tmp_path: Path):
    entries = many(30)
    failures: list[BaseException] = []

    def export() -> None:
        try:
            write(tmp_path / "kit", entries, processes=1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=export) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for row in rows_of(tmp_path / "kit"):
        assert scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) == row["activation_code"]


def test_a_kit_that_would_be_wrong_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The drawing is broken on purpose: the second code is the first one's."""
    monkeypatch.setattr(writing, "draw_all", lambda codes, processes: iter([draw(codes[0])] * len(codes)))
    with pytest.raises(KitError, match=BO.iccid) as stopped:
        write(tmp_path / "kit", [ANA, BO], verify=Verify.ALL)
    assert "B-2" not in str(stopped.value)
    assert not (tmp_path / "kit" / "index.csv").exists()
    write(tmp_path / "kit", [ANA, BO], verify=Verify.NONE)  # nobody looked


def test_files_for_device_management_that_cannot_be_made_stop_before_anything_is_written(tmp_path: Path):
    with pytest.raises(KitError):
        write(tmp_path / "kit", [ANA], formats=["knox"])  # no IMEI
    assert not (tmp_path / "kit").exists()


def test_a_withheld_code_is_nowhere_in_the_kit(tmp_path: Path):
    kept = entry("cy", "8944000000000000003", smdp_address="", matching_id="", withheld="already installed")
    files = write(tmp_path / "kit", [ANA, kept, BO])
    assert (files.qr_count, files.withheld) == (2, 1)
    row = rows_of(tmp_path / "kit")[1]
    assert (row["recipient_ref"], row["withheld"]) == ("cy", "already installed")
    assert not any(row[name] for name in ("activation_code", "matching_id", "apple_link", "qr_png", "qr_svg"))
    assert not [name for name in files_in(tmp_path / "kit") if "cy" in name]
    assert len(pypdfium2.PdfDocument(tmp_path / "kit" / "sheet.pdf")) == 2
    assert "already installed" in (tmp_path / "kit" / "index.html").read_text(encoding="utf-8")


def test_recipients_whose_names_become_alike_keep_their_own_qr_codes(tmp_path: Path):
    entries = [
        entry("a/b", "8944000000000000001", matching_id="A-1"),
        entry("a_b", "8944000000000000002", matching_id="B-2"),
        entry("🙂", "8944000000000000003", matching_id="C-3"),
        entry("../🙂", "8944000000000000004", matching_id="D-4"),
        entry("x" * 200, "8944000000000000005", matching_id="E-5"),
        entry("x" * 200, "8944000000000000006", matching_id="F-6"),
    ]
    write(tmp_path / "kit", entries)
    rows = rows_of(tmp_path / "kit")
    codes = [scanned((tmp_path / "kit" / row["qr_png"]).read_bytes()) for row in rows]
    assert codes == [one.activation_code for one in entries]
    assert [row["recipient_ref"] for row in rows] == [one.recipient_ref for one in entries]
    assert {place.parent for place in tmp_path.rglob("*.png")} == {tmp_path / "kit" / "qr"}


@pytest.mark.parametrize("formula", ["=1+1", "+44", "-1", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_takes_no_persons_text_for_a_formula(formula: str):
    (row,) = csv.DictReader(io.StringIO(index_csv([entry(formula, name=formula, email=formula)])))
    assert (row["recipient_ref"], row["name"], row["email"]) == (f"'{formula}",) * 3


def test_a_top_up_is_marked():
    (row,) = csv.DictReader(io.StringIO(index_csv([entry(topped_up=True)])))
    assert row["topped_up"] == "yes"


def test_a_kit_goes_into_an_object_store_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = UPath(f"memory://kits/{tmp_path.name}")
    write(folder, [ANA, BO], {"order.zip": b"zip"})
    write(folder, [ANA], {"order.zip": b"zip"})
    (row,) = rows_of(folder)
    assert scanned((folder / row["qr_png"]).read_bytes()) == row["activation_code"]
    assert not (folder / "qr" / f"bo-{BO.iccid}.png").exists(), "nothing of the first export is left"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["local", "memory"])
def test_purging_removes_the_kit_and_nothing_else(tmp_path: Path, place: str):
    kit = tmp_path / "kit" if place == "local" else UPath(f"memory://purged/{tmp_path.name}")
    write(kit, [ANA, BO], {"ref.zip": b"zip"}, formats=["intune"])
    write_file(kit / "faults.csv", b"names")
    write_file(kit / "notes.txt", b"mine")
    assert purge_kit(KitFolder(kit)) == 10
    left = [str(path) for path in kit.rglob("*") if path.is_file()]
    assert [Path(path).name for path in left] == ["notes.txt"]
    assert purge_kit(KitFolder(kit)) == 0


def test_a_purged_kits_own_folder_goes_too(tmp_path: Path):
    write(tmp_path / "kit", [ANA])
    purge_kit(KitFolder(tmp_path / "kit"))
    assert not (tmp_path / "kit").exists()
    assert tmp_path.exists()


def test_nothing_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(0)
    write(tmp_path / "kit", [entry(name="名前")])
    assert CODE not in caplog.text
    assert "名前" not in caplog.text
