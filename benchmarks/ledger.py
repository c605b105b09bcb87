"""What the ledger adds to one order, over the bare calls to a local eSIM Go.

The bare order is what a careful hand-written DAG would do: read the balance, then POST. Aim: under 15 ms median.
"""

import statistics
import time
from collections.abc import Callable

from airflow_provider_esimgo.api import EsimGoClient, OrderLine, OrderRequest
from airflow_provider_esimgo.ledger.lease import Lease
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.purchase import buy_order
from airflow_provider_esimgo.ledger.store import Ledger
from benchmarks.setting import BUNDLE, plan, postgresql_ledger, sandbox, sqlite_ledger

ORDERS = 150
_POLICY = PurchasePolicy(mode=Mode.TRANSACT, seconds_between_orders=0)


def run() -> None:
    with sandbox() as (_, client):
        bare = _timed(lambda: _bare(client), ORDERS)
    print(f"  bare balance + POST of 10 units    {bare:6.1f} ms median of {ORDERS}")
    with sqlite_ledger() as ledger:
        _report("SQLite", ledger, bare)
    with postgresql_ledger() as ledger:
        if ledger is None:
            print("  PostgreSQL: none runs here")
        else:
            _report("PostgreSQL", ledger, bare)


def _report(name: str, ledger: Ledger, bare: float) -> None:
    with sandbox() as (_, client):
        batch = plan(client, ledger, ORDERS * 10, _POLICY)
        lease = Lease(ledger.database, batch.account, _POLICY.lease_seconds)
        assert lease.take()
        orders = iter(ledger.orders(batch))
        alone = _timed(lambda: buy_order(client, ledger, lease, next(orders), _POLICY), ORDERS)
        lease.release()
        whole = plan(client, ledger, ORDERS * 10, _POLICY)
        started = time.perf_counter()
        place_batch(client, ledger, whole, _POLICY)
        each = (time.perf_counter() - started) / ORDERS * 1000
    print(
        f"  {name:<11} intent + outcome        {alone:6.1f} ms median, {alone - bare:+.1f} ms, {alone / bare:.2f} x\n"
        f"  {name:<11} a whole batch           {each:6.1f} ms an order, {each - bare:+.1f} ms, {each / bare:.2f} x "
        "(with lease and look-ups)"
    )


def _bare(client: EsimGoClient) -> None:
    client.get_organisation()
    client.place_order(OrderRequest(lines=(OrderLine(item=BUNDLE, quantity=10),)))


def _timed(call: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)
