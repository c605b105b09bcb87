"""The printable sheet, as a printer and a phone's camera see it: pages are rendered, scanned and read."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdfium2 import raw

from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.kit.qr import draw
from airflow_provider_esimgo.kit.sheet import Sheet

DPI = 150
MARGIN = 50  # points, on the left and on the right
LONG_ID = "ABCDE-12345-FGHIJ-67890-" * 5
ICCID = "8944500102198765432"
FONTS = files("airflow_provider_esimgo.kit") / "fonts"


def entry(recipient: str = "ACME-1001", **fields: Any) -> KitEntry:
    fields = {
        "name": "Anna Kowalska",
        "plan": "1 GB for 7 days, United Kingdom",
        "smdp_address": "rsp.example",
        "matching_id": "K2-1ABCDE-9XYZ01",
        **fields,
    }
    return KitEntry(recipient, fields.pop("bundle", "esim_1GB_7D_GB_V2"), ICCID, **fields)


def sheet_of(*entries: KitEntry, font: str | None = None, title: str = "acme-2026-07") -> Sheet:
    made = Sheet(title, font=font)
    for one in entries:
        made.add(one, draw(one.activation_code))
    return made


def page_of(one: KitEntry, **options: Any) -> pdfium.PdfPage:
    return pdfium.PdfDocument(sheet_of(one, **options).finish())[0]


def text_of(page: pdfium.PdfPage) -> str:
    return page.get_textpage().get_text_bounded().replace("\r\n", "\n")


def joined(text: str) -> str:
    """Without the breaks of lines that a long code has."""
    return re.sub(r"\s", "", text)


def heading_of(page: pdfium.PdfPage) -> str:
    """The line under "eSIM for"."""
    return text_of(page).split("\n")[1]


def picture_of(page: pdfium.PdfPage, dpi: int = DPI) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return page.render(scale=dpi / 72).to_numpy()


def ink_of(page: pdfium.PdfPage) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return picture_of(page).min(axis=2) < 200


def points(number: float) -> int:
    return round(number * DPI / 72)


@cache
def awkward_entries() -> dict[str, KitEntry]:
    return {
        "name": entry(name="W" * 200),
        "words": entry(name=("Maximiliana Wilhelmina Fürstenberg " * 6)[:200]),
        "code": entry(matching_id=LONG_ID, topped_up=True),
        "reference": entry("W" * 64, name=None),
        "plan": entry(plan="W" * 300),
        "everything": entry(
            "W" * 64,
            name="W" * 200,
            plan="W" * 300,
            matching_id="W" * 120,
            smdp_address=f"{'a' * 60}." * 4 + "example",
            topped_up=True,
        ),
    }


AWKWARD = pytest.mark.parametrize("case", ["name", "words", "code", "reference", "plan", "everything"])


def test_every_entry_has_its_page():
    pdf = pdfium.PdfDocument(sheet_of(entry("ana"), entry("bo"), entry("cy")).finish())
    assert len(pdf) == 3
    assert [re.findall(r"Page \d", text_of(page)) for page in pdf] == [["Page 1"], ["Page 2"], ["Page 3"]]


@pytest.mark.parametrize("matching_id", ["K2-1ABCDE-9XYZ01", LONG_ID])
def test_the_printed_code_scans_as_the_activation_code(matching_id: str):
    one = entry(matching_id=matching_id)
    (found,) = zxingcpp.read_barcodes(picture_of(page_of(one)))
    assert found.text == one.activation_code


def test_the_printed_code_bears_a_quarter_of_damage():
    (found,) = zxingcpp.read_barcodes(picture_of(page_of(entry())))
    assert found.ec_level == "Q"


def test_the_printed_code_is_six_centimetres_wide():
    (found,) = zxingcpp.read_barcodes(picture_of(page_of(entry())))
    wide = found.position.top_right.x - found.position.top_left.x
    assert wide / DPI * 25.4 == pytest.approx(60, abs=0.7)


@pytest.mark.parametrize("topped_up", [False, True])
@pytest.mark.parametrize("matching_id", ["1", "K2-1ABCDE-9XYZ01", LONG_ID])
def test_four_modules_of_white_are_kept_around_the_printed_code(matching_id: str, topped_up: bool):
    one = entry(smdp_address="a.b", matching_id=matching_id, topped_up=topped_up)
    page = page_of(one)
    (found,) = zxingcpp.read_barcodes(picture_of(page))
    left, top = found.position.top_left.x, found.position.top_left.y
    right, low = found.position.bottom_right.x, found.position.bottom_right.y
    quiet = int(4 * (right - left) / len(draw(one.activation_code).print_rows)) - 2
    around = ink_of(page)[top - quiet : low + quiet, left - quiet : right + quiet]
    around[quiet - 2 : 2 - quiet, quiet - 2 : 2 - quiet] = False
    assert not around.any()


@pytest.mark.parametrize("dpi", [97, 131, 203])
def test_no_hairlines_run_through_what_is_black(dpi: int):
    picture = picture_of(page_of(entry()), dpi)
    (found,) = zxingcpp.read_barcodes(picture)
    corner, module = found.position.top_left, 60 / 25.4 * dpi / len(draw(entry().activation_code).print_rows)
    eye = slice(round(2.3 * module), round(4.7 * module))  # the finder pattern's black middle
    assert picture[corner.y :, corner.x :][eye, eye].max() == 0


def test_the_printed_code_is_drawn_and_no_image():
    page = page_of(entry())
    assert not list(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]))


def test_everything_is_grey():
    picture = picture_of(page_of(entry(topped_up=True))).astype(int)
    assert np.ptp(picture[:, :, :3], axis=2).max() == 0


@pytest.mark.parametrize(
    "told",
    [
        "Anna Kowalska",
        "ACME-1001",
        "1 GB for 7 days, United Kingdom",
        ICCID,
        "SM-DP+ address rsp.example",
        "Activation code K2-1ABCDE-9XYZ01",
        "Whole code, for Android LPA:1$rsp.example$K2-1ABCDE-9XYZ01",
        "Use QR Code",
        "iOS 17.4",
        "Network & internet > SIMs",
        "Connections > SIM manager",
        "installs once",
        "Wi-Fi",
        "Do not delete the eSIM",
        "acme-2026-07",
    ],
)
def test_a_page_tells(told: str):
    assert told in re.sub(r"\s+", " ", text_of(page_of(entry())))


def test_a_bundle_without_words_is_told_by_its_name():
    assert "esim_1GB_7D_GB_V2" in text_of(page_of(entry(plan="")))


def test_a_recipient_without_a_name_is_called_by_the_reference():
    made = sheet_of(entry(name=None))
    assert made.undrawn == 0
    assert heading_of(pdfium.PdfDocument(made.finish())[0]) == "ACME-1001"


@pytest.mark.parametrize(
    "name",
    [
        "Şükrü Gökçe İğdır",  # noqa: RUF001 - the letter that matters
        "Řehoř Dvořáček-Žďárský",
        "Γεώργιος Παπαδόπουλος",
        "Щукин Ёлкин Їжак",
        "Łukasz Żółć",
        "Nguyễn Thị Hồng Đặng",
        "Adébáyọ̀ Ọlọ́run",
        "გიორგი",
        "Նարեկ",
        "Zoë O'Brien-Ñandú",
    ],
)
def test_a_name_in_a_plain_script_is_drawn(name: str):
    made = sheet_of(entry(name=name))
    assert made.undrawn == 0
    assert name in text_of(pdfium.PdfDocument(made.finish())[0])


@pytest.mark.parametrize(
    "name",
    [
        "田中さくら",
        "김민수",
        "محمد علي",
        "דוד כהן",
        "प्रिया शर्मा",
        "สมชาย ใจดี",
        "ສົມສັກ",
        "Anna 😀",
        "Anna 🧑‍🚀",
        "Anna ❤️",
        "Anna محمد",
        "\ufffd\ue000",
        "\ud800",
    ],
)
def test_a_name_that_would_come_out_wrong_gives_way_to_the_reference_and_is_counted(name: str):
    made = sheet_of(entry(name=name), entry())
    assert made.undrawn == 1
    assert heading_of(pdfium.PdfDocument(made.finish())[0]) == "ACME-1001"


def test_a_reference_that_cannot_be_drawn_gives_way_to_the_iccid_and_is_counted():
    made = sheet_of(entry("محمد", name=None))
    assert made.undrawn == 1
    assert heading_of(pdfium.PdfDocument(made.finish())[0]) == ICCID


def test_what_is_not_seen_in_a_name_is_left_out():
    assert heading_of(page_of(entry(name="Anna\u202e\u200b\n  Kowal\u00adska\x07"))) == "Anna Kowalska"


@given(st.text(max_size=80), st.text(min_size=1, max_size=64), st.text(max_size=80))
@settings(max_examples=25, deadline=None)
def test_any_text_of_a_client_makes_one_page(name: str, recipient: str, plan: str):
    page = page_of(entry(recipient, name=name, plan=plan))
    assert not ink_of(page)[:, -points(MARGIN) :].any()


@AWKWARD
def test_nothing_runs_off_the_page(case: str):
    ink = ink_of(page_of(awkward_entries()[case]))
    wide = points(MARGIN)
    assert not ink[:, :wide].any()
    assert not ink[:, -wide:].any()
    assert not ink[-points(30) :].any()


@AWKWARD
def test_the_foot_keeps_its_distance(case: str):
    ink = ink_of(page_of(awkward_entries()[case]))
    assert not ink[-points(48) : -points(44)].any()


@AWKWARD
def test_no_code_is_ever_shortened(case: str):
    one = awkward_entries()[case]
    text = joined(text_of(page_of(one)))
    assert f"address{one.smdp_address}Activationcode{one.matching_id}Whole" in text
    assert f"Android{one.activation_code}" in text


def test_a_long_name_is_told_whole():
    one = awkward_entries()["words"]
    assert joined(one.name or "") in joined(text_of(page_of(one)))


def test_a_name_without_end_ends_in_an_ellipsis():
    assert heading_of(page_of(entry(name="W" * 2000))).startswith("WWWW")
    assert "W…" in text_of(page_of(entry(name="W" * 2000)))


def test_a_topped_up_esim_may_need_no_installation():
    plain, topped_up = (text_of(page_of(entry(topped_up=value))) for value in (False, True))
    assert "may be on the phone already: then nothing has to be installed" in topped_up
    assert "already" not in plain


@pytest.mark.parametrize(
    ("words", "link"), [("Install on iPhone", "apple"), ("Install on Android", "android")]
)
@pytest.mark.parametrize("topped_up", [False, True])
def test_a_tap_on_the_words_follows_the_install_link(words: str, link: str, topped_up: bool):
    one = entry(topped_up=topped_up, apple_url="https://a.example/?c=(1)", android_url="https://b.example/")
    pdf = pdfium.PdfDocument(sheet_of(one).finish())
    page = pdf[0]
    text = page.get_textpage()
    first, count = text.search(words).get_next()
    for at in (first, first + count - 1):
        left, low, right, high = text.get_charbox(at)
        found = raw.FPDFLink_GetLinkAtPoint(page, (left + right) / 2, (low + high) / 2)
        action = raw.FPDFLink_GetAction(found)
        size = raw.FPDFAction_GetURIPath(pdf, action, None, 0)
        address = (raw.c_char * size)()
        raw.FPDFAction_GetURIPath(pdf, action, address, size)
        assert address.value.decode() == {"apple": one.apple_link, "android": one.android_link}[link]


def test_the_same_entries_give_the_same_bytes():
    entries = (entry("ana"), entry("bo", name="Γεώργιος", topped_up=True), entry("cy", name="田中"))
    assert sheet_of(*entries).finish() == sheet_of(*entries).finish()


def test_all_fonts_are_embedded_as_subsets():
    pdf = sheet_of(entry()).finish()
    assert set(re.findall(rb"/BaseFont /(\S+)", pdf)) == {
        b"AAAAAA+DejaVuSans",
        b"AAAAAA+DejaVuSans-Bold",
        b"AAAAAA+DejaVuSansMono",
    }
    assert pdf.count(b"/FontFile2") == 3


def test_what_the_pages_share_is_in_the_file_once():
    one, twenty = (len(sheet_of(*[entry()] * count).finish()) for count in (1, 20))
    assert (twenty - one) / 19 < 3000


def test_the_file_says_what_it_is_and_who_made_it():
    told = pdfium.PdfDocument(sheet_of(entry()).finish()).get_metadata_dict()
    assert (told["Title"], told["Author"]) == ("acme-2026-07", "airflow-provider-esimgo")


def test_a_title_that_cannot_be_drawn_is_left_out_of_the_foot():
    pdf = pdfium.PdfDocument(sheet_of(entry(), title="東京").finish())
    assert pdf.get_metadata_dict()["Title"] == "東京"
    assert text_of(pdf[0]).rstrip().endswith("Page 1")


def test_a_withheld_code_has_no_page():
    withheld = KitEntry("ACME-1", "esim_1GB_7D_GB_V2", ICCID, withheld="this eSIM is installed already")
    with pytest.raises(KitError, match=f"{ICCID} has no code to print: this eSIM is installed already"):
        Sheet("acme").add(withheld, draw("LPA:1$rsp.example$K2"))


def test_a_sheet_without_pages_says_so():
    pdf = pdfium.PdfDocument(Sheet("acme").finish())
    assert len(pdf) == 1
    assert "No eSIM of this batch has a code that installs" in text_of(pdf[0])


def font_of_japanese(folder: Path) -> str:
    """DejaVu Sans Mono under another name, of which two letters stand for 田 and 中."""
    font = (FONTS / "DejaVuSansMono.ttf").read_bytes().replace(b"DejaVuSansMono", b"TestedSansMono")
    utf16 = "DejaVuSansMono".encode("utf-16-be"), "TestedSansMono".encode("utf-16-be")
    font = font.replace(*utf16)
    groups = [(0x20, 0x7E, 3), (ord("中"), ord("中"), 40), (ord("田"), ord("田"), 41)]
    body = b"".join(struct.pack(">III", *group) for group in groups)
    cmap = struct.pack(">HHHHI", 0, 1, 3, 10, 12)
    cmap += struct.pack(">HHIII", 12, 0, 16 + len(body), 0, len(groups)) + body
    place = font.index(b"cmap", 12)
    font = font[: place + 8] + struct.pack(">II", len(font), len(cmap)) + font[place + 16 :] + cmap
    path = folder / "japanese.ttf"
    path.write_bytes(font)
    return str(path)


def test_a_given_font_draws_what_the_bundled_one_cannot(tmp_path: Path):
    made = sheet_of(entry(name="田中"), entry(), font=font_of_japanese(tmp_path))
    assert made.undrawn == 0
    pdf = made.finish()
    assert heading_of(pdfium.PdfDocument(pdf)[0]) == "田中"
    assert b"+TestedSansMono" in pdf


def test_a_given_font_is_left_alone_where_the_bundled_one_will_do(tmp_path: Path):
    assert b"+TestedSansMono" not in sheet_of(entry(), font=font_of_japanese(tmp_path)).finish()


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "cut off", "other outlines"])
def test_a_font_that_cannot_be_used_is_refused_with_the_cure(tmp_path: Path, kind: str):
    path = tmp_path / "own.ttf"
    whole = (FONTS / "DejaVuSans.ttf").read_bytes()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(
            {"text": b"no font", "cut off": whole[: len(whole) // 2], "other outlines": b"OTTO" + whole[4:]}[
                kind
            ]
        )
    with pytest.raises(KitError, match=r"Give the path of a TrueType file") as refused:
        Sheet("acme", font=str(path))
    assert str(path) in str(refused.value)


def test_reportlab_is_loaded_with_the_first_sheet_and_not_before():
    script = "import sys, airflow_provider_esimgo.kit.sheet; sys.exit('reportlab' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
