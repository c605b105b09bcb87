"""`airflow esimgo …`: what a person at the terminal sees and decides."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager
from airflow_lab.desk import GB, Desk, bought_units
from airflow_lab.home import airflow
from sqlalchemy import text

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.migrations import VERSION_TABLE

Cli = Callable[..., str]


@pytest.fixture
def in_review(desk: Desk) -> str:
    """A batch that a colleague's identical order has stopped; tells the colleague's reference."""
    desk.validate(desk.manifest(f"ana,{GB},2"))
    order = [{"type": "bundle", "item": GB, "quantity": 2}]
    reference = desk.sandbox.buy({"type": "transaction", "assign": True, "order": order})
    with pytest.raises(AirflowFailException, match="waits for a person"):
        desk.place()
    return reference


def orders(cli: Cli, *words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(cli("orders", "list", "-o", "json", *words))
    return listed


def test_airflow_itself_offers_the_commands(airflow_home: Path) -> None:
    if not hasattr(ProvidersManager, "cli_command_functions"):
        pytest.skip(
            "this Airflow does not read a provider's commands: python -m airflow_provider_esimgo has them"
        )
    done = airflow(airflow_home, "esimgo", "ledger", "check")
    assert done.returncode == 0, done.stdout
    assert "no broken promises" in done.stdout


def test_orders_are_listed_with_state_money_and_reference(desk: Desk, cli: Cli) -> None:
    desk.bought()
    (order,) = orders(cli)
    assert order["state"] == "ASSIGNED"
    assert order["due"] == "4.14 USD"
    assert order["reference"] == desk.sandbox.orders()[0]["reference"]
    assert orders(cli, "--state", "review") == []
    assert orders(cli, "--batch", "other") == []


def test_a_state_that_does_not_exist_is_named_with_those_that_do(desk: Desk, cli: Cli) -> None:
    with pytest.raises(SystemExit, match="no state LOST; use one of PLANNED, SENDING"):
        cli("orders", "list", "--state", "lost")


def test_an_order_is_shown_with_its_units_and_its_whole_history(desk: Desk, cli: Cli) -> None:
    desk.bought()
    (shown,) = json.loads(cli("orders", "show", "1", "-o", "json"))
    assert [unit["recipient_ref"] for unit in shown["units"]] == ["ana", "ana", "bo"]
    assert [step["what"] for step in shown["history"]] == [
        "PLANNED -> SENDING",
        "SENDING -> PLACED",
        "PLACED -> ASSIGNED",
    ]
    assert "ASSIGNED" in cli("orders", "show", "1")


def test_an_order_that_does_not_exist_is_named(desk: Desk, cli: Cli) -> None:
    with pytest.raises(SystemExit, match="no order 99"):
        cli("orders", "show", "99")


def test_adopting_a_reference_lets_the_batch_go_on_without_buying(
    desk: Desk, cli: Cli, in_review: str
) -> None:
    told = cli("orders", "resolve", "1", "--adopt", in_review, "--reason", "it is ours")
    assert "Order 1 is PLACED now" in told
    assert desk.place()["states"] == {"ASSIGNED": 1}
    assert bought_units(desk.sandbox) == {GB: 2}


def test_never_placed_lets_the_next_run_send_it(desk: Desk, cli: Cli, in_review: str) -> None:
    assert "PLANNED" in cli("orders", "resolve", "1", "--never-placed", "--reason", "for another client")
    desk.place()
    (order,) = orders(cli)
    assert order["reference"] != in_review
    (shown,) = json.loads(cli("orders", "show", "1", "-o", "json"))
    decided = next(step for step in shown["history"] if "for another client" in step["evidence"])
    assert decided["who"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--reason", "x"], "either --adopt REFERENCE or --never-placed"),
        (["--adopt", "r", "--never-placed", "--reason", "x"], "either --adopt REFERENCE or --never-placed"),
        (["--never-placed"], "Give --reason"),
        (["--adopt", "r", "--reason", " "], "Give --reason"),
    ],
)
def test_half_a_decision_is_none(desk: Desk, cli: Cli, in_review: str, words: list[str], told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        cli("orders", "resolve", "1", *words)
    assert orders(cli)[0]["state"] == "REVIEW"


def test_a_decision_needs_the_connection_of_the_orders_account(
    desk: Desk, cli: Cli, in_review: str, set_connection: Callable[..., None]
) -> None:
    parts = Desk.connection(desk.sandbox)
    set_connection("other", **{**parts, "host": parts["host"].replace("127.0.0.1", "localhost")})
    with pytest.raises(SystemExit, match="belongs to account"):
        cli("orders", "resolve", "1", "--never-placed", "--reason", "x", "--conn-id", "other")


def test_check_ends_with_1_when_a_promise_is_broken(desk: Desk, cli: Cli, tmp_path: Path) -> None:
    desk.bought()
    assert "no broken promises" in cli("ledger", "check")
    database = Database.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.write() as connection:
        connection.execute(text("UPDATE esimgo_orders SET due = '1'"))
    database.close()
    with pytest.raises(SystemExit) as ended:
        cli("ledger", "check")
    assert ended.value.code == 1


def test_the_ledger_is_exported_a_row_a_unit(desk: Desk, cli: Cli, tmp_path: Path) -> None:
    desk.bought()
    rows = list(csv.DictReader(io.StringIO(cli("ledger", "export"))))
    assert [(row["recipient_ref"], row["price"], row["state"]) for row in rows] == [
        ("ana", "1.36", "ASSIGNED"),
        ("ana", "1.36", "ASSIGNED"),
        ("bo", "1.42", "ASSIGNED"),
    ]
    assert (
        json.loads(cli("ledger", "export", "--format", "json", "--batch", "batch"))[0]["iccid"]
        == rows[0]["iccid"]
    )
    file = tmp_path / "export.csv"
    assert "3 units written" in cli("ledger", "export", "--file", str(file))
    assert len(list(csv.DictReader(file.open()))) == 3
    with pytest.raises(SystemExit, match="no batch 'other'"):
        cli("ledger", "export", "--batch", "other")


def test_a_ledger_of_a_newer_package_is_refused_in_one_line(desk: Desk, cli: Cli, tmp_path: Path) -> None:
    assert "already has schema" in (cli("ledger", "check") and cli("ledger", "upgrade"))
    database = Database.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    for words in (["orders", "list"], ["ledger", "upgrade"]):
        with pytest.raises(SystemExit, match="schema 9999, which this package does not know"):
            cli(*words)
