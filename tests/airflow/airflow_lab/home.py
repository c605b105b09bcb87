"""Homes for Airflow that nothing else uses, and DAG runs in processes of their own.

A home is a copy of one that `airflow db migrate` made, so that a test waits for that only once.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).resolve().parents[3]
SAMPLE_DAGS = PROJECT / "dags"
LAB_DAGS = Path(__file__).parent / "dags"

OURS = ("AIRFLOW_HOME", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AIRFLOW__")


def bare_environment() -> dict[str, str]:
    """What a developer's own Airflow is told does not reach the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def settings_of(home: Path, dags: Path = SAMPLE_DAGS) -> dict[str, str]:
    """What makes Airflow live in `home`."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def migrate(home: Path) -> None:
    """Make Airflow's database in `home`."""
    done = airflow(home, "db", "migrate")
    assert done.returncode == 0, done.stdout


def airflow(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """An `airflow` command in a home."""
    return subprocess.run(
        [BIN / "airflow", *arguments],
        env={**bare_environment(), **settings_of(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass(frozen=True)
class Run:
    """One DAG run as Airflow's database tells it afterwards."""

    run_id: str
    state: str
    tasks: Mapping[str, str]
    tries: Mapping[str, int]
    xcoms: Mapping[str, Mapping[str, Any]]

    def returned(self, task: str) -> Any:
        return self.xcoms[task]["return_value"]


@dataclass
class Process:
    """A process that runs a DAG; it starts the first run when it is let go."""

    home: Home
    process: subprocess.Popen[str]
    report: Path
    stdout: Path

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def await_ready(self) -> None:
        """Until the DAG is parsed and the process stands at the gate."""
        with self.report.with_suffix(".ready").open() as ready:  # a FIFO: opening it waits for the other end
            assert ready.read() == "ready", self.told

    @property
    def told(self) -> str:
        return self.stdout.read_text()

    def runs(self) -> list[Run]:
        """Wait for the end, and read what came of it."""
        status = self.process.wait(timeout=280)
        assert status == 0, self.told[-6000:]
        return [
            self.home.run_of(entry["dag"], entry["run_id"]) for entry in json.loads(self.report.read_text())
        ]


@dataclass
class Home:
    """An Airflow of its own: a folder with database, logs, ledger and kits."""

    path: Path
    connection: Mapping[str, Any]
    dags: Path = SAMPLE_DAGS
    connections: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # others than eSIM Go's
    _started: list[Process] = field(default_factory=list)

    @classmethod
    def copied(cls, template: Path, path: Path, connection: Mapping[str, Any], dags: Path) -> Home:
        path.mkdir(parents=True)
        shutil.copy(template / "airflow.db", path)
        config = (template / "airflow.cfg").read_text().replace(str(template), str(path))
        (path / "airflow.cfg").write_text(config)
        return cls(path, connection, dags)

    @property
    def kits(self) -> Path:
        return self.path / "kits"

    @property
    def ledger_url(self) -> str:
        """Where the ledger is when nothing is configured."""
        return f"sqlite:///{self.path / 'esimgo-ledger.db'}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **bare_environment(),
            **settings_of(self.path, self.dags),
            "AIRFLOW_CONN_ESIMGO_DEFAULT": json.dumps(self.connection),
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in self.connections.items()},
        }

    def start(self, dag: str, *runs: Mapping[str, Any], gate: bool = False) -> Process:
        """Run a DAG by `dag.test()`, once for each of `runs`.

        A run may give `dag`, `conf` and `faults` (which replace the sandbox's), or `clear`: tasks of the run before.
        With `gate` it stops before the first run, when the DAGs are in Airflow's database.
        """
        number = len(self._started) + 1
        report, stdout = self.path / f"report-{number}.json", self.path / f"stdout-{number}.log"
        ready = report.with_suffix(".ready")
        if gate:
            os.mkfifo(ready)
        errand = {
            "dag": dag,
            "runs": runs or [{}],
            "report": str(report),
            "ready": str(ready) if gate else None,
            "know": gate and number == 1,
            "control": self.connection["host"].removesuffix("/v2.5") + "/_sandbox",
        }
        with stdout.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("drive.py"), json.dumps(errand)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.path,
            )
        self._started.append(Process(self, process, report, stdout))
        if not gate:
            self._started[-1].go()
        return self._started[-1]

    def run(self, dag: str, *runs: Mapping[str, Any]) -> list[Run]:
        """The same, to the end."""
        return self.start(dag, *runs).runs()

    def run_of(self, dag: str, run_id: str) -> Run:
        where = "WHERE dag_id = ? AND run_id = ?"
        [(state,)] = self.query(f"SELECT state FROM dag_run {where}", dag, run_id)
        tasks = self.query(f"SELECT task_id, state, try_number FROM task_instance {where}", dag, run_id)
        xcoms: dict[str, dict[str, Any]] = {}
        for task, key, value in self.query(f"SELECT task_id, key, value FROM xcom {where}", dag, run_id):
            xcoms.setdefault(task, {})[key] = json.loads(value) if isinstance(value, str) else value
        return Run(run_id, state, {t: s for t, s, _ in tasks}, {t: n for t, _, n in tasks}, xcoms)

    def query(self, statement: str, *values: object) -> Sequence[Any]:
        with closing(sqlite3.connect(self.path / "airflow.db", timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def close(self) -> None:
        for started in self._started:
            if started.process.poll() is None:
                started.process.kill()
            started.process.wait()
            if started.process.stdin:
                started.process.stdin.close()
