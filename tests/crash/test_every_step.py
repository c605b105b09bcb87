"""A worker is killed at every step of the protocol; who comes after it finishes the batch and buys nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from ledger_kit.market import Market
from ledger_kit.nursery import Nursery

from airflow_provider_esimgo.ledger.purchase import Step

FIRST, SECOND, LAST = 1, 2, 3
SENT_BEFORE_DEATH = {Step.ANSWERED, Step.OUTCOME_WRITTEN, Step.OUTCOME_COMMITTED}


@pytest.mark.slow
@pytest.mark.parametrize("nth", [FIRST, SECOND, LAST])
@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name.lower())
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_worker_killed_at_any_step_never_buys_twice(
    open_market: Callable[..., Market], nursery: Nursery, kind: str, step: Step, nth: int
) -> None:
    market = open_market(kind, lease=0.6, settle=0.4, pace=0.02)
    batch = market.plan()
    worker = nursery.start(market.struck(step.value, nth, signal.SIGKILL))
    assert worker.wait() is None, "it was meant to be killed"

    reached = nth - 1 if step not in SENT_BEFORE_DEATH else nth
    if step not in {Step.LEASED, Step.RESOLVED}:  # these come once more, before the first order
        assert len(market.sandbox.orders()) == reached
    market.finish(batch)

    assert market.states(batch) == ["ASSIGNED"] * 3
    assert len(market.sandbox.orders()) == 3
    market.check()
