"""Every change of an order: checked, fenced and recorded in one transaction, or none of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.ledger.errors import LedgerError, UnknownBatch
from airflow_provider_esimgo.ledger.records import Actor, Milestone, StrayKind
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger


@pytest.fixture
def batch(bench):
    return bench.plan(("e1", bench.GB, 12))


@pytest.fixture
def order(bench, batch):
    """The first order of the batch: PLANNED."""
    return bench.ledger.orders(batch)[0]


def move(bench, order, after, **values):
    with bench.database.write() as connection:
        bench.ledger.move(connection, order, after, evidence={"why": "a test"}, **values)
    return bench.ledger.order(order.key)


@pytest.fixture
def sending(bench, order):
    return move(bench, order, OrderState.SENDING, attempt=1, owner="me", sent_at=5)


def test_a_move_changes_the_row_and_appends_the_event(bench, order):
    moved = move(bench, order, OrderState.SENDING, attempt=1, owner="me")
    assert (moved.state, moved.attempt, moved.owner) == (OrderState.SENDING, 1, "me")
    (event,) = bench.ledger.events(order=order)
    assert (event.kind, event.from_state, event.to_state) == ("transition", "PLANNED", "SENDING")
    assert (event.attempt, event.evidence) == (1, {"why": "a test"})
    assert event.actor == {"dag_id": "bench", "try_number": 1}


@pytest.mark.parametrize(
    "other",
    [
        {"state": OrderState.UNKNOWN},
        {"attempt": 0},
        {"attempt": 2},
        {"owner": "somebody"},
        {"owner": None},
        {"key": 10_000},
    ],
    ids=["state", "earlier attempt", "later attempt", "owner", "no owner", "no such order"],
)
def test_a_move_is_fenced_on_state_attempt_and_owner(bench, sending, other):
    stale = replace(sending, **other)
    with pytest.raises(Fenced):
        move(bench, stale, OrderState.PLANNED if "state" not in other else OrderState.PLACED)
    assert bench.ledger.order(sending.key) == sending
    assert len(bench.ledger.events(order=sending)) == 1


def test_a_move_the_table_does_not_know_writes_nothing(bench, order):
    with pytest.raises(LedgerError, match="from PLANNED to PLACED"):
        move(bench, order, OrderState.PLACED)
    assert bench.ledger.order(order.key) == order
    assert bench.ledger.events(order=order) == []


def test_what_fails_after_a_move_takes_the_move_and_its_event_back(bench, order):

    def fail_halfway():
        with bench.database.write() as connection:
            bench.ledger.move(connection, order, OrderState.SENDING, evidence={}, attempt=1, owner="me")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert bench.ledger.order(order.key) == order
    assert bench.ledger.events(order=order) == []


def test_an_event_that_cannot_be_written_takes_the_move_back(bench, order):
    with pytest.raises(TypeError), bench.database.write() as connection:
        bench.ledger.move(connection, order, OrderState.SENDING, evidence={"no JSON": object()}, attempt=1)
    assert bench.ledger.order(order.key) == order


def test_two_orders_cannot_claim_one_reference(bench, batch, sending):
    move(bench, sending, OrderState.PLACED, reference="ref-1")
    second = bench.ledger.orders(batch)[1]
    second = move(bench, second, OrderState.SENDING, attempt=1, owner="me")
    with pytest.raises(IntegrityError):
        move(bench, second, OrderState.PLACED, reference="ref-1")
    assert bench.ledger.order(second.key).state is OrderState.SENDING


def test_assigning_writes_every_unit_and_the_state_together(bench, sending):
    placed = move(bench, sending, OrderState.PLACED, reference="ref-1")
    iccids = {unit.key: f"89{unit.number:017d}" for unit in bench.ledger.units_of(placed)}
    with bench.database.write() as connection:
        bench.ledger.assign(connection, placed, iccids)
    assert bench.ledger.order(placed.key).state is OrderState.ASSIGNED
    units = bench.ledger.units_of(placed)
    assert {unit.key: unit.iccid for unit in units} == iccids
    assert {unit.milestone for unit in units} == {Milestone.ASSIGNED}


def test_assigning_an_order_that_moved_on_changes_no_unit(bench, sending):
    placed = move(bench, sending, OrderState.PLACED, reference="ref-1")
    move(bench, placed, OrderState.REVIEW)
    with pytest.raises(Fenced), bench.database.write() as connection:
        bench.ledger.assign(connection, placed, {bench.ledger.units_of(placed)[0].key: "89"})
    assert {unit.iccid for unit in bench.ledger.units_of(placed)} == {None}


def test_a_new_price_is_expected_only_while_planned(bench, order):
    prices = {bench.GB: Decimal("1.40")}
    bench.ledger.requote(order, Decimal("14.00"), prices)
    requoted = bench.ledger.order(order.key)
    assert (requoted.due, requoted.total) == (Decimal(14), Decimal("13.6"))
    assert {unit.price for unit in bench.ledger.units_of(order)} == {Decimal("1.4")}
    (event,) = bench.ledger.events(order=order)
    assert (event.kind, event.evidence) == ("requoted", {"was": "13.6", "is": "14"})
    move(bench, requoted, OrderState.SENDING, attempt=1)
    bench.ledger.requote(requoted, Decimal("15.00"), prices)
    assert bench.ledger.order(order.key).due == Decimal(14)


def test_claimed_knows_orders_with_their_time_and_strays_without(bench, sending):
    placed = move(bench, sending, OrderState.PLACED, reference="ours")
    with bench.database.write() as connection:
        for reference, kind in (("theirs", StrayKind.FOREIGN), ("twice", StrayKind.DUPLICATE)):
            bench.ledger.add_stray(connection, placed, reference, kind)
            bench.ledger.add_stray(connection, placed, reference, kind)  # again is no fault
    assert bench.ledger.claimed(bench.ACCOUNT) == {"ours": 5, "theirs": None, "twice": None}
    assert {stray.reference: stray.kind for stray in bench.ledger.strays(bench.ACCOUNT)} == {
        "theirs": StrayKind.FOREIGN,
        "twice": StrayKind.DUPLICATE,
    }
    assert bench.ledger.claimed("another") == {}


@pytest.mark.parametrize(
    ("state", "counts"),
    [("PLANNED", 0), ("REJECTED", 0), ("SENDING", 1), ("UNKNOWN", 1), ("PLACED", 1), ("REVIEW", 1)],
)
def test_the_day_counts_what_was_or_may_have_been_spent(bench, sending, state, counts):
    if state == "REVIEW":
        move(bench, move(bench, sending, OrderState.UNKNOWN), OrderState.REVIEW)
    elif state != "SENDING":
        move(bench, sending, OrderState(state))
    with bench.database.read() as connection:
        assert bench.ledger.spent_since(connection, bench.ACCOUNT, 5) == sending.due * counts
        assert bench.ledger.spent_since(connection, bench.ACCOUNT, 6) == 0
        assert bench.ledger.spent_since(connection, "another", 0) == 0


def test_addresses_are_learned_once(bench, batch):
    with bench.database.write() as connection:
        for address in ("192.0.2.2", "192.0.2.1", "192.0.2.2"):
            bench.ledger.learn_address(connection, bench.ACCOUNT, address)
    assert bench.ledger.source_addresses(bench.ACCOUNT) == {"192.0.2.1", "192.0.2.2"}
    assert bench.ledger.source_addresses("another") == frozenset()


def test_a_batch_nobody_planned_says_what_to_do(bench):
    assert bench.ledger.find_batch(bench.ACCOUNT, "ghost") is None
    with pytest.raises(UnknownBatch, match=r"'ghost'.*Nothing was sent\. Run EsimGoValidateBatchOperator"):
        bench.ledger.batch(bench.ACCOUNT, "ghost")


def test_batch_ids_differ_by_case(bench, batch):
    assert bench.ledger.find_batch(bench.ACCOUNT, batch.batch_id.upper()) is None


def test_milestones_are_recorded(bench, batch):
    bench.place(batch)
    unit = bench.ledger.units(batch)[0]
    bench.ledger.set_milestones([])
    bench.ledger.set_milestones([(unit, Milestone.ACTIVE)])
    assert [one.milestone for one in bench.ledger.units(batch)[:2]] == [Milestone.ACTIVE, Milestone.ASSIGNED]


def test_a_slower_follower_does_not_take_a_milestone_back(bench, batch):
    bench.place(batch)
    unit = bench.ledger.units(batch)[0]
    bench.ledger.set_milestones([(unit, Milestone.ACTIVE)])
    bench.ledger.set_milestones([(unit, Milestone.INSTALLED)])
    assert bench.ledger.units(batch)[0].milestone is Milestone.ACTIVE


def test_history_is_told_by_order_by_batch_and_in_full(bench, batch, sending):
    other = bench.plan(("e9", bench.NL), batch_id="other")
    bench.ledger.record(sending, "look", {"n": 1})
    assert [event.kind for event in bench.ledger.events(order=sending)] == ["transition", "look"]
    assert [event.kind for event in bench.ledger.events(batch=batch)] == ["planned", "transition", "look"]
    assert [event.kind for event in bench.ledger.events(batch=other)] == ["planned"]
    assert len(bench.ledger.events()) == 4


def test_unresolved_is_what_was_sent_and_is_not_known(bench, batch, sending):
    assert bench.ledger.unresolved(bench.ACCOUNT) == [sending]
    unknown = move(bench, sending, OrderState.UNKNOWN)
    assert bench.ledger.unresolved(bench.ACCOUNT) == [unknown]
    move(bench, unknown, OrderState.PLACED)
    assert bench.ledger.unresolved(bench.ACCOUNT) == []


def test_an_actor_nobody_knows_is_recorded_as_such(bench, batch):
    Ledger(bench.database).record(bench.ledger.orders(batch)[0], "look", {})
    Ledger(bench.database, Actor(user="kim")).record(bench.ledger.orders(batch)[0], "look", {})
    assert [dict(event.actor) for event in bench.ledger.events()[-2:]] == [{}, {"user": "kim"}]
