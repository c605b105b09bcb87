"""Airflow runs tasks at least once. However often it runs them, the vendor's own books show each unit once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_lab.desk import GB, NL, written
from airflow_lab.home import LAB_DAGS, Home
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


def sold(sandbox: SandboxServer) -> Counter[str]:
    units: Counter[str] = Counter()
    for order in sandbox.orders():
        for line in order["lines"]:
            units[line["item"]] += line["quantity"]
    return units


def test_no_fault_makes_retries_buy_a_unit_twice(
    open_home: Callable[..., Home], sandbox: SandboxServer, tmp_path: Path
):
    """One DAG run for each fault; `retries=3` without delay."""
    home = open_home(sandbox, dags=LAB_DAGS, max_units_per_order=2, settle_seconds=1, timeout=1)
    runs = home.run(
        "retried",
        *(
            {
                "conf": {"manifest": of_its_own(tmp_path, number), "batch_id": name},
                "faults": [{**fault, "nth": 2} for fault in faults],
            }
            for number, (name, faults) in enumerate(FAULTS.items())
        ),
    )
    for name, run in zip(FAULTS, runs, strict=True):
        assert run.state == "success", name
        assert run.returned("place")["states"] == {"ASSIGNED": 4}, name
    check_books(sandbox, home)
    assert sold(sandbox) == {GB: 4 * len(FAULTS), NL: 4 * len(FAULTS)}


def test_airflows_own_retry_goes_on_where_the_last_try_stopped(
    home: Home, sandbox: SandboxServer, tmp_path: Path
):
    """The vendor's order list answers 503 until the first try has given up."""
    (run,) = home.run(
        "retried",
        {
            "conf": {"manifest": of_its_own(tmp_path)},
            "faults": [
                {"kind": "drop_after", "nth": 2},
                {"kind": "status_before", "method": "GET", "path": "^/orders$", "nth": 2, "times": 5},
            ],
        },
    )
    assert run.state == "success"
    assert run.tries["place"] == 2
    check_books(sandbox, home)
    assert sold(sandbox) == {GB: 4, NL: 4}


def test_a_cleared_task_and_a_second_run_buy_nothing_more(home: Home, sandbox: SandboxServer, tmp_path: Path):
    conf = {"manifest": of_its_own(tmp_path)}
    first, cleared, second = home.run("retried", {"conf": conf}, {"clear": ["place"]}, {"conf": conf})
    assert cleared.run_id == first.run_id
    assert cleared.tries["place"] == 2
    assert second.run_id != first.run_id
    assert second.state == cleared.state == "success"
    assert second.returned("place") == cleared.returned("place")
    check_books(sandbox, home)
    assert sold(sandbox) == {GB: 4, NL: 4}


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
    assert sold(sandbox) == {GB: 4, NL: 4}


def test_an_unknown_outcome_is_settled_in_the_triggerer_and_the_task_goes_on(
    home: Home, sandbox: SandboxServer, tmp_path: Path
):
    sandbox.fault("drop_after", nth=2)
    sandbox.fault("late_visible", nth=2, seconds=0.3)
    process = home.start("impatient", {"conf": {"manifest": of_its_own(tmp_path)}})
    (run,) = process.runs()
    assert "Waiting outside of the worker" in process.told
    assert "every order of the account is resolved" in process.told
    assert run.state == "success"
    assert run.returned("place")["states"] == {"ASSIGNED": 4}
    check_books(sandbox, home)
    assert sold(sandbox) == {GB: 4, NL: 4}


def test_a_faulty_manifest_is_not_tried_again(home: Home, sandbox: SandboxServer, tmp_path: Path):
    process = home.start("retried", {"conf": {"manifest": written(tmp_path, ["ana,esim_none"])}})
    (run,) = process.runs()
    assert (run.state, run.tasks["validate"], run.tries["validate"]) == ("failed", "failed", 1)
    assert "esim_none" in process.told
    assert not sandbox.orders()
