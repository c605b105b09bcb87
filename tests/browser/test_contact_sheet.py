"""The contact sheet in a browser: it scans, finds, copies and prints, from disk and without a network."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from kit_entries import contact_sheet
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from airflow_provider_esimgo.kit.entries import KitEntry
from airflow_provider_esimgo.kit.page import ContactSheet
from airflow_provider_esimgo.kit.qr import draw

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
WHY = "topped up: this eSIM is installed already"


def entry(at: int, **fields: Any) -> KitEntry:
    if not fields.get("withheld"):
        fields = {
            "smdp_address": "rsp-3104.idemia.io",
            "matching_id": f"ABCDE-FGHIJ-KLMNO-{at:05d}",
            **fields,
        }
    fields = {"name": f"Person {at:03d}", "plan": "1 GB for 7 days, United Kingdom", **fields}
    return KitEntry(
        f"ACME-{at}", fields.pop("bundle", "esim_1GB_7D_GB_V2"), f"8944500000000{at:06d}", **fields
    )


PEOPLE = [
    entry(1, name="Zoë Müller", email="zoe@acme.example", cost_centre="Vertrieb"),
    entry(2, name="Jürgen Groß", bundle="esim_5GB_30D_FR_V2", plan="5 GB for 30 days, France"),
    entry(3, name="José Müller", email="jose@acme.example", cost_centre="IT"),
    entry(4, name="Σωκράτης", withheld=WHY, topped_up=True),
]


class Sheet:
    """An opened sheet, and what the browser said and asked for meanwhile."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.requested: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    @property
    def shown(self) -> list[str]:
        return self.page.locator("li:visible h2").all_inner_texts()

    def search(self, words: str) -> list[str]:
        self.page.get_by_label("Search the eSIMs").fill(words)
        return self.shown


@pytest.fixture
def open_sheet(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Sheet]]:
    contexts = []

    def opened(
        entries: list[KitEntry], *, title: str = "acme-2026-07", init: str = "", **options: Any
    ) -> Sheet:
        file = tmp_path / "index.html"
        file.write_bytes(contact_sheet(entries, title=title))
        contexts.append(context := browser.new_context(**options))
        sheet = Sheet(context.new_page())
        if init:
            sheet.page.add_init_script(init)
        sheet.page.goto(file.as_uri())
        return sheet

    yield opened
    for context in contexts:
        context.close()


def test_it_opens_from_disk_without_an_error_and_without_a_network(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet(PEOPLE)
    sheet.search("zoe")
    assert sheet.said == []
    assert [url for url in sheet.requested if not url.startswith("data:")] == [sheet.page.url]
    assert sheet.page.url.startswith("file://")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_code_on_the_screen_scans_as_the_activation_code(open_sheet: Callable[..., Sheet], scheme: str):
    entries = [entry(1), entry(2, matching_id="K2"), entry(3, matching_id="X" * 120)]
    sheet = open_sheet(entries, color_scheme=scheme)
    pictures = sheet.page.locator(".qr").all()
    assert [_scanned(one.screenshot()) for one in pictures] == [[one.activation_code] for one in entries]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("zoe", ["Zoë Müller"]),
        ("ZOË", ["Zoë Müller"]),
        ("muller", ["Zoë Müller", "José Müller"]),
        ("muller jose", ["José Müller"]),
        ("groß", ["Jürgen Groß"]),
        ("GROSS", ["Jürgen Groß"]),
        ("σωκρατησ", ["Σωκράτης"]),
        ("acme-2", ["Jürgen Groß"]),
        ("8944500000000000003", ["José Müller"]),
        ("jose@acme.example", ["José Müller"]),
        ("esim_5gb", ["Jürgen Groß"]),
        ("30 days france", ["Jürgen Groß"]),
        ("vertrieb", ["Zoë Müller"]),
        ("  ", [one.name for one in PEOPLE]),
        ("LPA", []),  # not in the index: a code is a secret, and nobody types one
    ],
)
def test_search_finds(open_sheet: Callable[..., Sheet], words: str, found: list[str]):
    assert open_sheet(PEOPLE).search(words) == found


