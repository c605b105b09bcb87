"""One unit of a kit: harmless file names, links, and details that are refused without telling them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit_entries import CODE, ICCID, entry

from airflow_provider_esimgo.kit import KitError, safe_name
from airflow_provider_esimgo.kit.entries import fingerprint


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
        ("x" * 200, "x" * 80),
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


def test_an_esim_without_a_recipient_is_named_by_its_iccid():
    assert entry("").qr_name == ICCID
    assert entry("a").qr_name == f"a-{ICCID}"


def test_the_vendors_own_install_links_win():
    one = entry(apple_url="https://vendor.example/a")
    assert one.apple_link == "https://vendor.example/a"
    assert one.android_link.endswith("carddata=LPA%3A1%24rsp.example%24K2-1ABCDE-9XYZ01")


def test_an_entry_in_a_log_shows_no_code_and_no_person():
    one = entry(
        name="Ada Whitfield",
        email="ada@acme.example",
        apple_url=f"https://v.example/{CODE}",
        extra={"imei": "490154203237518"},
    )
    assert "ACME-1" in repr(one)
    assert not any(secret in repr(one) for secret in (CODE, "Ada", "ada@", "4901542"))


@pytest.mark.parametrize(
    "fields",
    [
        {"matching_id": ""},
        {"smdp_address": ""},
        {"smdp_address": "https://rsp.example"},
        {"smdp_address": "http://rsp.example"},
        {"smdp_address": "rsp.example:443"},
        {"smdp_address": "rsp.example "},
        {"smdp_address": "rsp.example$"},
        {"matching_id": f"{CODE} "},
        {"matching_id": f"{CODE}$1"},
    ],
)
def test_details_that_would_not_install_are_refused_without_telling_the_code(fields: dict[str, str]):
    with pytest.raises(KitError) as refused:
        entry(**fields)
    assert ICCID in str(refused.value)
    assert CODE not in str(refused.value)


def test_a_withheld_entry_has_no_code_and_no_link():
    one = entry(smdp_address="", matching_id="", apple_url="https://v.example", withheld="installed already")
    assert not one.has_code
    assert (one.activation_code, one.apple_link, one.android_link) == ("", "", "")


def test_a_fingerprint_tells_codes_apart_and_holds_none():
    assert fingerprint("LPA:1$a$b") == fingerprint("LPA:1$a$b") != fingerprint("LPA:1$a$c")
    assert "a$b" not in fingerprint("LPA:1$a$b")
