"""The state machine of design §6.1: the ways the drawing has, and no other."""

from __future__ import annotations

from itertools import product

import pytest

from airflow_provider_esimgo.ledger.errors import LedgerError
from airflow_provider_esimgo.ledger.states import (
    SPENT_OR_UNSURE,
    TRANSITIONS,
    UNRESOLVED,
    OrderState,
    check_transition,
)

# drawn by hand from the design, not from the table under test
DRAWN = {
    "PLANNED": {"SENDING", "REVIEW"},
    "SENDING": {"PLACED", "REJECTED", "PLANNED", "UNKNOWN"},
    "UNKNOWN": {"PLACED", "PLANNED", "REJECTED", "REVIEW"},
    "PLACED": {"ASSIGNED", "REVIEW"},
    "REVIEW": {"PLACED", "PLANNED"},
    "ASSIGNED": set(),
    "REJECTED": set(),
}


@pytest.mark.parametrize(("before", "after"), list(product(OrderState, OrderState)))
def test_exactly_the_drawn_transitions_are_allowed(before, after):
    if after.value in DRAWN[before.value]:
        check_transition(before, after)
    else:
        with pytest.raises(LedgerError, match=f"from {before} to {after}"):
            check_transition(before, after)


def test_every_transition_says_why():
    assert all(TRANSITIONS.values())


def test_an_order_is_sent_from_planned_only():
    assert {before for before, after in TRANSITIONS if after is OrderState.SENDING} == {OrderState.PLANNED}


def test_an_unknown_order_is_never_sent_again_directly():
    assert (OrderState.UNKNOWN, OrderState.SENDING) not in TRANSITIONS
    assert (OrderState.SENDING, OrderState.SENDING) not in TRANSITIONS


def test_only_planned_and_rejected_orders_surely_cost_nothing():
    assert set(OrderState) - SPENT_OR_UNSURE == {OrderState.PLANNED, OrderState.REJECTED}
    assert UNRESOLVED < SPENT_OR_UNSURE