def test_search_counts_says_when_it_found_nothing_and_clears_by_escape(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet(PEOPLE)
    count = sheet.page.get_by_role("search").get_by_role("status")
    expect(count).to_have_text("")
    sheet.page.keyboard.press("/")
    sheet.page.keyboard.type("mul")
    expect(count).to_have_text("2 of 4")
    sheet.page.keyboard.type("x")
    expect(count).to_have_text("0 of 4")
    expect(sheet.page.get_by_text("No eSIM matches.")).to_be_visible()
    sheet.page.keyboard.press("Escape")
    expect(sheet.page.get_by_label("Search the eSIMs")).to_have_value("")
    expect(count).to_have_text("")
    assert len(sheet.shown) == len(PEOPLE)


def test_those_without_a_code_can_be_seen_alone(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet(PEOPLE)
    expect(sheet.page.get_by_text("1 without a code")).to_be_visible()
    sheet.page.get_by_label("Only without a code").check()
    assert sheet.shown == ["Σωκράτης"]
    expect(sheet.page.locator("li:visible")).to_contain_text(WHY)
    assert sheet.search("zoe") == []


@pytest.mark.parametrize("init", ["", NO_CLIPBOARD], ids=["clipboard", "no clipboard"])
def test_copy_puts_exactly_the_code_on_the_clipboard(open_sheet: Callable[..., Sheet], init: str):
    long = entry(2, matching_id="LONG-" + "X" * 100)  # wraps on the screen
    sheet = open_sheet([entry(1), long], init=init, permissions=["clipboard-read", "clipboard-write"])
    sheet.page.get_by_role("button", name="Copy the code of Person 002").click()
    expect(sheet.page.locator("#said")).to_have_text("Copied")
    expect(sheet.page.locator("button").nth(1)).to_have_text("Copied")
    expect(sheet.page.locator("button").nth(0)).to_have_text("Copy")
    reader = sheet.page.context.new_page()
    reader.goto(sheet.page.url)
    reader.bring_to_front()
    assert reader.evaluate("navigator.clipboard.readText()") == long.activation_code


def test_a_browser_that_does_not_let_copy_leaves_the_code_selected(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet([entry(1)], init=NO_CLIPBOARD + "; document.execCommand = () => false")
    sheet.page.keyboard.press("Tab")  # the search box
    sheet.page.keyboard.press("Tab")
    sheet.page.keyboard.press("Enter")
    expect(sheet.page.locator("button")).to_have_text("Copy by hand")
    assert sheet.page.evaluate("String(getSelection())") == entry(1).activation_code


def test_paper_has_every_code_to_scan_and_no_card_over_two_pages(open_sheet: Callable[..., Sheet]):
    entries = [entry(at, cost_centre="Sales", profile_status="Released") for at in range(1, 25)]
    entries[4] = entry(5, name="W" * 200, email=f"{'a' * 60}@acme.example")
    pages = _printed(open_sheet(entries, color_scheme="dark").page)
    assert len(pages) > 1
    found: list[str] = []
    for picture, text in pages:
        codes = sorted(_scanned(picture))
        assert sorted(re.findall(r"LPA:1\S+", text)) == codes
        assert sorted(re.findall(r"ACME-[0-9]+", text)) == sorted(f"ACME-{int(code[-5:])}" for code in codes)
        assert picture.getpixel((0, 0)) == (255, 255, 255)
        found += codes
    assert found == [one.activation_code for one in entries]


def test_paper_has_no_buttons_links_or_cards_that_were_filtered_out(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet(PEOPLE)
    sheet.search("muller")
    ((picture, text),) = _printed(sheet.page)
    assert sorted(_scanned(picture)) == [PEOPLE[0].activation_code, PEOPLE[2].activation_code]
    assert "2 of 4" in text
    for gone in ("Jürgen", "Copy", "Install on", "Only without"):
        assert gone not in text


HOSTILE = [
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    '"><svg onload="window.ran = 1"> \' onmouseover=\'window.ran = 1',
    "</li></ul></style><style>body{display:none}",
    "&lt;b&gt; {{7*7}} ${7*7}",
    "👩‍🚀 مرحبا \u202egnp.exe",
    "W" * 200,
]


@pytest.mark.parametrize("width", [360, 1280])
def test_hostile_names_do_nothing_and_break_no_layout(open_sheet: Callable[..., Sheet], width: int):
    entries = [
        entry(at, name=name, email=f"{name}@x.example", cost_centre=name, plan=name, profile_status=name)
        for at, name in enumerate(HOSTILE, 1)
    ]
    entries.append(entry(99, withheld=HOSTILE[0] + "W" * 200, name=HOSTILE[-1]))
    sheet = open_sheet(entries, title="".join(HOSTILE), viewport={"width": width, "height": 800})
    assert sheet.page.locator("h2").all_text_contents() == [*HOSTILE, HOSTILE[-1]]
    assert sheet.page.evaluate("window.ran") is None
    assert sheet.said == []
    assert sheet.page.evaluate("document.documentElement.scrollWidth") == width
    assert all(0 <= edge <= width for edge in sheet.page.evaluate(_EDGES))


_EDGES = """[...document.querySelectorAll('li, li *')].flatMap(part => {
    part.closest('li').style.contentVisibility = 'visible';
    const {left, right} = part.getBoundingClientRect();
    return [left, right];
})"""


def test_without_scripts_it_is_a_list_to_read(open_sheet: Callable[..., Sheet]):
    sheet = open_sheet(PEOPLE, java_script_enabled=False)
    assert sheet.shown == [one.name for one in PEOPLE]
    expect(sheet.page.get_by_text(PEOPLE[0].activation_code)).to_be_visible()
    expect(sheet.page.locator("button:visible, input:visible")).to_have_count(0)


@pytest.mark.slow
def test_ten_thousand_cards_open_and_are_searched(browser: Browser, tmp_path: Path):
    made, drawing = ContactSheet("acme"), draw(entry(1).activation_code)
    for at in range(10_000):
        made.add(entry(at, email=f"person.{at}@acme.example", cost_centre="Sales"), drawing)
    file = tmp_path / "index.html"
    file.write_bytes(made.finish())
    print(f"{file.stat().st_size / 1e6:.1f} MB")
    assert file.stat().st_size < 15_000_000
    page = browser.new_page()
    page.goto(file.as_uri())
    page.get_by_label("Search the eSIMs").fill("person 4321")
    expect(page.locator("output")).to_have_text("1 of 10,000")
    expect(page.locator("li:visible h2")).to_have_text("Person 4321")
    page.close()


def _scanned(picture: bytes | Image.Image) -> list[str]:
    image = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    return [found.text for found in zxingcpp.read_barcodes(image.convert("L"))]


def _printed(page: Page) -> list[tuple[Image.Image, str]]:
    """Each page as a printer at 200 dpi would show it, and its text."""
    document = pypdfium2.PdfDocument(page.pdf(format="A4"))
    return [
        (one.render(scale=200 / 72).to_pil().convert("RGB"), one.get_textpage().get_text_range())
        for one in document
    ]
