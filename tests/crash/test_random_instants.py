"""Workers are killed at random instants until batch after batch is bought: 200 kills, by seeds that are printed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest
from ledger_kit.market import Market
from ledger_kit.nursery import Nursery

from airflow_provider_esimgo.ledger.records import Batch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

KILLS = 25
#: Most of what an undisturbed worker takes for the three orders, in seconds.
HORIZON = 0.7


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
    batches: list[Batch] = []
    killed = 0
    while killed < KILLS:
        if not batches or market.states(batches[-1]) == ["ASSIGNED"] * 3:
            batches.append(market.plan(batch_id=f"batch-{len(batches)}"))
        worker = nursery.start(market.errand(batches[-1].batch_id))
        time.sleep(fate.uniform(0, HORIZON))
        worker.signal(signal.SIGKILL)  # it is a zombie until waited for: the pid is still its own
        killed += worker.wait() is None
        market.wait_for_lease()
    for batch in batches:
        market.finish(batch)
        assert market.states(batch) == ["ASSIGNED"] * 3
    print(f"{len(batches)} batches, attempts {[sum(market.attempts(batch)) for batch in batches]}")
    assert len(market.sandbox.orders()) == 3 * len(batches)
    market.check()
