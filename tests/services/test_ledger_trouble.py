"""The ledger's database goes away, may not be written, or is of another version: nothing is sent without it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from ledger_kit.ledgers import Outage, throwaway_ledger
from ledger_kit.market import Market, once
from ledger_kit.nursery import Nursery
from sqlalchemy import create_engine, text

from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import (
    LedgerSchemaMismatch,
    LedgerUnavailable,
    OutcomeUnknown,
)
from airflow_provider_esimgo.ledger.purchase import Step

SERVERS = ["postgresql", "mariadb"]


@pytest.fixture
def outage() -> Iterator[Callable[[Market], Outage]]:
    outages = []

    def make(market: Market) -> Outage:
        outages.append(
            Outage(market.ledger_url.partition("+")[0].replace("mysql", "mariadb"), market.ledger_url)
        )
        return outages[-1]

    yield make
    for made in outages:
        made.close()


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 3], ids=["first", "last"])
@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name.lower())
@pytest.mark.parametrize("kind", SERVERS)
def test_a_database_restart_at_any_step_loses_nothing(
    open_market: Callable[..., Market],
    outage: Callable[[Market], Outage],
    kind: str,
    step: Step,
    nth: int,
) -> None:
    market = open_market(kind, lease=0.6, settle=0.4)
    batch = market.plan()
    trouble = outage(market)
    lost = pytest.raises(LedgerUnavailable) if step is Step.INTENT_WRITTEN else nullcontext()
    with lost:  # only a transaction under way before the POST is given up
        market.place(batch, on_step=once(step.value, trouble.cut_connections, nth=nth), patience=60)
    market.finish(batch)
    assert market.states(batch) == ["ASSIGNED"] * 3
    market.check()


@pytest.mark.slow
def test_an_answer_that_cannot_be_written_down_is_told_and_found_again(
    open_market: Callable[..., Market], outage: Callable[[Market], Outage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_esimgo.ledger.purchase._OUTCOME_WAITS", (0.0, 0.1))
    market = open_market("postgresql", lease=0.6, settle=0.4)
    batch = market.plan()
    trouble = outage(market)
    try:
        with pytest.raises(OutcomeUnknown) as told:
            market.place(batch, on_step=once(Step.ANSWERED, trouble.refuse, nth=2))
    finally:
        trouble.recover()
    reference = market.sandbox.orders()[-1]["reference"]
    assert reference in str(told.value)
    assert market.states(batch) == ["ASSIGNED", "SENDING", "PLANNED"]
    market.check()
    market.finish(batch)
    assert market.attempts(batch) == [1, 1, 1]
    market.check()


@pytest.mark.slow
def test_an_unreachable_ledger_sends_nothing(
    open_market: Callable[..., Market], outage: Callable[[Market], Outage]
) -> None:
    market = open_market("postgresql", lease=0.6, settle=0.4)
    batch = market.plan()
    trouble = outage(market)
    trouble.refuse()
    try:
        with pytest.raises(LedgerUnavailable, match="Without it nothing is sent"):
            market.place(batch)
        with pytest.raises(LedgerUnavailable, match="cannot be used"):
            Database.open(market.ledger_url)
    finally:
        trouble.recover()
    assert market.sandbox.orders() == []
    market.finish(batch)
    market.check()


def test_no_server_where_the_ledger_should_be() -> None:
    with pytest.raises(LedgerUnavailable, match="nothing is sent") as told:
        Database.open("postgresql+psycopg2://user:secret@127.0.0.1:1/ledger")
    assert "secret" not in str(told.value)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a process without rights can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("file_mode", [0o644, 0o600], ids=["read-only", "unreadable"])
def test_a_sqlite_file_that_may_not_be_written_sends_nothing(
    open_market: Callable[..., Market], nursery: Nursery, open_folder: Path, file_mode: int
) -> None:
    market = open_market()
    market.ledger_url = f"sqlite:///{open_folder / 'ledger.db'}"
    batch = market.plan()
    market.ledger.database.close()
    for file in open_folder.iterdir():
        file.chmod(file_mode)
    market.folder = open_folder / "reports"
    market.folder.mkdir()
    market.folder.chmod(0o777)
    if os.geteuid() != 0:
        pytest.skip("only root can send a worker without rights")
    ending = nursery.start(market.errand(as_nobody=True)).wait()
    assert ending is not None
    assert ending.how == "LedgerUnavailable", ending
    assert "nothing is sent" in ending.message, ending.message
    assert market.sandbox.books()["order_posts"] == []
    for file in open_folder.glob("ledger*"):
        file.chmod(0o644)
    market.finish(batch)
    market.check()


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_a_newer_ledger_is_named_with_what_to_do(tmp_path: Path, kind: str) -> None:
    with throwaway_ledger(kind, tmp_path) as url:
        if kind == "sqlite":
            Database.open(url).close()
        set_version(url, "9999")
        with pytest.raises(LedgerSchemaMismatch) as told:
            Database.open(url)
    assert "schema 9999" in str(told.value)
    assert "Nothing was sent. Upgrade airflow-provider-esimgo" in str(told.value)


@pytest.mark.parametrize("kind", SERVERS)
def test_an_empty_database_is_named_with_the_command(tmp_path: Path, kind: str) -> None:
    with (
        throwaway_ledger(kind, tmp_path, upgraded=False) as url,
        pytest.raises(LedgerSchemaMismatch, match="Run: airflow esimgo ledger upgrade"),
    ):
        Database.open(url)


def test_a_newer_ledger_buys_nothing(open_market: Callable[..., Market], nursery: Nursery) -> None:
    market = open_market()
    batch = market.plan()
    set_version(market.ledger_url, "9999")
    ending = nursery.start(market.errand()).wait()
    assert ending is not None
    assert ending.how == "LedgerSchemaMismatch"
    assert market.sandbox.books()["order_posts"] == []
    assert market.states(batch) == ["PLANNED"] * 3


def set_version(url: str, version: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE esimgo_schema_version SET version_num = :version"), {"version": version}
        )
    engine.dispose()
