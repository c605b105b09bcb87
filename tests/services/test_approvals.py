"""Approvals on the databases of production: the upgrade keeps what is there, and a lost race sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from ledger_kit.ledgers import throwaway_ledger
from ledger_kit.market import GB, Market, once
from sqlalchemy import create_engine, text

from airflow_provider_esimgo.ledger import migrations
from airflow_provider_esimgo.ledger.approval import Approver, approvals_of, ask, record_approval
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import LedgerSchemaMismatch, PlanRefused
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.ledger.store import Ledger

KINDS = ["postgresql", "mariadb"]


def decide(market: Market, batch: Batch, *, approved: bool = True, request: str = "try-1") -> None:
    ask(market.ledger, batch, request=request, requester="ada")
    record_approval(
        market.ledger, batch, request=request, approved=approved, approver=Approver("ben", "Ben 😀")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_ledger_of_the_first_version_is_refused_until_it_is_upgraded(kind: str, tmp_path: Path) -> None:
    with throwaway_ledger(kind, tmp_path, upgraded=False) as url:
        engine = create_engine(url, future=True)
        config = Config()
        config.set_main_option("script_location", next(iter(migrations.__path__)))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.execute(text("INSERT INTO esimgo_accounts VALUES ('a', 'USD', NULL, 0, 0, '[]')"))
            connection.execute(
                text(
                    "INSERT INTO esimgo_batches VALUES "
                    "(7, 'a', 'b', 'b.csv', 'c', 'c', 'h', 'USD', '4.08', 1, 3, 1, 1000)"
                )
            )
        engine.dispose()
        with pytest.raises(LedgerSchemaMismatch, match="has schema 0001, this package needs"):
            Database.open(url)
        old = Database.connect(url)
        assert "from schema 0001 to" in old.upgrade()
        old.close()
        database = Database.open(url)
        batch = Ledger(database).batch("a", "b")
        assert (batch.key, batch.valid_until, batch.card) == (7, 1000 + 86_400_000, None)
        database.close()


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_approved_plan_is_bought(open_market: Callable[..., Market], kind: str) -> None:
    market = open_market(kind)
    batch = market.plan()
    with pytest.raises(PlanRefused, match="has no approval"):
        market.place(batch, require_approval=True)
    decide(market, batch)
    assert approvals_of(market.ledger, batch)[0].user_name == "Ben 😀"
    assert market.place(batch, require_approval=True, patience=60) is None
    market.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trick", ["planned anew", "rejected"])
def test_what_changes_at_the_last_moment_stops_the_order(
    open_market: Callable[..., Market], kind: str, trick: str
) -> None:
    market = open_market(kind)
    batch = market.plan()
    decide(market, batch)

    def meanwhile() -> None:
        if trick == "rejected":
            decide(market, batch, approved=False, request="try-2")
        else:
            market.sandbox.set_price(GB, "9.00")
            market.plan()

    with pytest.raises(PlanRefused):
        market.place(batch, require_approval=True, on_step=once(Step.PACED.value, meanwhile), patience=60)
    assert not market.sandbox.orders()
