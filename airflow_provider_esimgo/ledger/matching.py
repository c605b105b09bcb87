"""What the vendor's books say about an order whose outcome is unknown (design §6.3). Pure: no I/O.

The rule of the house: adopt only what matches alone, declare never placed only what time, two looks and the
balance agree on, and hand everything else to a person.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from airflow_provider_esimgo.api import Order as VendorOrder
from airflow_provider_esimgo.ledger.outcome import COMPLETED, FAILED, lines_agree, vendor_evidence
from airflow_provider_esimgo.ledger.records import Order
from airflow_provider_esimgo.manifest.hashing import money_text

#: An order is declared never placed only after so many looks.
_LOOKS = 2

#: Orders of unclear time, above which the balance proves nothing any more.
_MOST_DOUBTFUL = 12


#: How many lookalikes an event names.
_MOST_SHOWN = 20


class Ruling(StrEnum):
    """What to do with an unknown order."""

    ADOPT = "adopt"
    WAIT = "wait"
    NEVER_PLACED = "never_placed"
    REJECTED = "rejected"
    REVIEW = "review"


@dataclass(frozen=True)
class Look:
    """One look at the vendor's books.

    Attributes:
        listed: every order the vendor lists from before the intent until now.
        claimed: references that belong to one of our orders, with when that order was sent
            (milliseconds by the ledger's clock), or are known strays (None).
        balance: the account's balance at the time of the look.
        intent_at: when the intent was committed, by the vendor's clock.
        doubt: how far that time may be off.
        settled: whether the settle time is over.
        looks: how many looks were had, this one included.
        addresses: the source addresses of the account's earlier orders.
    """

    listed: Sequence[VendorOrder]
    claimed: dict[str, int | None]
    balance: Decimal | None
    intent_at: datetime
    doubt: timedelta
    settled: bool
    looks: int
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What the evidence says, and the evidence."""

    ruling: Ruling
    reason: str
    found: VendorOrder | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


def judge(order: Order, look: Look) -> Verdict:
    """Decide about an unknown order from one look at the vendor's books."""
    unclaimed = [listed for listed in look.listed if listed.reference not in look.claimed]
    alike = [candidate for candidate in unclaimed if lines_agree(order, candidate)]
    matches = [candidate for candidate in alike if matches_exactly(order, candidate, look.addresses)]
    ruling, reason = _rule(order, look, alike, matches)
    evidence = {
        "ruling": ruling.value,
        "reason": reason,
        "looks": look.looks,
        "settled": look.settled,
        "listed": len(look.listed),
        "candidates": [vendor_evidence(candidate) for candidate in alike[:_MOST_SHOWN]],
        "balance_before": None if order.balance_before is None else money_text(order.balance_before),
        "balance_now": None if look.balance is None else money_text(look.balance),
    }
    return Verdict(ruling, reason, matches[0] if len(matches) == 1 else None, evidence)


def _rule(
    order: Order, look: Look, alike: Sequence[VendorOrder], matches: Sequence[VendorOrder]
) -> tuple[Ruling, str]:
    if len(matches) > 1:
        return Ruling.REVIEW, f"{len(matches)} unclaimed orders at the vendor match it"
    if matches:
        return _rule_match(order, matches[0], look)
    if not look.settled or look.looks < _LOOKS:
        return Ruling.WAIT, "no order at the vendor matches it yet"
    if alike:
        return Ruling.REVIEW, (
            "an unclaimed order at the vendor has the same lines but another total, assignment or source address"
        )
    if not balance_agrees(order, look):
        return Ruling.REVIEW, (
            "no order at the vendor matches it, but the balance does not prove that nothing was charged"
        )
    return Ruling.NEVER_PLACED, "no order at the vendor matches it after settle, and the balance agrees"


def _rule_match(order: Order, found: VendorOrder, look: Look) -> tuple[Ruling, str]:
    status = found.status.casefold()
    if status == COMPLETED:
        return Ruling.ADOPT, "exactly one unclaimed order at the vendor matches it"
    seen = f"the matching order has status {found.status!r}"
    if not look.settled or look.looks < _LOOKS:
        return Ruling.WAIT, seen  # also when it failed: it may be an earlier one, and ours still to appear
    if status == FAILED and balance_agrees(order, look):
        return Ruling.REJECTED, "the matching order failed, and the balance shows no charge"
    if status == FAILED:
        seen = "the matching order failed, but the balance does not show that nothing was charged"
    return Ruling.REVIEW, f"{seen}, also after settle"


def matches_exactly(order: Order, candidate: VendorOrder, addresses: frozenset[str]) -> bool:
    """Whether a vendor order with the same lines also agrees in total, assignment and source address."""
    if candidate.total is None or candidate.total != order.due:
        return False
    if candidate.assigned is False and candidate.status.casefold() != FAILED:  # a failed one never is [STG]
        return False
    return not addresses or candidate.source_ip is None or candidate.source_ip in addresses


def balance_agrees(order: Order, look: Look) -> bool:
    """Whether the balance proves that this order was not charged.

    The fall of the balance since the intent must be exactly what the listed orders cost, and must not be
    explained as well by this order's own total. An order listed so close to the intent that it may have been
    before or after it counts either way. A refund's row tells no amount [STG]: unless it undoes a failed
    order, the balance proves nothing.
    """
    if order.balance_before is None or look.balance is None or order.sent_at is None:
        return False
    certain = Decimal(0)
    doubtful: list[Decimal] = []
    failed = Counter(_shape(listed) for listed in look.listed if listed.status.casefold() == FAILED)
    for listed in look.listed:
        if not listed.bundle_lines and not listed.total:
            if any("refund" in line.type.casefold() for line in listed.lines):
                if not failed[_shape(listed)]:
                    return False
                failed[_shape(listed)] -= 1
            continue
        total = listed.total
        if total is None or not listed.bundle_lines or listed.created_at is None:
            return False  # a top-up of the balance, or unreadable: it proves nothing
        sent_at = look.claimed.get(listed.reference)
        if sent_at is not None:
            if sent_at >= order.sent_at:
                certain += total
        elif listed.status.casefold() == FAILED or abs(listed.created_at - look.intent_at) <= look.doubt:
            doubtful.append(total)
        elif listed.created_at > look.intent_at:
            certain += total
    if len(doubtful) > _MOST_DOUBTFUL:
        return False
    fall = order.balance_before - look.balance - certain
    explained = _sums(doubtful)
    return fall in explained and fall - order.due not in explained


def _shape(listed: VendorOrder) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((line.item, line.quantity) for line in listed.lines))


def _sums(amounts: Iterable[Decimal]) -> set[Decimal]:
    sums = {Decimal(0)}
    for amount in amounts:
        sums |= {so_far + amount for so_far in sums}
    return sums
