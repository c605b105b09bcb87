"""Compares the vendor's own books with the ledger after a run, in the manner of Jepsen.

`complaints` takes values and returns sentences; an empty list means that the promises of design §1 were kept.
What the ledger holds to be open (UNKNOWN, SENDING, REVIEW) may have taken effect or not; what it holds to be
settled must be exactly so in the books.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from airflow_provider_esimgo.ledger.records import Event, Order, Stray, StrayKind, Unit
from airflow_provider_esimgo.ledger.states import TRANSITIONS, OrderState
from airflow_provider_esimgo.ledger.store import Ledger

Books = Mapping[str, Any]

#: Two orders may arrive this much closer together than they left: threads and sockets of a busy machine.
TOLERANCE = 0.12

BOUGHT = frozenset({OrderState.PLACED, OrderState.ASSIGNED})
OPEN = frozenset({OrderState.UNKNOWN, OrderState.SENDING, OrderState.REVIEW})
#: Purchases that the test injected as somebody else's.
COLLEAGUES = frozenset({"portal", "twin"})


@dataclass(frozen=True)
class Story:
    """All that a ledger tells about one account."""

    orders: Sequence[Order]
    units: Sequence[Unit]
    strays: Sequence[Stray]
    events: Sequence[Event]

    @classmethod
    def read(cls, ledger: Ledger, account: str) -> Story:
        """Read it from the ledger."""
        batches = ledger.batches(account)
        return cls(
            orders=[order for batch in batches for order in ledger.orders(batch)],
            units=[unit for batch in batches for unit in ledger.units(batch)],
            strays=ledger.strays(account),
            events=ledger.events(),
        )

    def of(self, states: Iterable[OrderState]) -> list[Order]:
        """The orders in one of these states."""
        wanted = set(states)
        return [order for order in self.orders if order.state in wanted]


def complaints(books: Books, story: Story, *, pace: float = 0.0, duplicates: int = 0) -> list[str]:
    """Every way in which the ledger and the books do not fit.

    Args:
        books: what `GET /_sandbox/state` answers.
        pace: the least time between two orders, in seconds.
        duplicates: how many purchases made twice the ledger is expected to own up to.
    """
    return [
        *_books_add_up(books),
        *_references_claimed_once(books, story),
        *_units_bought_once(books, story),
        *_sums_agree(books, story),
        *_purchases_accounted_for(books, story),
        *_duplicates_as_expected(story, duplicates),
        *_events_tell_every_change(story),
        *_one_in_flight(books),
        *_pace_kept(books, pace),
        *_no_code_in_the_ledger(books, story),
    ]


def _purchases(books: Books) -> dict[str, Mapping[str, Any]]:
    """Orders that bought something: no refunds, no top-ups of the balance, none that failed."""
    return {
        order["reference"]: order
        for order in books["orders"]
        if order["lines"][0]["type"] == "bundle" and order["status"] != "failed"
    }


def _name(order: Order) -> str:
    return f"order {order.key} ({order.state}, attempt {order.attempt})"


def _books_add_up(books: Books) -> Iterator[str]:
    if not books["balanced"]:
        yield "the sandbox's own books do not add up: nothing they say counts"


def _references_claimed_once(books: Books, story: Story) -> Iterator[str]:
    claims = Counter(order.reference for order in story.orders if order.reference)
    claims.update(stray.reference for stray in story.strays)
    for reference, times in claims.items():
        if times > 1:
            yield f"{reference} is claimed {times} times"
    purchases = _purchases(books)
    for order in story.of(BOUGHT):
        bought = purchases.get(order.reference or "")
        if bought is None:
            yield f"{_name(order)} claims {order.reference}, which is no purchase in the books"
        elif bought["by"] in COLLEAGUES:
            yield f"{_name(order)} claims {order.reference}, which a colleague bought"
        elif _asked_in_books(bought) != _asked(order):
            yield f"{_name(order)} claims {order.reference}, which bought something else"


def _asked(order: Order) -> Counter[tuple[str, int, frozenset[str]]]:
    return Counter((line.item, line.quantity, frozenset(line.iccids)) for line in order.request.lines)


def _asked_in_books(order: Mapping[str, Any]) -> Counter[tuple[str, int, frozenset[str]]]:
    return Counter(
        (line["item"], line["quantity"], frozenset(line["asked_iccids"])) for line in order["lines"]
    )


def _units_bought_once(books: Books, story: Story) -> Iterator[str]:
    """Each unit of an ASSIGNED order is on one eSIM that has that bundle from that reference; and nothing else is."""
    sold = Counter(
        (bundle["reference"].rpartition("-")[0], esim["iccid"], bundle["name"])
        for esim in books["esims"]
        for bundle in esim["bundles"]
    )
    orders = {order.key: order for order in story.orders}
    claimed: Counter[tuple[str, str, str]] = Counter()
    issued: Counter[str] = Counter()
    for unit in story.units:
        order = orders[unit.order_key]
        if order.state is not OrderState.ASSIGNED:
            if unit.iccid:
                yield f"unit {unit.key} has {unit.iccid} but {_name(order)} is not assigned"
            continue
        if not unit.iccid:
            yield f"unit {unit.key} of {_name(order)} has no ICCID"
            continue
        claimed[order.reference or "", unit.iccid, unit.bundle] += 1
        if unit.topped_up is None:
            issued[unit.iccid] += 1
        elif unit.topped_up != unit.iccid:
            yield f"unit {unit.key} asked for {unit.topped_up} and is on {unit.iccid}"
    for iccid, times in issued.items():
        if times > 1:
            yield f"{times} units are on the new eSIM {iccid}"
    references = {order.reference for order in story.of({OrderState.ASSIGNED})}
    for key in claimed.keys() | {key for key in sold if key[0] in references}:
        if claimed[key] != sold[key]:
            reference, iccid, bundle = key
            yield (
                f"{bundle} of {reference} is {sold[key]} times on {iccid} in the books, "
                f"{claimed[key]} times in the ledger"
            )


def _sums_agree(books: Books, story: Story) -> Iterator[str]:
    charged = {reference: Decimal(order["charged"]) for reference, order in _purchases(books).items()}
    bought = [order for order in story.of(BOUGHT) if order.reference in charged]
    for order in bought:
        if order.due != charged[order.reference or ""]:
            yield f"{_name(order)} cost {charged[order.reference or '']}, the ledger says {order.due}"
    due, taken = sum(order.due for order in bought), sum(charged[order.reference or ""] for order in bought)
    if due != taken:
        yield f"the ledger's orders sum up to {due}, the books' charges for them to {taken}"
    units: Counter[int] = Counter()
    for unit in story.units:
        units[unit.order_key] += unit.price  # type: ignore[assignment]
    for order in bought:
        if units[order.key] != order.due:
            yield f"the units of {_name(order)} sum up to {units[order.key]}, the order to {order.due}"


def _purchases_accounted_for(books: Books, story: Story) -> Iterator[str]:
    """Whatever took effect is claimed, told of as a stray, or may be what an open order is about."""
    known = {order.reference for order in story.orders} | {stray.reference for stray in story.strays}
    open_orders = story.of(OPEN)
    settled = story.of({OrderState.PLANNED, OrderState.REJECTED})
    for reference, bought in _purchases(books).items():
        if reference in known or bought["by"] in COLLEAGUES:
            continue
        asked = _asked_in_books(bought)
        holder = next((order for order in open_orders if _asked(order) == asked), None)
        if holder is not None:
            open_orders.remove(holder)
            continue
        wrong = next((order for order in settled if order.attempt and _asked(order) == asked), None)
        if wrong is not None:
            yield f"{reference} took effect, but {_name(wrong)} counts as not bought"
        else:
            yield f"{reference} is in the books and nobody claims it"


def _duplicates_as_expected(story: Story, expected: int) -> Iterator[str]:
    found = [stray.reference for stray in story.strays if stray.kind is StrayKind.DUPLICATE]
    if len(found) != expected:
        yield f"{len(found)} purchases were made twice ({', '.join(found)}), expected were {expected}"


def _events_tell_every_change(story: Story) -> Iterator[str]:
    for order in story.orders:
        state, sent = OrderState.PLANNED, 0
        for event in story.events:
            if event.order_key != order.key or event.kind != "transition":
                continue
            before, after = OrderState(event.from_state or ""), OrderState(event.to_state or "")
            if before is not state:
                yield f"{_name(order)}: an event goes from {before} while it was {state}"
            if (before, after) not in TRANSITIONS:
                yield f"{_name(order)}: no such transition as {before} to {after}"
            state = after
            sent += after is OrderState.SENDING
        if state is not order.state:
            yield f"{_name(order)}: its events end at {state}"
        if sent != order.attempt:
            yield f"{_name(order)}: its events tell of {sent} attempts"


def _one_in_flight(books: Books) -> Iterator[str]:
    for earlier, later in pairwise(sorted(books["order_posts"], key=lambda post: post["arrived"])):
        if earlier["finished"] is None or later["arrived"] < earlier["finished"]:
            yield f"an order arrived at {later['arrived']:.3f} while another one was under way"


def _pace_kept(books: Books, pace: float) -> Iterator[str]:
    arrivals = sorted(post["arrived"] for post in books["order_posts"])
    for earlier, later in pairwise(arrivals):
        if later - earlier < pace - TOLERANCE:
            yield f"two orders arrived {later - earlier:.3f} s apart, less than {pace} s"


def _no_code_in_the_ledger(books: Books, story: Story) -> Iterator[str]:
    told = json.dumps([[dict(event.evidence), dict(event.actor)] for event in story.events])
    told += "".join(order.message or "" for order in story.orders)
    for esim in books["esims"]:
        if esim["lpa"].rpartition("$")[2] in told:
            yield f"the activation code of {esim['iccid']} is in the ledger"
