"""Units into orders: the fewest orders the vendor allows, and the same ones every time.

An order holds at most `max_units_per_order` units and never the same ICCID twice. The number of orders is
max(ceil(units / max), times the busiest ICCID is topped up), which is the least possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from airflow_provider_esimgo.manifest.model import Unit

MAX_UNITS_PER_ORDER = 10


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line of an order: `quantity` new eSIMs, or a top-up of as many `iccids`."""

    bundle: str
    quantity: int
    iccids: tuple[str, ...] = ()


Shape = tuple[DraftLine, ...]


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """An order before it has a price. Its units stand in the sequence of its lines."""

    number: int
    units: tuple[Unit, ...]
    lines: tuple[DraftLine, ...]

    @property
    def shape(self) -> Shape:
        """What the vendor prices: orders of one shape cost the same, so one quote serves them all."""
        return self.lines


def pack_orders(
    units: Iterable[Unit], *, max_units_per_order: int = MAX_UNITS_PER_ORDER
) -> tuple[OrderDraft, ...]:
    """Cut units into the fewest orders, with few distinct shapes.

    ICCIDs topped up more than once are dealt round-robin over the last orders, as few of them as will do;
    then everything else fills the orders from the first on, new eSIMs bundle by bundle before top-ups.
    """
    if max_units_per_order < 1:
        raise ValueError(f"max_units_per_order must be at least 1, not {max_units_per_order}")
    queue = sorted(units, key=lambda unit: unit.number)
    if not queue:
        return ()
    times = Counter(unit.iccid for unit in queue if unit.iccid is not None)
    busiest = max(times.values(), default=1)
    orders: list[list[Unit]] = [[] for _ in range(max(_ceil_div(len(queue), max_units_per_order), busiest))]

    # `window` consecutive orders take one unit each in turn: an ICCID's units, dealt one after another,
    # land in different orders because no ICCID occurs more than `busiest` <= `window` times.
    repeated = sorted(
        (unit for unit in queue if unit.iccid is not None and times[unit.iccid] > 1),
        key=lambda unit: (unit.iccid or "", unit.number),
    )
    window = max(busiest, _ceil_div(len(repeated), max_units_per_order))
    for at, unit in enumerate(repeated):
        orders[len(orders) - window + at % window].append(unit)

    dealt = {unit.number for unit in repeated}
    rest = sorted((unit for unit in queue if unit.number not in dealt), key=_filling_sequence)
    current = 0
    for unit in rest:
        while len(orders[current]) == max_units_per_order:
            current += 1
        orders[current].append(unit)
    return tuple(_draft(number, order) for number, order in enumerate(orders, start=1))


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def _filling_sequence(unit: Unit) -> tuple[bool, str, int]:
    return unit.iccid is not None, unit.bundle, unit.number


def _line_sequence(unit: Unit) -> tuple[str, bool, int]:
    return unit.bundle, unit.iccid is not None, unit.number


def _draft(number: int, order: list[Unit]) -> OrderDraft:
    placed = sorted(order, key=_line_sequence)
    lines = []
    for (bundle, topped_up), group in groupby(placed, key=lambda unit: (unit.bundle, unit.iccid is not None)):
        members = list(group)
        iccids = tuple(unit.iccid for unit in members if unit.iccid is not None) if topped_up else ()
        lines.append(DraftLine(bundle, len(members), iccids))
    return OrderDraft(number, tuple(placed), tuple(lines))
