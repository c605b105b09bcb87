"""How close a batch of 1,000 units comes to the vendor's own pace, scaled from 3 s to 1 s.

Aim: within 2 % of ceil(units / 10) x pace.
"""

import math
import time
from itertools import pairwise

from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from benchmarks.setting import plan, sandbox, sqlite_ledger

UNITS = 1000
PACE = 1.0


def run() -> None:
    policy = PurchasePolicy(mode=Mode.TRANSACT, seconds_between_orders=PACE)
    with sandbox() as (server, client), sqlite_ledger() as ledger:
        batch = plan(client, ledger, UNITS, policy)
        started = time.perf_counter()
        place_batch(client, ledger, batch, policy)
        took = time.perf_counter() - started
        arrived = sorted(post["arrived"] for post in server.books()["order_posts"])
    ideal = math.ceil(UNITS / 10) * PACE
    shortest = min(later - earlier for earlier, later in pairwise(arrived))
    print(
        f"  {UNITS} units in {len(arrived)} orders: {took:.2f} s, ideal {ideal:.2f} s: "
        f"{(took / ideal - 1) * 100:+.1f} %\n"
        f"  shortest time between two orders at the vendor: {shortest / PACE:.3f} x pace"
    )
