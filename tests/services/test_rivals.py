"""Eight processes want to buy at once: the same batch, or different batches of one account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
from ledger_kit.market import ACCOUNT, Market, orders_of_two
from ledger_kit.nursery import Nursery

pytestmark = pytest.mark.slow

RIVALS = 8
PACE = 0.4

on_every_ledger = pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])


def together() -> float:
    """A moment that every process can still reach, to start at."""
    return time.time() + 0.5


@on_every_ledger
def test_eight_workers_buy_the_same_batch_once(
    open_market: Callable[..., Market], nursery: Nursery, kind: str
) -> None:
    market = open_market(kind, pace=PACE)
    batch = market.plan(orders_of_two(8))
    start = together()
    workers = [nursery.start(market.errand(start_at=start)) for _ in range(RIVALS)]
    endings = Counter(worker.wait().how for worker in workers)  # type: ignore[union-attr]
    assert endings == {"placed": RIVALS}
    assert market.states(batch) == ["ASSIGNED"] * 8
    assert market.attempts(batch) == [1] * 8
    assert len(market.sandbox.orders()) == 8
    market.check()


@on_every_ledger
def test_eight_workers_plan_and_buy_the_same_manifest_once(
    open_market: Callable[..., Market], nursery: Nursery, kind: str
) -> None:
    """From the very first use of the ledger on: also its tables and the account are made once."""
    market = open_market(kind, pace=PACE)
    start = together()
    rows = orders_of_two(4)
    workers = [nursery.start(market.errand(rows=rows, start_at=start)) for _ in range(RIVALS)]
    endings = [worker.wait() for worker in workers]
    failed = [ending.message for ending in endings if ending and ending.how != "placed"]
    assert not failed, "\n".join(failed)
    (batch,) = market.ledger.batches(ACCOUNT)
    assert market.attempts(batch) == [1] * 4
    assert len(market.sandbox.orders()) == 4
    market.check()


@on_every_ledger
def test_eight_batches_of_one_account_share_one_pace(
    open_market: Callable[..., Market], nursery: Nursery, kind: str
) -> None:
    """All their orders are alike to the last field: only the claims keep them apart."""
    market = open_market(kind, pace=PACE)
    batches = [market.plan(orders_of_two(2), batch_id=f"batch-{number}") for number in range(RIVALS)]
    start = together()
    workers = [nursery.start(market.errand(batch.batch_id, start_at=start)) for batch in batches]
    endings = [worker.wait() for worker in workers]
    assert {ending.how for ending in endings if ending} == {"placed"}, endings
    for batch in batches:
        assert market.states(batch) == ["ASSIGNED"] * 2
    assert len(market.sandbox.orders()) == 16
    market.check()


@on_every_ledger
def test_rivals_among_faults_still_buy_once(
    open_market: Callable[..., Market], nursery: Nursery, kind: str
) -> None:
    market = open_market(kind, pace=PACE, settle=0.8)
    batches = [market.plan(orders_of_two(2), batch_id=f"batch-{number}") for number in range(4)]
    for nth, (misfortune, params) in enumerate(
        [("drop_after", {}), ("drop_before", {}), ("broken_json", {}), ("delay_after", {"seconds": 1.0})],
        start=2,
    ):
        market.sandbox.fault(misfortune, nth=nth, **params)
    start = together()
    workers = [
        nursery.start(market.errand(batch.batch_id, start_at=start)) for batch in batches for _ in range(2)
    ]
    endings = [worker.wait() for worker in workers]
    assert {ending.how for ending in endings if ending} == {"placed"}, endings
    assert len(market.sandbox.orders()) == 8
    market.check()
