"""The contact sheet as bytes: whole in itself, the client's text inert, and each secret where it belongs."""

from __future__ import annotations

import io
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from kit_entries import contact_sheet
from PIL import Image

from airflow_provider_esimgo.kit.entries import KitEntry
from airflow_provider_esimgo.kit.page import ContactSheet
from airflow_provider_esimgo.kit.qr import draw

WHY = "topped up: this eSIM is installed already"
DRAWING = draw("LPA:1$rsp.example$ABCDE-FGHIJ-KLMNO-PQRST")  # for tests that do not read it


def entry(recipient: str = "ACME-1", **fields: Any) -> KitEntry:
    if not fields.get("withheld"):
        fields = {"smdp_address": "rsp.example", "matching_id": "K2-1ABCDE-9XYZ01", **fields}
    return KitEntry(recipient, fields.pop("bundle", "esim_1GB_7D_GB_V2"), "8944500000000000014", **fields)


def sheet(*entries: KitEntry, title: str = "acme-2026-07") -> str:
    return contact_sheet(entries, title=title).decode()


class Reader(HTMLParser):
    """The tags of a page with their attributes, and its text without styles and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_policy_lets_nothing_in_but_the_pages_own_script():
    page = sheet(entry())
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    (policy,) = (
        tag["content"] for tag in Reader(page).all("meta") if "content" in tag and "http-equiv" in tag
    )
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_the_page_asks_to_be_neither_found_nor_told_of():
    names = {tag.get("name"): tag.get("content") for tag in Reader(sheet(entry())).all("meta")}
    assert (names["robots"], names["referrer"]) == ("noindex", "no-referrer")


def test_everything_is_in_the_one_file():
    read = Reader(sheet(entry()))
    loaded = [tag["src"] for tag in read.all("img")] + [tag["href"] for tag in read.all("link")]
    assert all(address and address.startswith("data:") for address in loaded)
    assert "url(" not in sheet(entry())


def test_the_same_cards_give_the_same_bytes():
    entries = [entry("ana", name="Ana"), entry("bo", withheld=WHY)]
    assert sheet(*entries) == sheet(*entries)


@pytest.mark.parametrize("matching_id", ["K2", "K2-1ABCDE-9XYZ01", "ABCDE-FGHIJ-KLMNO-PQRST", "X" * 120])
def test_the_picture_is_the_code_at_whole_pixels_a_module(matching_id: str):
    one = entry(matching_id=matching_id)
    (picture,) = Reader(sheet(one)).all("img")
    png = b64decode((picture["src"] or "").removeprefix("data:image/png;base64,"))
    symbol, width = Image.open(io.BytesIO(png)), int(picture["width"] or 0)
    assert picture["width"] == picture["height"]
    assert width % symbol.width == 0
    assert width <= 188
    shown = symbol.convert("L").resize((width, width), Image.Resampling.NEAREST)
    assert [found.text for found in zxingcpp.read_barcodes(shown)] == [one.activation_code]


def test_a_code_is_written_once_to_read_and_once_in_each_link():
    page = unescape(sheet(one := entry(name="Ana")))
    assert page.count(one.activation_code) == 1
    assert page.count(one.matching_id) == 3
    assert [tag["href"] for tag in Reader(page).all("a")] == [one.apple_link, one.android_link]
    assert {tag["rel"] for tag in Reader(page).all("a")} == {"noreferrer noopener"}


def test_a_link_of_the_vendors_that_is_no_web_address_is_left_out():
    page = sheet(entry(apple_url="javascript:alert(1)", android_url="https://esim.example/?a=1&b=2"))
    assert [tag["href"] for tag in Reader(page).all("a")] == ["https://esim.example/?a=1&b=2"]
    assert "javascript:" not in page


def test_a_card_tells_what_is_known():
    told = Reader(
        sheet(
            entry(
                "ACME-7",
                name="Ana",
                email="ana@acme.example",
                plan="1 GB for 7 days, United Kingdom",
                cost_centre="Sales",
                profile_status="Released",
                topped_up=True,
            )
        )
    ).text
    for text in (
        *("Ana", "ACME-7", "ana@acme.example", "1 GB for 7 days, United Kingdom", "esim_1GB_7D_GB_V2"),
        *(
            "Sales",
            "8944500000000000014",
            "Profile: Released",
            "Top-up",
            "LPA:1$rsp.example$K2-1ABCDE-9XYZ01",
        ),
    ):
        assert text in told


def test_a_person_without_a_name_goes_by_the_reference():
    read = Reader(sheet(entry("ACME-7")))
    assert read.all("img")[0]["alt"] == "QR code for ACME-7"
    assert read.text.count("ACME-7") == 1


def test_a_card_without_a_code_says_why_and_offers_nothing():
    read = Reader(sheet(entry(withheld=WHY)))
    assert WHY in read.text
    assert "1 without a code" in read.text
    assert not read.all("img")
    assert not read.all("button")
    assert not read.all("a")


def test_the_header_counts_units_and_each_recipient_once():
    made = ContactSheet("acme")
    for at in range(1200):
        made.add(entry(f"ACME-{at // 2}"), DRAWING)
    assert "1,200 eSIMs 600 recipients" in Reader(made.finish().decode()).text
    assert "1 eSIM 1 recipient" in Reader(sheet(entry())).text


def test_a_batch_without_esims_says_so():
    read = Reader(sheet())
    assert "This batch has no eSIMs." in read.text
    assert not read.all("input")


@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_no_text_of_the_clients_becomes_markup(text: str):
    def made(text: str) -> Reader:
        one = entry(text, name=text, email="a", plan=text, cost_centre=text, profile_status=text, bundle=text)
        page = ContactSheet(text)
        page.add(one, DRAWING)
        page.add_withheld(entry(text, withheld=text))
        return Reader(page.finish().decode())

    def shape(page: Reader) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.tags]

    assert shape(made(text)) == shape(made("plain"))


def test_half_a_character_costs_nobody_the_page():
    assert "A?B" in sheet(entry(name="A\ud800B"))


def test_ten_thousand_cards_stay_below_15_megabytes():
    made = ContactSheet("acme")
    one = entry(
        "ACME-10001",
        name="Zoë Müller-Łukasiewicz",
        email="zoe.mueller@acme.example",
        plan="1 GB for 7 days, United Kingdom",
        cost_centre="Sales EMEA",
        profile_status="Released",
        smdp_address="rsp-3104.idemia.io",
        matching_id="ABCDE-FGHIJ-KLMNO-PQRST",
    )
    made.add(one, DRAWING)
    first = len(made.finish())
    made.add(one, DRAWING)
    assert (len(made.finish()) - first) * 10_000 < 15_000_000
