"""Throwaway ledgers on SQLite, PostgreSQL and MariaDB.

Each test gets a database of its own, dropped at its end. A service that cannot be reached skips the test,
or fails it where `ESIMGO_REQUIRE_SERVICES=1` says that it has to be there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from airflow_provider_esimgo.ledger import migrations

SERVERS = {
    "postgresql": os.environ.get(
        "ESIMGO_TEST_POSTGRESQL", "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres"
    ),
    "mariadb": os.environ.get("ESIMGO_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
}

_CUT = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()",
        "SELECT pg_terminate_backend({})",
    ),
    "mariadb": ("SELECT id FROM information_schema.processlist WHERE db = :name", "KILL {}"),
}


@contextmanager
def throwaway_ledger(kind: str, folder: Path, *, upgraded: bool = True) -> Iterator[str]:
    """The URL of an empty ledger of its own."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ledger.db'}"
        return
    server = _server(kind)
    name = f"esimgo_test_{uuid.uuid4().hex[:12]}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.url.set(database=name)
    try:
        if upgraded:
            engine = create_engine(url)
            migrations.upgrade(engine)
            engine.dispose()
        yield url.render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{force}"))
        server.dispose()


def _server(kind: str) -> Engine:
    engine = create_engine(SERVERS[kind], isolation_level="AUTOCOMMIT")
    try:
        engine.connect().close()
    except OperationalError as error:
        reason = f"no {kind} at {engine.url.render_as_string()}: {str(error.orig).strip().splitlines()[0]}"
        if os.environ.get("ESIMGO_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{reason}, and ESIMGO_REQUIRE_SERVICES=1", pytrace=False)
        pytest.skip(reason)
    return engine


class Outage:
    """Trouble for one throwaway ledger on a server, made from outside of it."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.name = url.rpartition("/")[2]
        self._server = _server(kind)

    def cut_connections(self) -> int:
        """End every session on the ledger, as a restart of the server does; tells how many."""
        listed, kill = _CUT[self.kind]
        with self._server.connect() as connection:
            sessions = list(connection.execute(text(listed), {"name": self.name}).scalars())
            for session in sessions:
                connection.execute(text(kill.format(session)))
            return len(sessions)

    def refuse(self) -> None:
        """Nobody gets in any more (PostgreSQL)."""
        self._allow(False)
        self.cut_connections()

    def recover(self) -> None:
        """Everybody gets in again (PostgreSQL)."""
        self._allow(True)

    def _allow(self, allowed: bool) -> None:
        with self._server.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS {allowed}"))

    def close(self) -> None:
        self._server.dispose()
