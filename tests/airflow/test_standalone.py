"""`make airflow`: a real scheduler, API server, triggerer and workers; and nothing secret in what they leave."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from airflow_lab.home import PROJECT, SAMPLE_DAGS, bare_environment
from airflow_lab.leaks import leaks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Standalone:
    """What is left of `scripts/standalone.py --once`."""

    status: int
    told: str
    home: Path

    def vendors(self, kind: str) -> list[dict[str, object]]:
        with closing(sqlite3.connect(self.home / "sandbox.db")) as books:
            rows = books.execute("SELECT document FROM records WHERE kind = ?", [kind]).fetchall()
        return [json.loads(document) for (document,) in rows]


@pytest.fixture(scope="module")
def standalone() -> Iterator[Standalone]:
    """One run in a folder of its own.

    The script finds free ports itself; the sandbox's is given, so that it never is the one that a developer's
    sandbox has kept for itself.
    """
    name = f"test-{uuid4().hex[:8]}"
    home = PROJECT / ".airflow" / name
    home.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (home / "sandbox-port").write_text(str(probe.getsockname()[1]))
    process = subprocess.Popen(
        [sys.executable, "scripts/standalone.py", "--once", "--home", name],
        cwd=PROJECT,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=540)
        yield Standalone(process.returncode, told, home)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C: the script stops what it started
            process.communicate(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def test_the_sample_dag_succeeds_in_a_real_airflow(standalone: Standalone):
    assert standalone.status == 0, standalone.told
    assert "the run: success" in standalone.told
    assert len(list(standalone.home.glob("kits/*/qr/*.png"))) == 26


def test_the_logs_and_the_database_hold_nothing_secret(standalone: Standalone):
    esims = standalone.vendors("esim")
    assert len(esims) >= 24
    with (SAMPLE_DAGS / "manifests" / "acme.csv").open(newline="", encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    secrets = {
        "a matching id": [str(esim["matching_id"]) for esim in esims],  # part of every activation code
        "a PUK": [str(esim["puk"]) for esim in esims],  # a PIN's four digits are in every timestamp
        "the API key": [(standalone.home / "sandbox-key").read_text()],
        "a name": [person["name"] for person in people],
        "an e-mail address": [person["email"] for person in people],
    }
    meant = [standalone.home / name for name in ("kits", "sandbox-key")]
    vendors_own = list(standalone.home.glob("sandbox.db*"))
    assert len(list((standalone.home / "logs").rglob("*.log"))) >= 4
    assert leaks(standalone.home, secrets, but_in=[*meant, *vendors_own]) == []
    assert not any(secret in standalone.told for texts in secrets.values() for secret in texts)
