"""A person's decision about an order: recorded with its reason, checked against the vendor, and binding."""

from dataclasses import replace

import pytest

from airflow_provider_esimgo.ledger.errors import NothingSent, OrderInReview
from airflow_provider_esimgo.ledger.resolve import adopt, declare_never_placed
from airflow_provider_esimgo.ledger.states import OrderState


@pytest.fixture
def in_review(bench):
    """A batch whose only order a colleague's identical order has put to REVIEW, and that order's reference."""
    batch = bench.plan(("e1", bench.GB, 3))
    reference = bench.portal((bench.GB, 3))
    with pytest.raises(OrderInReview):
        bench.place(batch)
    (order,) = bench.ledger.orders(batch)
    assert order.state is OrderState.REVIEW
    return batch, order, reference


def test_an_adopted_order_is_not_sent_again(bench, in_review):
    batch, order, reference = in_review
    assert adopt(bench.client, bench.ledger, order, reference, reason="it is ours").state is OrderState.PLACED
    assert bench.place(batch) is None
    assert [order.reference for order in bench.ledger.orders(batch)] == [reference]
    assert len(bench.server.orders()) == 1


def test_an_order_declared_never_placed_is_sent_and_the_lookalike_is_left_alone(bench, in_review):
    batch, order, reference = in_review
    declare_never_placed(bench.ledger, order, bench.policy, reason="the colleague bought for another client")
    assert bench.place(batch) is None
    (order,) = bench.ledger.orders(batch)
    assert order.state is OrderState.ASSIGNED
    assert order.reference != reference
    assert [stray.reference for stray in bench.ledger.strays(batch.account)] == [reference]


def test_the_reason_and_the_person_are_in_the_history(bench, in_review):
    _, order, reference = in_review
    adopt(bench.client, bench.ledger, order, reference, reason="ticket 4711")
    last = bench.ledger.events(order=order)[-1]
    assert last.evidence["reason"] == "ticket 4711"
    assert last.evidence["decision"] == "adopt"
    assert last.actor == {"dag_id": "bench", "try_number": 1}


def test_a_reference_with_other_lines_cannot_be_adopted(bench, in_review):
    _, order, _ = in_review
    other = bench.portal((bench.NL, 1))
    with pytest.raises(NothingSent, match="other lines"):
        adopt(bench.client, bench.ledger, order, other, reason="mistake")
    assert bench.ledger.order(order.key) == order


def test_a_reference_that_the_vendor_does_not_know_cannot_be_adopted(bench, in_review):
    _, order, _ = in_review
    with pytest.raises(NothingSent, match="cannot be read"):
        adopt(bench.client, bench.ledger, order, "00000000-0000-4000-8000-000000000000", reason="mistake")
    assert bench.ledger.order(order.key) == order


def test_a_reference_of_another_order_cannot_be_adopted(bench):
    bought = bench.plan(("e1", bench.GB, 3), batch_id="first")
    bench.place(bought)
    taken = bench.ledger.orders(bought)[0].reference
    batch = bench.plan(("e2", bench.GB, 3), batch_id="second")
    bench.portal((bench.GB, 3), source_ip="127.0.0.1")
    with pytest.raises(OrderInReview):
        bench.place(batch)
    (order,) = bench.ledger.orders(batch)
    with pytest.raises(NothingSent, match="already belongs"):
        adopt(bench.client, bench.ledger, order, taken, reason="mistake")
    assert bench.ledger.order(order.key) == order


def test_an_order_that_waits_for_no_decision_is_left_alone(bench):
    batch = bench.plan()
    bench.place(batch)
    (order,) = bench.ledger.orders(batch)
    with pytest.raises(NothingSent, match="waits for no decision"):
        adopt(bench.client, bench.ledger, order, order.reference, reason="why not")
    with pytest.raises(NothingSent, match="waits for no decision"):
        declare_never_placed(bench.ledger, order, bench.policy, reason="why not")


def test_an_unknown_order_cannot_be_given_up_before_settle(bench):
    batch = bench.plan()
    bench.server.fault("drop_before")
    assert bench.place(batch, patience=0) is not None
    (order,) = bench.ledger.orders(batch)
    assert order.state is OrderState.UNKNOWN
    with pytest.raises(NothingSent, match="may still appear"):
        declare_never_placed(bench.ledger, order, bench.policy, reason="impatience")
    bench.clock.sleep(bench.policy.settle_seconds + 1)
    assert (
        declare_never_placed(bench.ledger, order, bench.policy, reason="patience").state is OrderState.PLANNED
    )


def test_a_decision_about_an_order_that_moved_on_is_not_recorded(bench, in_review):
    _, order, reference = in_review
    adopt(bench.client, bench.ledger, order, reference, reason="first")
    with pytest.raises(NothingSent, match="changed by somebody else"):
        declare_never_placed(bench.ledger, order, replace(bench.policy, settle_seconds=0), reason="second")
    assert bench.ledger.order(order.key).state is OrderState.PLACED
