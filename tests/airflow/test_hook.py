"""The hook: who we are in one line, and where the ledger is. The key is in no answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import Desk

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook, actor_of
from airflow_provider_esimgo.hooks.ledger import ledger_url
from airflow_provider_esimgo.ledger.errors import LedgerUnavailable
from airflow_provider_esimgo.sandbox.identifiers import ORGANISATION

SetConnection = Callable[..., None]


def answer(hook: EsimGoHook, *, good: bool) -> str:
    passed, told = hook.test_connection()
    assert passed is good, told
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    ("mode", "means"), [("read", "only reads"), ("validate", "not buy"), ("transact", "may buy")]
)
def test_a_good_connection_tells_account_balance_and_mode(desk: Desk, mode: str, means: str):
    desk.connect(mode=mode)
    told = answer(desk.hook(), good=True)
    balance = desk.sandbox.books()["balance"]
    assert told.startswith(f"{ORGANISATION} at {desk.hook().settings.host}: balance ")
    assert balance in told.replace(",", "")
    assert "USD" in told
    assert f"mode {mode}" in told
    assert means in told
    assert desk.sandbox.key not in told


def test_a_bad_key_is_told_without_the_key(desk: Desk):
    desk.connect(password="bad-key-of-somebody")
    assert "bad-key-of-somebody" not in answer(desk.hook(), good=False)


def test_a_host_where_nobody_listens_is_told(desk: Desk, instant_retries: None):
    with desk.sandbox.refusing():
        told = answer(desk.hook(), good=False)
    assert "refused" in told.lower()
    assert desk.sandbox.key not in told


def test_a_host_that_speaks_of_something_else_is_told(desk: Desk):
    desk.connect(host=f"{desk.sandbox.root_url}/elsewhere")
    answer(desk.hook(), good=False)


def test_no_such_connection_is_told(desk: Desk):
    told = answer(EsimGoHook("nobody"), good=False)
    assert told.startswith("There is no connection 'nobody'.")


def test_a_slip_in_the_connection_is_told(desk: Desk):
    desk.connect(mode="buy")
    assert "it takes read, validate or transact" in answer(desk.hook(), good=False)


def test_a_connection_of_the_shortest_kind_may_not_buy(desk: Desk, set_connection: SetConnection):
    set_connection("esimgo_default", conn_type="esimgo", host=desk.sandbox.url, password=desk.sandbox.key)
    assert "mode validate" in answer(desk.hook(), good=True)


def test_a_connection_may_be_given_as_a_uri(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_ACME", "esimgo://:a%2Fkey@esim.example:8443/v2.5?mode=read")
    settings = EsimGoHook("acme").settings
    assert (settings.base_url, settings.api_key) == ("https://esim.example:8443/v2.5", "a/key")
    assert settings.policy.mode.value == "read"


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("http://esim.example/v2.5", True),
        ("http://localhost.example/v2.5", True),
        ("http://127.example/v2.5", True),
        ("https://esim.example/v2.5", False),
        ("http://localhost:4010", False),
        ("http://127.0.0.1:4010", False),
        ("http://[::1]:4010", False),
    ],
)
def test_plain_http_beyond_this_machine_is_warned_of(
    desk: Desk, host: str, warned: bool, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    desk.connect(host=host)
    desk.hook().client.close()
    told = "".join(capfd.readouterr()) + caplog.text
    assert ("uses plain http" in told) is warned


def test_the_ledger_is_told_who_acts(desk: Desk):
    class Instance:
        dag_id, run_id, task_id, map_index, try_number = "dag", "run", "task", 3, 2

    actor = actor_of({"ti": Instance()})
    assert (actor.dag_id, actor.run_id, actor.task_id, actor.map_index, actor.try_number) == (
        "dag",
        "run",
        "task",
        3,
        2,
    )
    assert actor_of({}).dag_id is None


def test_the_account_is_the_organisation_at_its_host(desk: Desk):
    with desk.hook() as hook:
        assert hook.account == f"{ORGANISATION}@{hook.settings.host}"


# where the ledger is


def test_without_a_word_the_ledger_is_a_file_in_airflows_home(
    desk: Desk, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AIRFLOW__ESIMGO__LEDGER_URL")
    assert ledger_url() == f"sqlite:///{airflow_home / 'esimgo-ledger.db'}"


def test_the_option_says_where_the_ledger_is(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__ESIMGO__LEDGER_URL", "postgresql://db.example/esimgo")
    assert ledger_url() == "postgresql://db.example/esimgo"


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        (
            {
                "conn_type": "postgres",
                "login": "me",
                "password": "p@ss/w",
                "host": "db",
                "port": 5433,
                "schema": "esimgo",
            },
            "postgresql://me:p%40ss%2Fw@db:5433/esimgo",
        ),
        ({"conn_type": "mysql", "host": "db", "schema": "esimgo"}, "mysql+pymysql://db/esimgo"),
        ({"conn_type": "sqlite", "host": "/var/lib/ledger.db"}, "sqlite:////var/lib/ledger.db"),
    ],
)
def test_the_connection_goes_before_the_option(
    desk: Desk, set_connection: SetConnection, parts: dict[str, Any], url: str
):
    set_connection("esimgo_ledger", **parts)
    found = ledger_url()
    assert found.replace("mysql://", "mysql+pymysql://") == url


def test_a_connection_that_can_hold_no_ledger_is_refused(desk: Desk, set_connection: SetConnection):
    set_connection("esimgo_ledger", conn_type="http", host="db")
    with pytest.raises(LedgerUnavailable, match="of type 'http', which cannot hold the ledger"):
        ledger_url()


@pytest.mark.parametrize(
    "executor",
    [
        "CeleryExecutor",
        "KubernetesExecutor",
        "LocalExecutor,CeleryExecutor",
        "airflow.providers.edge3.executors.EdgeExecutor",
    ],
)
def test_a_sqlite_ledger_is_refused_where_tasks_run_on_other_machines(
    desk: Desk, executor: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(AirflowException) as refused:
        desk.validate()
    told = str(refused.value)
    assert f"The executor {executor!r} may run tasks on other machines" in told
    assert "Set the Airflow connection 'esimgo_ledger'" in told
    assert "airflow esimgo ledger upgrade" in told


@pytest.mark.parametrize("executor", ["LocalExecutor", "SequentialExecutor"])
def test_a_sqlite_ledger_serves_where_tasks_run_on_one(
    desk: Desk, executor: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert desk.validate()["units"] == 3


def test_the_ledgers_password_is_in_no_error(desk: Desk, set_connection: SetConnection):
    set_connection(
        "esimgo_ledger",
        conn_type="postgres",
        host="127.0.0.1",
        port=1,
        schema="x",
        login="me",
        password="ledger-pw",
    )
    with pytest.raises(AirflowException) as refused:
        desk.validate()
    assert not isinstance(refused.value, AirflowFailException)
    assert "ledger-pw" not in str(refused.value)
