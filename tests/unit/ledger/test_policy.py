"""Limits that make no sense are refused when they are built; a mode allows what the one before it does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_esimgo.ledger.errors import PlanRefused
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy


def test_a_new_policy_cannot_spend_and_keeps_the_vendors_pace():
    policy = PurchasePolicy()
    assert policy.mode is Mode.VALIDATE
    assert (policy.max_units_per_order, policy.seconds_between_orders) == (10, 3.0)
    assert (policy.settle_seconds, policy.price_tolerance) == (600.0, Decimal(0))


@pytest.mark.parametrize(
    ("mode", "needed", "allowed"),
    [
        ("read", "read", True),
        ("read", "validate", False),
        ("read", "transact", False),
        ("validate", "read", True),
        ("validate", "validate", True),
        ("validate", "transact", False),
        ("transact", "read", True),
        ("transact", "validate", True),
        ("transact", "transact", True),
    ],
)
def test_modes(mode, needed, allowed):
    policy = PurchasePolicy(mode=Mode(mode))
    assert Mode(mode).allows(Mode(needed)) is allowed
    if allowed:
        policy.require(Mode(needed))
    else:
        with pytest.raises(PlanRefused, match=f'is {mode!r}.*Nothing was sent.*"mode": "{needed}"'):
            policy.require(Mode(needed))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_units_per_order": 0},
        {"not_sent_attempts": 0},
        {"lease_seconds": 0},
        {"seconds_between_orders": -1},
        {"settle_seconds": -0.1},
        {"price_tolerance": Decimal("-0.01")},
        {"reserve": Decimal(-1)},
        {"max_order_total": Decimal(-1)},
        {"max_daily_total": Decimal(-1)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_limit_that_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PurchasePolicy(**wrong)


def test_a_cap_of_nothing_is_a_cap():
    assert PurchasePolicy(max_daily_total=Decimal(0)).max_daily_total == 0
