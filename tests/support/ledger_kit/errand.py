"""What one worker is sent to do, and where on the way it is struck."""

from __future__ import annotations

import json
import os
import sqlite3  # noqa: F401  a worker without rights cannot import it any more
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.api.transport import Timeout
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.records import Actor
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import Manifest, Row, content_hash

#: (recipient, bundle, quantity, ICCID to top up or None) for each row of a manifest
Rows = list[tuple[str, str, int, str | None]]


@dataclass(frozen=True)
class Strike:
    """The signal that the worker sends to itself when it reaches a step for the nth time."""

    step: str
    nth: int
    signal: int


@dataclass(frozen=True)
class Errand:
    """One call of `place_batch`, in plain JSON; with `rows`, the batch is planned first."""

    vendor: str
    key: str
    ledger: str
    account: str
    batch_id: str
    report: str
    pace: float
    settle: float
    lease: float
    max_units: int
    read_timeout: float = 1.0
    patience: float = 60.0
    rows: Rows = field(default_factory=list)
    strike: Strike | None = None
    as_nobody: bool = False
    start_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Errand:
        strike = fields.pop("strike")
        return cls(**fields, strike=Strike(**strike) if strike else None)

    @property
    def policy(self) -> PurchasePolicy:
        return PurchasePolicy(
            mode=Mode.TRANSACT,
            max_units_per_order=self.max_units,
            seconds_between_orders=self.pace,
            settle_seconds=self.settle,
            lease_seconds=self.lease,
        )

    def client(self) -> EsimGoClient:
        """No limit on requests, few tries: a test has no time."""
        return EsimGoClient(
            self.vendor,
            self.key,
            timeout=Timeout(1.0, self.read_timeout),
            requests_per_second=100_000,
            read_attempts=3,
        )


@dataclass(frozen=True)
class Ending:
    """How a worker ended: `placed`, `wait`, or the class of what it raised."""

    how: str
    message: str = ""


def manifest_of(rows: Rows, name: str = "test.csv") -> Manifest:
    """A manifest without a file."""
    read = tuple(
        Row(number=number, recipient_ref=recipient, bundle=bundle, quantity=quantity, iccid=iccid)
        for number, (recipient, bundle, quantity, iccid) in enumerate(rows, start=2)
    )
    return Manifest(name, read, 0, (), (), (), content_hash(read))


def run(errand: Errand) -> None:
    """Do it, and leave a report behind unless struck down."""
    if errand.as_nobody:
        os.setuid(65534)
    time.sleep(max(0.0, errand.start_at - time.time()))
    try:
        ending = _place(errand)
    except Exception as error:
        ending = Ending(type(error).__name__, str(error))
    draft = Path(f"{errand.report}.draft")
    draft.write_text(json.dumps(asdict(ending)))
    draft.replace(errand.report)


def _place(errand: Errand) -> Ending:
    database = Database.open(errand.ledger)
    ledger = Ledger(database, Actor(host=f"worker {os.getpid()}"))
    client = errand.client()
    if errand.rows:
        batch = plan_batch(
            client,
            ledger,
            manifest_of(errand.rows),
            account=errand.account,
            batch_id=errand.batch_id,
            policy=errand.policy,
        )
    else:
        batch = ledger.batch(errand.account, errand.batch_id)
    wait = place_batch(
        client, ledger, batch, errand.policy, patience=errand.patience, on_step=_striker(errand.strike)
    )
    return Ending("placed") if wait is None else Ending("wait", wait.reason)


def _striker(strike: Strike | None):  # type: ignore[no-untyped-def]
    seen = 0

    def on_step(step: Step) -> None:
        nonlocal seen
        if strike is not None and step.value == strike.step:
            seen += 1
            if seen == strike.nth:
                os.kill(os.getpid(), strike.signal)

    return on_step
