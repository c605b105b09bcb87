"""Airflow runs tasks at least once. However often it runs them, the vendor's own books show each unit once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import GB, NL, Desk, bought_units, written
from airflow_lab.home import LAB_DAGS, Home, Run
from ledger_kit.history import Story, complaints

from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.sandbox.server import SandboxServer

#: What befalls the second of a batch's orders, and how it is told apart in the books.
FAULTS: dict[str, list[dict[str, Any]]] = {
    "dropped before": [{"kind": "drop_before"}],
    "dropped after": [{"kind": "drop_after"}],
    "dropped after, and seen late": [{"kind": "drop_after"}, {"kind": "late_visible", "seconds": 0.5}],
    "503 before": [{"kind": "status_before"}],
    "500 after": [{"kind": "status_after", "status": 500}],
    "answer too late": [{"kind": "delay_after", "seconds": 2.0}],
    "takes effect later": [{"kind": "late_effect", "seconds": 0.3}],
    "turned away": [{"kind": "rate_limited", "retry_after": 0}],
    "broken answer": [{"kind": "broken_json"}],
    "no reference": [{"kind": "missing_reference"}],
    "eSIMs come later": [{"kind": "late_esims", "seconds": 0.3}],
}


def of_its_own(folder: Path, number: int = 0) -> str:
    """A manifest of four orders of two units, unlike any other."""
    rows = [f"r{number}-{row},{GB if row % 2 else NL},2" for row in range(4)]
    return written(folder, rows, name=f"clients-{number}.csv")


def check_books(sandbox: SandboxServer, home: Home) -> None:
    """The history check of the crash tests: the books against the ledger, both ways, to the cent."""
    ledger = Ledger(Database.open(home.ledger_url))
    (account,) = {batch.account for batch in ledger.batches()}
    found = complaints(sandbox.books(), Story.read(ledger, account))
    ledger.database.close()
    assert not found, "\n".join(found)


@dataclass
class History:
    """What one Airflow went through: a DAG run for each misfortune, one after the other."""

    home: Home
    sandbox: SandboxServer
    runs: dict[str, Run]
    told: str


@pytest.fixture(scope="module")
def history(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """All in one process: most of what it takes is Airflow's own start."""
    folder = tmp_path_factory.mktemp("history")
    numbers = itertools.count(1)

    def conf(batch_id: str) -> dict[str, str]:
        return {"manifest": of_its_own(folder, next(numbers)), "batch_id": batch_id}

    plan: dict[str, dict[str, Any]] = {
        name: {"conf": conf(name), "faults": [{**fault, "nth": 2} for fault in faults]}
        for name, faults in FAULTS.items()
    }
    # the vendor's order list answers 503 until the first try has given up
    blind = {"kind": "status_before", "method": "GET", "path": "^/orders$", "nth": 2, "times": 5}
    plan["blind"] = {"conf": conf("blind"), "faults": [{"kind": "drop_after", "nth": 2}, blind]}
    plan["deferred"] = {
        "dag": "impatient",
        "conf": conf("deferred"),
        "faults": [{"kind": "drop_after", "nth": 2}, {"kind": "late_visible", "nth": 2, "seconds": 0.3}],
    }
    plan["first"] = {"conf": conf("calm"), "faults": []}
    plan["cleared"] = {"clear": ["place"]}
    plan["second"] = {"conf": plan["first"]["conf"]}
    plan["faulty"] = {"conf": {"manifest": written(folder, ["ana,esim_none"]), "batch_id": "faulty"}}
    with SandboxServer(rate_limit=None) as sandbox:
        connection = Desk.connection(
            sandbox, seconds_between_orders=0, max_units_per_order=2, settle_seconds=1, timeout=1
        )
        home = Home.copied(template, folder / "home", connection, LAB_DAGS)
        try:
            process = home.start("retried", *plan.values())
            runs = process.runs()
            yield History(home, sandbox, dict(zip(plan, runs, strict=True)), process.told)
        finally:
            home.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_vendor_ends_in_a_bought_batch(history: History, fault: str):
    assert history.runs[fault].state == "success"
    assert history.runs[fault].returned("place")["states"] == {"ASSIGNED": 4}


def test_airflows_own_retry_goes_on_where_the_last_try_stopped(history: History):
    assert history.runs["blind"].tries["place"] == 2
    assert history.runs["blind"].returned("place")["states"] == {"ASSIGNED": 4}


def test_an_unknown_outcome_is_settled_in_the_triggerer_and_the_task_goes_on(history: History):
    assert "Waiting outside of the worker" in history.told
    assert "every order of the account is resolved" in history.told
    assert history.runs["deferred"].returned("place")["states"] == {"ASSIGNED": 4}


def test_a_cleared_task_and_a_second_run_say_the_same(history: History):
    first, cleared, second = (history.runs[name] for name in ("first", "cleared", "second"))
    assert cleared.run_id == first.run_id
    assert cleared.tries["place"] == 2
    assert second.run_id != first.run_id
    assert second.state == cleared.state == "success"
    assert second.returned("place") == cleared.returned("place")


def test_a_faulty_manifest_is_not_tried_again(history: History):
    run = history.runs["faulty"]
    assert (run.state, run.tasks["validate"], run.tries["validate"]) == ("failed", "failed", 1)
    assert "esim_none" in history.told


def test_after_all_that_each_unit_is_in_the_vendors_books_once(history: History):
    check_books(history.sandbox, history.home)
    batches = len(FAULTS) + len(("blind", "deferred", "calm"))
    assert bought_units(history.sandbox) == {GB: 4 * batches, NL: 4 * batches}


def test_two_runs_at_once_buy_what_one_would(home: Home, sandbox: SandboxServer, tmp_path: Path):
    conf = {"manifest": of_its_own(tmp_path)}
    sandbox.fault("delay_after", seconds=0.2, times=None)
    pair = [home.start("retried", {"conf": conf}, gate=True) for _ in range(2)]
    for one in pair:
        one.await_ready()
    for one in pair:
        one.go()
    (first,), (second,) = (one.runs() for one in pair)
    assert first.run_id != second.run_id
    assert first.returned("place") == second.returned("place")
    assert sandbox.books()["most_in_flight"] == 1
    check_books(sandbox, home)
    assert bought_units(sandbox) == {GB: 4, NL: 4}
