"""The cost card tells what a plan costs, and nothing in a manifest can make it tell something else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from markdown_it import MarkdownIt

from airflow_provider_esimgo.manifest import (
    Fault,
    Manifest,
    Quote,
    Row,
    Severity,
    content_hash,
    expand_units,
    pack_orders,
    price_plan,
)
from airflow_provider_esimgo.manifest.card import CostCard, build_card

PRICES = {"gb": Decimal("1.36"), "nl": Decimal("1.42")}
EVIL = [
    "<script>alert(1)</script>",
    "a|b\\|c",
    "`tick` ``two``",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "http://evil.example www.evil.example me@evil.example",
    "</svg></table><h1>Total 0.00",
    "line\n\n# break\r\n| 1 | 2 |",
    "\u202etxt.exe\u2066\x00\x1b[31m",
    "{{ var.value.secret }} {% raw %} {0} {total}",
    "&lt;b&gt; \" ' *bold* _it_ ~~no~~",
]


def card_of(
    *rows: Row, warnings: tuple[Fault, ...] = (), name: str = "acme.csv", batch_id: str = "acme", **fields
):
    rows = rows or (Row(2, "e1", "gb", 12, cost_centre="Sales"), Row(3, "e2", "nl"))
    manifest = Manifest(name, rows, 0, warnings, (), (), content_hash(rows))
    drafts = pack_orders(expand_units(manifest))
    quotes = {}
    for draft in drafts:
        prices = {line.bundle: PRICES.get(line.bundle, Decimal(1)) for line in draft.lines}
        total = sum(prices[line.bundle] * line.quantity for line in draft.lines)
        quotes[draft.shape] = Quote(total, "USD", prices)
    plan = price_plan(account="Org@host", batch_id=batch_id, drafts=drafts, quotes=quotes)
    return build_card(plan, manifest, **fields)


def cells(markdown: str) -> list[str]:
    """What a reader sees in the tables and lists of the rendered Markdown."""
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    tree = ET.fromstring(f"<card>{rendered}</card>")
    return ["".join(cell.itertext()) for cell in tree.iter() if cell.tag in ("td", "th", "li")]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.told: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.told.append(data)


def test_it_tells_what_an_approver_asks():
    card = card_of(client="Acme", balance=Decimal(20))
    told = cells(card.markdown(valid_until=datetime(2026, 11, 24, 9, 30, tzinfo=UTC)))
    first = told[: told.index("Bundle")]
    facts = dict(zip(first[2::2], first[3::2], strict=True))
    assert facts["Client"] == "Acme"
    assert facts["Total"] == "17.74 USD"
    assert (facts["Rows"], facts["Units"], facts["Orders"]) == ("2", "13", "2")
    assert facts["Time"] == "about 3 s at one order every 3 s"
    assert (facts["Balance before"], facts["Balance after"]) == ("20.00 USD", "2.26 USD")
    assert facts["Plan"] == card.plan_hash
    assert facts["Valid until"] == "2026-11-24 09:30 UTC"
    page = Page(card.html())
    for text in (
        "acme",
        "17.74 USD",
        card.plan_hash,
        "gb",
        "16.32 USD, 12 units",
        "(none)",
        "1.42 USD, 1 unit",
    ):
        assert text in page.told


def test_every_unit_is_in_one_bundle_and_one_cost_centre():
    card = card_of()
    assert [(line.name, line.units, line.amount) for line in card.bundles] == [
        ("gb", 12, Decimal("16.32")),
        ("nl", 1, Decimal("1.42")),
    ]
    assert [line.name for line in card.cost_centres] == ["Sales", "(none)"]
    for lines in (card.bundles, card.cost_centres):
        assert sum(line.amount for line in lines) == card.total
        assert sum(line.units for line in lines) == card.units


def test_an_unknown_balance_is_said_to_be_unknown():
    assert card_of().markdown().count("unknown") == 2


def test_the_ledger_keeps_it_exactly():
    for card in (card_of(), card_of(client="Ä😀", balance=Decimal("0.10"))):
        assert CostCard.from_json(card.to_json()) == card
        assert CostCard.from_json(card.to_json()).html() == card.html()


def test_text_of_the_manifest_stays_text_in_markdown():
    rows = tuple(Row(at, f"e{at}", evil, cost_centre=evil) for at, evil in enumerate(EVIL, start=2))
    warnings = tuple(
        Fault(f"w{at}", Severity.WARNING, 2, "bundle", evil, evil, evil) for at, evil in enumerate(EVIL)
    )
    plain = card_of(*(Row(at, f"e{at}", f"b{at}", cost_centre=f"c{at}") for at in range(2, len(EVIL) + 2)))
    for evil in EVIL:
        card = card_of(*rows, client=evil, name=evil, batch_id=evil, warnings=warnings)
        rendered = MarkdownIt("gfm-like", {"linkify": False}).render(card.markdown())
        assert not re.search(
            r"<(?!/?(table|thead|tbody|tr|t[hd]( style=\"text-align:right\")?|code|ul|li|p|strong)>)",
            rendered,
        )
        assert len([cell for cell in cells(plain.markdown()) if cell]) + len(card.warnings) + 2 == len(
            [cell for cell in cells(card.markdown()) if cell]
        ), "no cell more, none fewer"


def test_text_of_the_manifest_stays_text_in_html():
    rows = tuple(Row(at, f"e{at}", evil, cost_centre=evil) for at, evil in enumerate(EVIL, start=2))
    for evil in EVIL:
        card = card_of(*rows, client=evil, name=evil, batch_id=evil)
        page = Page(card.html())
        known = "html head meta title style body h1 bdi p table tr th td h2 svg text rect"
        assert set(page.tags) <= set(known.split())
        assert page.tags.count("h1") == 1
        assert all(line.name in page.told for line in card.bundles)


def test_nothing_can_be_loaded_from_elsewhere():
    text = card_of().html()
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=|url\(|@import", text)


def test_text_that_turns_others_about_is_made_visible():
    card = card_of(client="\u202eevil\u2066\x00")
    assert card.client == "\ufffdevil\ufffd\ufffd"


def test_a_big_manifest_makes_no_big_card():
    rows = tuple(Row(at, f"e{at}", f"😀{at}" * 40, 3, cost_centre=f"\u20ac{at}" * 60) for at in range(2, 302))
    warnings = tuple(
        Fault(f"w{at}", Severity.WARNING, at, "iccid", "x", "\U0001f600" * 400, "cure") for at in range(300)
    )
    card = card_of(*rows, warnings=warnings, client="😀" * 500)
    assert len(card.to_json().encode()) < 40_000, "MySQL keeps 64 KB"
    assert (len(card.bundles), len(card.cost_centres), len(card.warnings)) == (20, 20, 10)
    assert card.bundles[-1].name == "… and 281 others"
    assert sum(line.units for line in card.bundles) == card.units == 900
    assert sum(line.amount for line in card.cost_centres) == card.total


def test_warnings_of_one_kind_are_one_line_without_values():
    warnings = tuple(
        Fault("luhn", Severity.WARNING, row, "iccid", f"secret{row}", "fails its check digit", "compare it")
        for row in range(2, 10)
    )
    assert card_of(warnings=warnings).warnings == (
        "iccid (rows 2, 3, 4, 5, 6 and 3 more): fails its check digit; compare it",
    )


def test_rows_that_were_put_aside_are_told_first():
    fault = Fault("luhn", Severity.WARNING, 2, "iccid", "x", "fails its check digit", "compare it")
    told, _ = card_of(put_aside=3, warnings=(fault,)).warnings
    assert told == "3 rows of the file with faults put aside: not in this plan"


def test_no_recipient_and_no_name_is_on_it():
    row = Row(2, "employee-4711", "gb", name="Ada Lovelace", email="ada@example.com")
    card = card_of(row)
    for text in (card.markdown(), card.html(), card.to_json()):
        assert not re.search("4711|Lovelace|example", text)


def test_long_purchases_are_told_in_hours():
    rows = (Row(2, "e1", "gb", 1000), *(Row(at, f"e{at}", "gb", 1000) for at in range(3, 33)))
    assert "about 2 h 34 min" in card_of(*rows).markdown()
