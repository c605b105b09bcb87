"""A vendor, a ledger and what is bought between them: the two lines a test needs to begin."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import LeaseLost
from airflow_provider_esimgo.ledger.lease import Lease
from airflow_provider_esimgo.ledger.placing import Wait, place_batch
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.policy import PurchasePolicy
from airflow_provider_esimgo.ledger.records import Batch, Order
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.sandbox.identifiers import ORGANISATION, PRESET_ICCIDS
from airflow_provider_esimgo.sandbox.server import SandboxServer
from ledger_kit.errand import Errand, Rows, Strike, manifest_of
from ledger_kit.history import Story, complaints

GB, NL = "esim_1GB_7D_GB_V2", "esim_1GB_7D_NL_V2"
ACCOUNT = f"{ORGANISATION}@127.0.0.1"

#: Three orders of two units: of one bundle, of two bundles, and with a top-up.
THREE_ORDERS: Rows = [("ana", GB, 3, None), ("bo", NL, 2, None), ("cy", GB, 1, PRESET_ICCIDS[0])]


def orders_of_two(count: int) -> Rows:
    """Rows that make so many orders, alike to the last field, so that only claims tell them apart."""
    return [(f"r{number}", GB, 2, None) for number in range(count)]


@dataclass
class Market:
    """One sandbox, one ledger, one account."""

    sandbox: SandboxServer
    ledger_url: str
    folder: Path
    pace: float = 0.05
    settle: float = 0.6
    lease: float = 3.0
    read_timeout: float = 0.6
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def errand(self, batch_id: str = "batch", **fields: Any) -> Errand:
        """What a worker is told."""
        return Errand(
            vendor=self.sandbox.url,
            key=self.sandbox.key,
            ledger=self.ledger_url,
            account=ACCOUNT,
            batch_id=batch_id,
            report=str(self.folder / f"report-{next(self._numbers)}.json"),
            pace=self.pace,
            settle=self.settle,
            lease=self.lease,
            max_units=2,
            read_timeout=self.read_timeout,
            **fields,
        )

    def struck(self, step: str, nth: int, signal: int, batch_id: str = "batch") -> Errand:
        """A worker's errand that ends at a step."""
        return self.errand(batch_id, strike=Strike(step, nth, signal))

    @property
    def policy(self) -> PurchasePolicy:
        return self.errand().policy

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(Database.open(self.ledger_url))

    @cached_property
    def client(self) -> EsimGoClient:
        return self.errand().client()

    def plan(self, rows: Rows | None = None, batch_id: str = "batch") -> Batch:
        """A batch in the ledger."""
        return plan_batch(
            self.client,
            self.ledger,
            manifest_of(THREE_ORDERS if rows is None else rows),
            account=ACCOUNT,
            batch_id=batch_id,
            policy=self.policy,
            allow_repeat=True,
        )

    def place(self, batch: Batch, **options: Any) -> Wait | None:
        """One call of `place_batch`, sleeping through what is short."""
        return place_batch(self.client, self.ledger, batch, options.pop("policy", self.policy), **options)

    def finish(self, batch: Batch) -> None:
        """As often as an Airflow task would be retried by hand, until the batch is bought."""
        for _ in range(20):
            try:
                wait = self.place(batch, patience=60)
            except LeaseLost:
                continue
            assert wait is None
            return
        raise AssertionError("the batch does not come to its end")

    def wait_for_lease(self) -> None:
        """Until a dead worker's claim on the account is over."""
        lease = Lease(self.ledger.database, ACCOUNT, 1)
        while (left := lease.remaining()) > 0:
            time.sleep(left)

    def orders(self, batch: Batch) -> list[Order]:
        return self.ledger.orders(batch)

    def states(self, batch: Batch) -> list[str]:
        return [order.state.value for order in self.orders(batch)]

    def attempts(self, batch: Batch) -> list[int]:
        return [order.attempt for order in self.orders(batch)]

    def complaints(self, **expected: Any) -> list[str]:
        expected.setdefault("pace", self.pace)
        return complaints(self.sandbox.books(), Story.read(self.ledger, ACCOUNT), **expected)

    def check(self, **expected: Any) -> None:
        """The history check with which every run ends."""
        found = self.complaints(**expected)
        assert not found, "\n".join(found)

    def with_policy(self, **fields: Any) -> PurchasePolicy:
        return replace(self.policy, **fields)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()
        if "ledger" in self.__dict__:
            self.ledger.database.close()


def once(step: str, do: Callable[[], object], *, nth: int = 1) -> Callable[[Any], None]:
    """An `on_step` that does something when a step is reached for the nth time."""
    seen = 0

    def on_step(reached: Any) -> None:
        nonlocal seen
        if reached.value == step:
            seen += 1
            if seen == nth:
                do()

    return on_step
