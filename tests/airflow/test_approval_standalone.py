"""The approval in a real Airflow, through its REST API: by the requester, by somebody else, and a rejection."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from airflow_lab.desk import GB, NL, written
from airflow_lab.home import BIN, LAB_DAGS, PROJECT, settings_of

from airflow_provider_esimgo.ledger.approval import approvals_of
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.sandbox.server import SandboxServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAG = "approved"


@dataclass
class Site:
    """A real Airflow with two people in it, ada and ben."""

    base: str
    path: Path
    ledger: Ledger
    sandbox: SandboxServer
    tokens: dict[str, str]

    def call(self, user: str, method: str, path: str, **body: Any) -> requests.Response:
        return requests.request(
            method,
            f"{self.base}/api/v2/dags/{DAG}/dagRuns{path}",
            headers={"Authorization": f"Bearer {self.tokens[user]}"},
            json=body or None,
            timeout=30,
        )

    def start(self, user: str, **conf: str) -> str:
        """A person starts a run, as soon as Airflow has read the DAG."""
        for _ in range(120):
            answer = self.call(user, "POST", "", logical_date=None, conf=conf)
            if answer.status_code == 200:
                return str(answer.json()["dag_run_id"])
            time.sleep(1)
        raise AssertionError(answer.text)

    def page(self, run: str) -> dict[str, Any]:
        """The question on Airflow's page for required actions, when it is there."""
        for _ in range(120):
            answer = self.call("ben", "GET", f"/{run}/taskInstances/approve/-1/hitlDetails")
            if answer.status_code == 200 and self.states(run)["approve"] in ("awaiting_input", "deferred"):
                # Airflow fails a task that is resumed before its executor has told that it parked
                time.sleep(5)
                return dict(answer.json())
            time.sleep(1)
        raise AssertionError(f"nobody is asked: {self.states(run)}")

    def answer(self, user: str, run: str, choice: str) -> None:
        done = self.call(
            user,
            "PATCH",
            f"/{run}/taskInstances/approve/-1/hitlDetails",
            chosen_options=[choice],
            params_input={},
        )
        assert done.status_code == 200, done.text

    def states(self, run: str) -> dict[str, str]:
        tasks = self.call("ben", "GET", f"/{run}/taskInstances").json()["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def end(self, run: str) -> tuple[str, dict[str, str]]:
        for _ in range(180):
            state = self.call("ben", "GET", f"/{run}").json()["state"]
            if state in ("success", "failed"):
                return state, self.states(run)
            time.sleep(1)
        raise AssertionError(f"the run does not end: {self.states(run)}")

    def answers(self, batch_id: str) -> list[tuple[str | None, str, str | None]]:
        """Each answer about a batch: choice, by whom, who had started the run."""
        [batch] = [batch for batch in self.ledger.batches() if batch.batch_id == batch_id]
        return [(row.choice, row.by, row.requester) for row in approvals_of(self.ledger, batch)]


@pytest.fixture
def site(sandbox: SandboxServer) -> Iterator[Site]:
    sys.path.insert(0, str(PROJECT / "scripts"))
    try:
        import local_airflow  # noqa: PLC0415
        import standalone  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    home = local_airflow.Home.at(f"test-{uuid4().hex[:8]}")
    port = local_airflow.free_port(0)
    environment = {
        **standalone.surroundings(home, sandbox.url, sandbox.key, port),
        **settings_of(home.path, LAB_DAGS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ada:admin,ben:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home.path / "passwords.json"),
        "AIRFLOW__ESIMGO__LEDGER_URL": home.ledger_url,
    }
    local_airflow.migrate(home, environment)
    standalone.connect(home, environment, sandbox.url, sandbox.key)
    base = f"http://127.0.0.1:{port}"
    with (home.path / "standalone.log").open("wb") as output:
        airflow = subprocess.Popen(
            [BIN / "airflow", "standalone"],
            env=environment,
            cwd=home.path,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    database = Database.open(home.ledger_url)
    try:
        started = time.monotonic()
        while not standalone.healthy(base):
            log = (home.path / "standalone.log").read_text()
            assert airflow.poll() is None and time.monotonic() - started < 180, log[-4000:]  # noqa: PT018
            time.sleep(1)
        passwords = json.loads((home.path / "passwords.json").read_text())
        tokens = {user: standalone.token(base, user, passwords[user]) for user in ("ada", "ben")}
        yield Site(base, home.path, Ledger(database), sandbox, tokens)
    finally:
        database.close()
        standalone.stop(airflow)
        shutil.rmtree(home.path, ignore_errors=True)


def test_only_another_persons_approval_buys(site: Site, tmp_path: Path):
    acme = {"manifest": written(tmp_path, [f"e1,{GB},2"], name="acme.csv"), "batch_id": "acme"}
    other = {"manifest": written(tmp_path, [f"e2,{NL},1"], name="other.csv"), "batch_id": "other"}

    own, rejected = site.start("ada", **acme), site.start("ada", **other)
    page = site.page(own)
    assert "2.72 USD" in page["body"]
    assert "`Acme`" in page["body"]
    site.page(rejected)
    site.answer("ada", own, "Approve")
    site.answer("ben", rejected, "Reject")
    assert site.end(own) == (
        "failed",
        {"validate": "success", "approve": "failed", "place": "upstream_failed"},
    )
    assert site.end(rejected) == (
        "success",
        {"validate": "success", "approve": "success", "place": "skipped"},
    )
    assert site.answers("acme") == [("void", "ada", "ada")]
    assert site.answers("other") == [("rejected", "ben", "ada")]
    assert not site.sandbox.orders()

    again = site.start("ada", **acme)
    site.page(again)
    assert not site.sandbox.orders()
    site.answer("ben", again, "Approve")
    assert site.end(again)[0] == "success"
    assert site.answers("acme")[1:] == [("approved", "ben", "ada")]
    assert [order["lines"][0]["quantity"] for order in site.sandbox.orders()] == [2]
