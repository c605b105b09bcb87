"""The cost card: what a plan costs, on one page, for the person who approves it.

Built from the plan alone, as Markdown for Airflow's UI and as a self-contained HTML page with a bar chart.
No recipient and no name is on it, and no text of the manifest can become markup: it is shown as it is spelt.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from html import escape

from airflow_provider_esimgo.manifest.faults import Fault
from airflow_provider_esimgo.manifest.hashing import money_text
from airflow_provider_esimgo.manifest.model import Manifest
from airflow_provider_esimgo.manifest.price import Plan

SHOWN_LINES = 20  # of each table; the rest is one line
SHOWN_WARNINGS = 10
SHOWN_NAME = 80  # characters
SHOWN_WARNING = 240


@dataclass(frozen=True)
class CostLine:
    """What one bundle or one cost centre asks for."""

    name: str
    units: int
    amount: Decimal


@dataclass(frozen=True)
class CostCard:
    """The facts on the card. `seconds` is how long the vendor's pace makes the orders take."""

    client: str | None
    account: str
    batch_id: str
    manifest: str
    plan_hash: str
    rows: int
    units: int
    orders: int
    seconds: float
    pace: float
    total: Decimal
    currency: str
    balance: Decimal | None
    bundles: tuple[CostLine, ...]
    cost_centres: tuple[CostLine, ...]
    warnings: tuple[str, ...]

    @property
    def balance_after(self) -> Decimal | None:
        """What is left of the balance when everything is bought."""
        return None if self.balance is None else self.balance - self.total

    def to_json(self) -> str:
        """How the ledger keeps it; money is text."""
        return json.dumps(asdict(self), default=money_text, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> CostCard:
        """The card that `to_json` wrote."""
        kept = json.loads(text)
        for money in ("total", "balance"):
            kept[money] = None if kept[money] is None else Decimal(kept[money])
        for table in ("bundles", "cost_centres"):
            kept[table] = tuple(
                CostLine(line["name"], line["units"], Decimal(line["amount"])) for line in kept[table]
            )
        kept["warnings"] = tuple(kept["warnings"])
        return cls(**kept)

    def markdown(self, *, valid_until: datetime | None = None) -> str:
        """The card for Airflow's approval page."""
        facts = [f"| {name} | {_as_code(text) if quoted else text} |" for name, text, quoted in _facts(self)]
        if valid_until is not None:
            facts.append(f"| Valid until | {_moment(valid_until)} |")
        parts = ["| | |\n|---|---|\n" + "\n".join(facts)]
        for title, lines in _tables(self):
            body = "\n".join(
                f"| {_as_code(line.name)} | {line.units} | {_money(line.amount)} |" for line in lines
            )
            parts.append(f"| {title} | Units | {self.currency} |\n|---|---:|---:|\n{body}")
        if self.warnings:
            parts.append("**Warnings**\n\n" + "\n".join(f"- {_as_code(text)}" for text in self.warnings))
        return "\n\n".join(parts) + "\n"

    def html(self, *, valid_until: datetime | None = None) -> str:
        """The card as one page that loads nothing."""
        facts = [(name, text) for name, text, _ in _facts(self)]
        if valid_until is not None:
            facts.append(("Valid until", _moment(valid_until)))
        rows = "\n".join(
            f"<tr><th>{escape(name)}</th><td>{_isolated(text)}</td></tr>" for name, text in facts
        )
        charts = "\n".join(
            f"<h2>{title}</h2>\n{_bars(lines, self.currency, title)}" for title, lines in _tables(self)
        )
        warnings = "".join(f"<li>{_isolated(text)}</li>" for text in self.warnings)
        return _PAGE.format(
            title=escape(f"Cost card of {self.batch_id}"),
            heading=_isolated(self.batch_id),
            total=f"{_money(self.total)} {escape(self.currency)}",
            rows=rows,
            charts=charts,
            warnings=f"<h2>Warnings</h2>\n<ul>{warnings}</ul>" if warnings else "",
        )


def build_card(
    plan: Plan,
    manifest: Manifest,
    *,
    client: str | None = None,
    balance: Decimal | None = None,
    seconds_between_orders: float = 3.0,
    put_aside: int = 0,
) -> CostCard:
    """What a plan costs, by bundle and by cost centre, the dearest first."""
    by_bundle: dict[str, list[Decimal]] = {}
    by_cost_centre: dict[str, list[Decimal]] = {}
    for order in plan.orders:
        for unit, price in zip(order.units, order.unit_prices, strict=True):
            by_bundle.setdefault(unit.bundle, []).append(price)
            by_cost_centre.setdefault(unit.cost_centre or "(none)", []).append(price)
    return CostCard(
        client=_spelt(client, SHOWN_NAME) if client else None,
        account=_spelt(plan.account, SHOWN_NAME),
        batch_id=_spelt(plan.batch_id, SHOWN_NAME),
        manifest=_spelt(manifest.name, SHOWN_NAME),
        plan_hash=plan.plan_hash,
        rows=manifest.row_count,
        units=plan.unit_count,
        orders=plan.order_count,
        seconds=(plan.order_count - 1) * seconds_between_orders,
        pace=seconds_between_orders,
        total=plan.total,
        currency=plan.currency,
        balance=balance,
        bundles=_dearest(by_bundle),
        cost_centres=_dearest(by_cost_centre),
        warnings=(*_put_aside(put_aside), *_warnings(manifest.warnings)),
    )


def _dearest(prices: dict[str, list[Decimal]]) -> tuple[CostLine, ...]:
    lines = sorted(
        (
            CostLine(_spelt(name, SHOWN_NAME), len(each), sum(each, Decimal(0)))
            for name, each in prices.items()
        ),
        key=lambda line: (-line.amount, line.name),
    )
    if len(lines) <= SHOWN_LINES:
        return tuple(lines)
    shown, others = lines[: SHOWN_LINES - 1], lines[SHOWN_LINES - 1 :]
    rest = CostLine(
        f"… and {len(others)} others",
        sum(line.units for line in others),
        sum((line.amount for line in others), Decimal(0)),
    )
    return (*shown, rest)


def _put_aside(rows: int) -> tuple[str, ...]:
    if not rows:
        return ()
    return (f"{rows:,} {'row' if rows == 1 else 'rows'} of the file with faults put aside: not in this plan",)


def _warnings(faults: Iterable[Fault]) -> tuple[str, ...]:
    """One line for each kind of warning and column, with the rows it is about: no values."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault((fault.code, fault.column or ""), []).append(fault)
    told = []
    for (_, column), alike in sorted(kinds.items(), key=lambda kind: kind[0]):
        rows = [str(fault.row) for fault in alike if fault.row is not None]
        where = ", ".join(rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
        place = " ".join(
            part for part in (column, f"(row{'s' if len(rows) > 1 else ''} {where})" if where else "") if part
        )
        told.append(_spelt(f"{place or 'file'}: {alike[0].message}; {alike[0].cure}", SHOWN_WARNING))
    if len(told) > SHOWN_WARNINGS:
        told[SHOWN_WARNINGS - 1 :] = [f"… and {len(told) - SHOWN_WARNINGS + 1} more kinds of warning"]
    return tuple(told)


def _facts(card: CostCard) -> list[tuple[str, str, bool]]:
    """Name, text, and whether the text comes from outside."""
    facts = [("Client", card.client, True)] if card.client else []
    balance, after = card.balance, card.balance_after
    return [
        *facts,
        ("Batch", card.batch_id, True),
        ("Account", card.account, True),
        ("Manifest", card.manifest, True),
        ("Total", f"{_money(card.total)} {card.currency}", False),
        ("Rows", f"{card.rows:,}", False),
        ("Units", f"{card.units:,}", False),
        ("Orders", f"{card.orders:,}", False),
        ("Time", f"{_duration(card.seconds)} at one order every {card.pace:g} s", False),
        ("Balance before", "unknown" if balance is None else f"{_money(balance)} {card.currency}", False),
        ("Balance after", "unknown" if after is None else f"{_money(after)} {card.currency}", False),
        ("Plan", card.plan_hash, True),
    ]


def _tables(card: CostCard) -> list[tuple[str, tuple[CostLine, ...]]]:
    return [("Bundle", card.bundles), ("Cost centre", card.cost_centres)]


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"about {hours} h {minutes} min"
    return f"about {minutes} min {rest} s" if minutes else f"about {rest} s"


_TURNS_ABOUT = re.compile(
    "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)  # text that reads in another order than it is


def _spelt(text: str, length: int) -> str:
    """On one line, without characters that hide or reorder others, and not endless."""
    line = " ".join(_TURNS_ABOUT.sub("\ufffd", text).split())
    line = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char for char in line)
    return line if len(line) <= length else line[: length - 1] + "…"


def _as_code(text: str) -> str:
    """A Markdown code span, in which nothing means anything and no address becomes a link."""
    shown = text.replace("|", "¦")  # what separates a table's cells does so in code as well
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if shown.strip("` ") != shown else f"{fence}{shown}{fence}"


def _isolated(text: str) -> str:
    return f"<bdi>{escape(text)}</bdi>"


def _bars(lines: Sequence[CostLine], currency: str, title: str) -> str:
    """A bar for each line: its name above, its amount beside."""
    most = max((line.amount for line in lines), default=Decimal(0)) or Decimal(1)
    drawn = []
    for at, line in enumerate(lines):
        top, wide = at * 40, max(float(line.amount / most) * 420, 1.0)
        units = f"{line.units:,} unit{'s' if line.units != 1 else ''}"
        drawn.append(
            f'<text x="0" y="{top + 13}">{escape(line.name)}</text>'
            f'<rect x="0" y="{top + 19}" width="{wide:.1f}" height="12" rx="2"/>'
            f'<text class="amount" x="{wide + 8:.1f}" y="{top + 30}">{_money(line.amount)} {escape(currency)}, {units}'
            "</text>"
        )
    label = escape(f"Cost by {title.lower()}")
    return (
        f'<svg viewBox="0 0 640 {len(lines) * 40}" role="img" aria-label="{label}">'
        + "".join(drawn)
        + "</svg>"
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --bar: #3b7dd8; --paper: #fff; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --bar: #6ea8fe; --paper: #0d1117; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 680px;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.3rem; margin: 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 1rem; margin: 1.8rem 0 .5rem; }}
.total {{ font-size: 2rem; font-weight: 600; margin: .2rem 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .25rem .5rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }}
th {{ font-weight: 400; color: var(--soft); white-space: nowrap; width: 9rem; }}
td {{ overflow-wrap: anywhere; }}
svg {{ width: 100%; height: auto; font-size: 13px; }}
svg text {{ fill: var(--ink); }}
svg .amount {{ fill: var(--soft); }}
svg rect {{ fill: var(--bar); }}
</style>
</head>
<body>
<h1>{heading}</h1>
<p class="total">{total}</p>
<table>
{rows}
</table>
{charts}
{warnings}
</body>
</html>
"""
