"""A ledger beside a real sandbox, on one clock that only moves when somebody sleeps, and builders of pure values."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airflow_provider_esimgo.api import EsimGoClient, OrderLine, OrderRequest, PlacedLine
from airflow_provider_esimgo.api import Order as VendorOrder
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.matching import Look
from airflow_provider_esimgo.ledger.placing import Wait, place_batch
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.records import Actor, Batch, Order, Unit
from airflow_provider_esimgo.ledger.schema import metadata
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import Manifest, Row, content_hash
from airflow_provider_esimgo.sandbox.server import SandboxServer

GB = "esim_1GB_7D_GB_V2"  # 1.36
NL = "esim_1GB_7D_NL_V2"  # 1.42
ACCOUNT = "Sandbox Reseller Ltd @ 127.0.0.1"


class Clock:
    """Moves ledger and vendor together, and only when somebody sleeps on it."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.ahead += seconds
        self.server.advance(seconds)


class ClockedDatabase(Database):
    """A ledger database whose clock is the test's."""

    clock: Clock

    def now(self, connection: Any) -> int:
        return super().now(connection) + round(self.clock.ahead * 1000)


class Bench:
    """One account at the sandbox, one ledger, and what a DAG would do with them."""

    GB, NL, ACCOUNT = GB, NL, ACCOUNT

    def __init__(self, server: SandboxServer, file: Path) -> None:
        self.server = server
        self.file = file
        self.clock = Clock(server)
        self.database = self.open()
        self.ledger = Ledger(self.database, Actor(dag_id="bench", try_number=1))
        self.client = self.new_client()
        self.policy = PurchasePolicy(mode=Mode.TRANSACT)

    def open(self, kind: type[ClockedDatabase] = ClockedDatabase) -> ClockedDatabase:
        database = kind.open(f"sqlite:///{self.file}")
        database.clock = self.clock
        return database

    def new_client(self) -> EsimGoClient:
        return EsimGoClient(
            self.server.url,
            self.server.key,
            requests_per_second=1_000_000,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def close(self) -> None:
        self.client.close()
        self.database.close()

    def manifest(self, *rows: tuple[Any, ...], name: str = "acme.csv") -> Manifest:
        """Each row is (recipient_ref, bundle[, quantity[, iccid]])."""
        checked = tuple(Row(number, *row) for number, row in enumerate(rows, start=2))
        return Manifest(name, checked, 0, (), (), (), content_hash(checked))

    def plan(self, *rows: tuple[Any, ...], batch_id: str | None = "acme", **options: Any) -> Batch:
        manifest = self.manifest(*(rows or [("e1", GB, 3)]))
        options = {"account": ACCOUNT, "policy": self.policy, **options}
        return plan_batch(self.client, self.ledger, manifest, batch_id=batch_id, **options)

    def place(self, batch: Batch, **options: Any) -> Wait | None:
        policy = options.pop("policy", self.policy)
        options = {"patience": 1e9, "sleep": self.clock.sleep, **options}
        return place_batch(self.client, self.ledger, batch, policy, **options)

    def states(self, batch: Batch) -> list[OrderState]:
        return [order.state for order in self.ledger.orders(batch)]

    def portal(self, *lines: tuple[str, int], source_ip: str = "198.51.100.23") -> str:
        """A colleague buys in the vendor's portal; tells the reference."""
        order = [{"type": "bundle", "item": item, "quantity": quantity} for item, quantity in lines]
        return self.server.buy({"type": "transaction", "assign": True, "order": order}, source_ip=source_ip)

    def dump(self) -> str:
        """All that the ledger holds, as one text."""
        cells: list[str] = []
        with self.database.read() as connection:
            tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
            for table in list(tables):
                for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                    cells.extend(map(str, row))
        return "\n".join(cells)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(rate_limit=None) as running:
        yield running


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger file with its tables, to copy: quicker than a migration for each test."""
    file = tmp_path_factory.mktemp("ledger") / "empty.db"
    database = Database.open(f"sqlite:///{file}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # ours is open
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return file


@pytest.fixture
def benches(
    server: SandboxServer, empty_ledger: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Bench]]:
    """Makes benches, each with a fresh ledger and a sandbox started afresh."""
    made: list[Bench] = []
    folder, numbers = tmp_path_factory.mktemp("benches"), count(1)

    def make() -> Bench:
        server.reset()
        file = folder / f"ledger{next(numbers)}.db"
        shutil.copyfile(empty_ledger, file)
        made.append(Bench(server, file))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(benches: Callable[[], Bench]) -> Bench:
    return benches()


class Values:
    """Builders of ledger and vendor values that need no database."""

    SENT_AT = 1_800_000_000_000
    INTENT_AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)

    def order(self, *lines: tuple[Any, ...], **fields: Any) -> Order:
        """An UNKNOWN order; a line is (bundle, quantity[, iccids]); every unit costs 1."""
        request = OrderRequest(tuple(OrderLine(*line) for line in (lines or [("gb", 2)])))
        due = Decimal(sum(line.quantity for line in request.lines))
        known: dict[str, Any] = {
            "key": 7,
            "batch_key": 1,
            "account": ACCOUNT,
            "number": 1,
            "state": OrderState.UNKNOWN,
            "attempt": 1,
            "owner": "me",
            "request": request,
            "total": due,
            "due": due,
            "balance_before": Decimal(100),
            "sent_at": self.SENT_AT,
            "unknown_at": self.SENT_AT,
            "looks": 0,
            "reference": None,
            "message": None,
        }
        return Order(**{**known, **fields})

    def units(self, order: Order) -> list[Unit]:
        """The units that the order's lines mean."""
        units = []
        for line in order.request.lines:
            for topped_up in line.iccids or (None,) * line.quantity:
                number = len(units) + 1
                units.append(
                    Unit(
                        100 + number, number, order.key, number + 1, f"e{number}", line.item, topped_up, None,
                        Decimal(1), None, None,
                    )
                )  # fmt: skip
        return units

    def vendor(self, *lines: tuple[Any, ...], after: float = 1.0, **fields: Any) -> VendorOrder:
        """A completed vendor order; a line is (bundle, quantity[, iccids[, type]]); every unit costs 1."""
        placed = tuple(
            PlacedLine(kind, item, quantity, None, None, tuple(iccids), (), False)
            for item, quantity, iccids, kind in (
                (*line, *((), "bundle")[len(line) - 2 :]) for line in (lines or [("gb", 2)])
            )
        )
        known: dict[str, Any] = {
            "reference": "ref-1",
            "lines": placed,
            "total": Decimal(sum(line.quantity for line in placed)),
            "currency": "USD",
            "status": "completed",
            "created": (self.INTENT_AT + timedelta(seconds=after)).isoformat(),
            "assigned": True,
            "source_ip": "192.0.2.1",
        }
        return VendorOrder(**{**known, **fields})

    def look(self, *listed: VendorOrder, **fields: Any) -> Look:
        """A second look, after settle, that finds the balance unchanged."""
        known: dict[str, Any] = {
            "listed": listed,
            "claimed": {},
            "balance": Decimal(100),
            "intent_at": self.INTENT_AT,
            "doubt": timedelta(seconds=3),
            "settled": True,
            "looks": 2,
            "addresses": frozenset(),
        }
        return Look(**{**known, **fields})

    def retyped(self, order: VendorOrder, kind: str) -> VendorOrder:
        return replace(order, lines=tuple(replace(line, type=kind) for line in order.lines))


@pytest.fixture(scope="session")
def values() -> Values:
    return Values()


@pytest.fixture(scope="session")
def table_names() -> Sequence[str]:
    return [table.name for table in metadata.sorted_tables]
