"""A worker is paused between its last look at the lease and the POST, for longer than its claim lasts.

Nothing can keep its order from leaving when it wakes up (the vendor knows no key to refuse it by): what is
promised is that the purchase is noticed, told and recorded.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from ledger_kit.market import GB, Market, once
from ledger_kit.nursery import Ending, Nursery, Worker

from airflow_provider_esimgo.ledger.errors import OrderInReview, SuspectedDuplicate
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.reconcile import reconcile_account
from airflow_provider_esimgo.ledger.records import Batch, StrayKind
from airflow_provider_esimgo.ledger.states import OrderState

pytestmark = pytest.mark.slow

Paused = tuple[Market, Batch, Worker]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def paused(
    request: pytest.FixtureRequest, open_market: Callable[..., Market], nursery: Nursery
) -> Iterator[Paused]:
    """A worker that stands still before the POST of the first of two orders, its claim run out."""
    market = open_market(request.param, lease=0.5, settle=0.5)
    batch = market.plan([("ana", GB, 4, None)])
    worker = nursery.start(market.struck(Step.LEASE_CHECKED.value, 1, signal.SIGSTOP))
    worker.wait_until_stopped()
    time.sleep(0.6)
    yield market, batch, worker
    worker.end()


def wake_up(worker: Worker) -> Ending:
    worker.signal(signal.SIGCONT)
    ending = worker.wait()
    assert ending is not None
    return ending


def look_until_planned_again(market: Market, batch: Batch) -> None:
    for _ in range(100):
        resolved = reconcile_account(market.client, market.ledger, batch.account, market.policy)
        if market.states(batch)[0] == "PLANNED":
            return
        time.sleep(resolved.look_again_in or 0)
    raise AssertionError(market.states(batch))


def kinds_of_events(market: Market, batch: Batch) -> set[str]:
    return {event.kind for event in market.ledger.events(batch=batch)}


def test_a_duplicate_is_detected_when_the_other_worker_has_bought(paused: Paused) -> None:
    market, batch, worker = paused
    market.finish(batch)
    first = market.orders(batch)[0]
    assert (first.state, first.attempt) == (OrderState.ASSIGNED, 2)

    ending = wake_up(worker)

    assert ending.how == "SuspectedDuplicate"
    (stray,) = market.ledger.strays(batch.account)
    assert (stray.kind, stray.order_key) == (StrayKind.DUPLICATE, first.key)
    assert stray.reference in ending.message
    assert {"late_answer", "suspected_duplicate"} <= kinds_of_events(market, batch)
    assert len(market.sandbox.orders()) == 3
    assert market.place(batch) is None
    market.check(duplicates=1, pace=0)


def test_a_duplicate_is_detected_while_the_other_worker_is_sending(paused: Paused) -> None:
    market, batch, worker = paused
    endings: list[Ending] = []
    wake = once(Step.ANSWERED, lambda: endings.append(wake_up(worker)))
    assert market.place(batch, on_step=wake, patience=60) is None
    assert endings[0].how == "SuspectedDuplicate"
    assert market.states(batch) == ["ASSIGNED", "ASSIGNED"]
    market.check(duplicates=1, pace=0)


def test_a_duplicate_is_detected_even_if_the_paused_worker_dies_of_it(paused: Paused) -> None:
    """It wakes up, sends, and is killed before it can tell anybody: the end of the batch looks for that."""
    market, batch, worker = paused

    def wake_and_kill() -> None:
        before = len(market.sandbox.orders())
        worker.signal(signal.SIGCONT)
        while len(market.sandbox.orders()) == before:
            time.sleep(0.0005)
        worker.signal(signal.SIGKILL)
        worker.wait()

    market.sandbox.fault("delay_after", nth=3, seconds=1)  # the paused one comes third
    with pytest.raises(SuspectedDuplicate, match="order 1: "):
        market.place(batch, on_step=once(Step.OUTCOME_COMMITTED, wake_and_kill, nth=2), patience=60)
    market.check(duplicates=1, pace=0)


def test_a_late_answer_settles_an_order_that_is_still_unknown(paused: Paused) -> None:
    market, batch, worker = paused
    reconcile_account(market.client, market.ledger, batch.account, market.policy)
    assert market.states(batch)[0] == "UNKNOWN"

    ending = wake_up(worker)

    assert ending.how == "placed"  # it goes on, and buys the rest
    assert market.attempts(batch) == [1, 1]
    assert market.states(batch) == ["ASSIGNED", "ASSIGNED"]
    assert "late_answer" in kinds_of_events(market, batch)
    market.check(pace=0)


def test_a_late_answer_to_an_order_that_is_planned_again_is_a_case_for_a_person(paused: Paused) -> None:
    market, batch, worker = paused
    look_until_planned_again(market, batch)

    ending = wake_up(worker)

    assert ending.how == "OrderInReview"
    assert "--adopt" in ending.message
    assert market.states(batch) == ["REVIEW", "PLANNED"]
    with pytest.raises(OrderInReview):
        market.place(batch)
    assert len(market.sandbox.orders()) == 1
    market.check(pace=0)


def test_a_late_answer_that_names_no_order_leaves_it_to_the_other_worker(paused: Paused) -> None:
    market, batch, worker = paused
    market.sandbox.fault("status_before", status=503)
    reconcile_account(market.client, market.ledger, batch.account, market.policy)

    assert wake_up(worker).how == "placed"

    assert market.attempts(batch) == [2, 1]
    market.check(pace=0)


def test_a_worker_paused_before_its_last_look_at_the_lease_sends_nothing(
    open_market: Callable[..., Market], nursery: Nursery
) -> None:
    market = open_market(lease=0.5, settle=0.5)
    batch = market.plan([("ana", GB, 4, None)])
    worker = nursery.start(market.struck(Step.INTENT_COMMITTED.value, 1, signal.SIGSTOP))
    worker.wait_until_stopped()
    time.sleep(0.6)
    assert wake_up(worker).how == "LeaseLost"
    assert market.sandbox.orders() == []
    assert market.states(batch) == ["PLANNED", "PLANNED"]
    market.finish(batch)
    assert market.attempts(batch) == [2, 1]
    market.check()
