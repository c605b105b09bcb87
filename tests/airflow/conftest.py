"""Airflow reads AIRFLOW_HOME when it is imported: this file gives it a throw-away one before anything imports it."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from airflow_lab.home import LAB_DAGS, SAMPLE_DAGS, Home, bare_environment, migrate, settings_of

if "airflow" in sys.modules:  # it lives in the developer's home by now
    raise pytest.UsageError(
        "something imported airflow before tests/airflow/conftest.py: run tests/airflow first"
    )

HOME = Path(tempfile.mkdtemp(prefix="esimgo-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for name in os.environ.keys() - bare_environment().keys():
    del os.environ[name]
os.environ.update(settings_of(HOME))

from airflow_lab.desk import Desk  # noqa: E402

from airflow_provider_esimgo.__main__ import build_parser  # noqa: E402
from airflow_provider_esimgo.api import EsimGoClient  # noqa: E402
from airflow_provider_esimgo.hooks.kit import collect_kit  # noqa: E402
from airflow_provider_esimgo.sandbox.server import SandboxServer  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def airflow_home() -> Path:
    """The home of this process, with a migrated database."""
    migrate(HOME)
    return HOME


@pytest.fixture(scope="session")
def template(airflow_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as it was before any test used it."""
    place = tmp_path_factory.mktemp("template")
    shutil.copy(airflow_home / "airflow.db", place)
    config = (airflow_home / "airflow.cfg").read_text().replace(str(airflow_home), str(place))
    (place / "airflow.cfg").write_text(config)
    return place


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A local eSIM Go whose books agree with themselves at the end."""
    with SandboxServer(rate_limit=None) as server:
        yield server
        assert server.books()["balanced"]


@pytest.fixture
def desk(sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The operators in this process, without a DAG run: a connection, a ledger and a folder."""
    monkeypatch.setenv("AIRFLOW__ESIMGO__LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    desk = Desk(sandbox, tmp_path, monkeypatch.setenv)
    desk.connect()
    return desk


OpenHome = Callable[..., Home]


@pytest.fixture
def open_home(template: Path, tmp_path: Path) -> Iterator[OpenHome]:
    """A real Airflow of its own: `open_home(sandbox, settle_seconds=1)`; `dags` names another DAG folder."""
    homes: list[Home] = []

    def open_it(server: SandboxServer, *, dags: Path = SAMPLE_DAGS, **extra: Any) -> Home:
        connection = Desk.connection(server, seconds_between_orders=0, **extra)
        home = Home.copied(template, tmp_path / f"home-{len(homes) + 1}", connection, dags)
        homes.append(home)
        return home

    yield open_it
    for home in homes:
        home.close()


@pytest.fixture
def home(open_home: OpenHome, sandbox: SandboxServer) -> Home:
    """An Airflow whose DAG is `retried`: orders of two units, retries without delay."""
    return open_home(sandbox, dags=LAB_DAGS, max_units_per_order=2, settle_seconds=1)


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Describe a connection in the environment: `set_connection("esimgo_ledger", conn_type="sqlite", host=…)`."""

    def set_it(conn_id: str, **parts: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(parts))

    return set_it


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in this process; returns what it printed to stdout."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # the commands set it: put it back afterwards

    def run(*words: str) -> str:
        capsys.readouterr()
        arguments = build_parser().parse_args(words)
        arguments.func(arguments)
        return capsys.readouterr().out

    return run


@pytest.fixture
def instant_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again, is tried again at once."""
    for waits in (EsimGoClient.__init__, collect_kit):
        assert waits.__kwdefaults__ is not None
        monkeypatch.setitem(waits.__kwdefaults__, "sleep", lambda _seconds: None)
