"""The states of an order and every way from one to another (design §6.1), as one table.

A transition that is not in `TRANSITIONS` is a bug and raises before anything is written.
UNKNOWN is a state, not an error: it is left only by evidence or by a person, never by sending again.
"""

from enum import StrEnum

from airflow_provider_esimgo.ledger.errors import LedgerError


class OrderState(StrEnum):
    """Where an order stands between plan and eSIMs."""

    PLANNED = "PLANNED"
    SENDING = "SENDING"
    PLACED = "PLACED"
    ASSIGNED = "ASSIGNED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    REVIEW = "REVIEW"


S = OrderState

TRANSITIONS: dict[tuple[OrderState, OrderState], str] = {
    (S.PLANNED, S.SENDING): "the intent is committed; the POST follows",
    (S.PLANNED, S.REVIEW): "an unclaimed order at the vendor looks like this one",
    (S.SENDING, S.PLACED): "200, with a reference, and counts and total agree",
    (S.SENDING, S.REJECTED): "the vendor refused with a message; nothing was charged",
    (S.SENDING, S.PLANNED): "provably not sent, or turned away by the rate limit",
    (S.SENDING, S.UNKNOWN): "anything else: the order may have taken effect",
    (S.UNKNOWN, S.PLACED): "adopted: exactly one unclaimed order at the vendor matches",
    (S.UNKNOWN, S.PLANNED): "never placed: nothing found after settle, and the balance agrees",
    (S.UNKNOWN, S.REJECTED): "found with status failed, and the balance agrees",
    (S.UNKNOWN, S.REVIEW): "several match, or the evidence disagrees",
    (S.PLACED, S.ASSIGNED): "every unit has its ICCID",
    (S.PLACED, S.REVIEW): "fewer eSIMs than units, or other eSIMs than asked for",
    (S.REVIEW, S.PLACED): "a person adopted a reference",
    (S.REVIEW, S.PLANNED): "a person declared it never placed",
}

#: States in which the vendor may hold money for the order.
SPENT_OR_UNSURE = frozenset({S.SENDING, S.PLACED, S.ASSIGNED, S.UNKNOWN, S.REVIEW})

#: States that must be resolved before the account may send its next order.
UNRESOLVED = frozenset({S.SENDING, S.UNKNOWN})


def check_transition(before: OrderState, after: OrderState) -> None:
    """Raise `LedgerError` unless the table knows the way from `before` to `after`."""
    if (before, after) not in TRANSITIONS:
        raise LedgerError(f"An order cannot go from {before} to {after}: this is a bug in the ledger")
