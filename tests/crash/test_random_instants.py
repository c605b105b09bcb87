"""Workers are killed at random instants until batch after batch is bought: 200 kills, by seeds that are printed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest
from ledger_kit.market import GB, THREE_ORDERS, Market
from ledger_kit.nursery import Nursery

from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

KILLS = 25


def plan(market: Market, number: int) -> Batch:
    """Three orders, the last with a top-up; an eSIM takes no more than 30."""
    rows = [*THREE_ORDERS[:-1], ("cy", GB, 1, PRESET_ICCIDS[number % 4])]
    return market.plan(rows, batch_id=f"batch-{number}")


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        *[("sqlite", seed) for seed in (11, 12, 13, 14)],
        *[("postgresql", seed) for seed in (21, 22)],
        *[("mariadb", seed) for seed in (31, 32)],
    ],
)
def test_workers_killed_at_random_instants_never_buy_twice(
    open_market: Callable[..., Market], nursery: Nursery, kind: str, seed: int
) -> None:
    print(f"{KILLS} kills on {kind}, seed {seed}")
    fate = random.Random(seed)
    market = open_market(kind, lease=0.6, settle=0.4, pace=0.05)
    batches = [plan(market, 0)]
    started = time.monotonic()
    nursery.start(market.errand("batch-0")).wait()
    horizon = time.monotonic() - started
    killed = 0
    while killed < KILLS:
        if market.states(batches[-1]) == ["ASSIGNED"] * 3:
            batches.append(plan(market, len(batches)))
        worker = nursery.start(market.errand(batches[-1].batch_id))
        time.sleep(fate.uniform(0, horizon))
        worker.signal(signal.SIGKILL)  # it is a zombie until waited for: the pid is still its own
        killed += worker.wait() is None
        market.wait_for_lease()
    for batch in batches:
        market.finish(batch)
        assert market.states(batch) == ["ASSIGNED"] * 3
    print(f"{len(batches)} batches, attempts {[market.attempts(batch) for batch in batches]}")
    assert len(market.sandbox.orders()) == 3 * len(batches)
    market.check()
