"""`broken_invariants` finds each broken promise, and nothing in a ledger that keeps them."""

import pytest
from sqlalchemy import text

from airflow_provider_esimgo.ledger.check import broken_invariants
from airflow_provider_esimgo.ledger.records import StrayKind


@pytest.fixture
def bought(bench):
    """A bench with a bought batch of two orders, one of them with a top-up."""
    iccid = "8944500000000000014"
    batch = bench.plan(("e1", bench.GB, 10), ("e2", bench.NL, 1), ("e3", bench.GB, 1, iccid))
    bench.place(batch)
    return bench


def break_it(bench, statement):
    with bench.database.write() as connection:
        connection.execute(text(statement))


def test_an_untouched_ledger_breaks_nothing(bought):
    assert broken_invariants(bought.ledger) == []


def test_an_empty_and_a_planned_ledger_break_nothing(bench):
    assert broken_invariants(bench.ledger) == []
    bench.plan()
    assert broken_invariants(bench.ledger) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM esimgo_units WHERE number = 1", "units, planned were"),
        ("UPDATE esimgo_batches SET order_count = 3", "orders, planned were 3"),
        ("UPDATE esimgo_batches SET total = '1'", "do not add up to 1"),
        ("UPDATE esimgo_orders SET due = '99' WHERE number = 1", "do not add up to 99"),
        ("UPDATE esimgo_units SET bundle = 'other' WHERE number = 1", "not what its lines ask for"),
        ("UPDATE esimgo_orders SET reference = NULL WHERE number = 1", "without a reference"),
        ("UPDATE esimgo_units SET iccid = NULL WHERE number = 1", "have no eSIM"),
        ("UPDATE esimgo_units SET iccid = '1' WHERE topped_up IS NOT NULL", "on another eSIM"),
        ("UPDATE esimgo_units SET iccid = '1' WHERE number < 3", "was issued for"),
        ("UPDATE esimgo_orders SET state = 'SENDING'", "in flight at once"),
        ("UPDATE esimgo_orders SET state = 'REJECTED' WHERE number = 1", "its history ends at ASSIGNED"),
        ("UPDATE esimgo_orders SET attempt = 5 WHERE number = 1", "counts 5 attempts, its history 1"),
        ("DELETE FROM esimgo_events WHERE to_state = 'PLACED'", "although it was SENDING"),
        ("UPDATE esimgo_events SET to_state = 'REVIEW' WHERE to_state = 'SENDING'", "although it was REVIEW"),
    ],
)
def test_each_broken_promise_is_told(bought, statement, told):
    break_it(bought, statement)
    assert any(told in line for line in broken_invariants(bought.ledger)), broken_invariants(bought.ledger)


def test_a_suspected_duplicate_is_told_until_somebody_has_dealt_with_it(bought):
    (batch,) = bought.ledger.batches()
    order = bought.ledger.orders(batch)[0]
    with bought.database.write() as connection:
        bought.ledger.add_stray(connection, order, "twin", StrayKind.DUPLICATE)
    assert broken_invariants(bought.ledger) == [
        f"the vendor's order twin looks like order {order.key} bought twice"
    ]
