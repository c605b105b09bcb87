"""Finds the ledger: the connection `esimgo_ledger`, else `[esimgo] ledger_url`, else a SQLite file.

A SQLite ledger is one file on one machine: with an executor that runs tasks elsewhere it would be several
ledgers that know nothing of each other, and is refused.
"""

from typing import Any

from airflow.sdk import BaseHook
from sqlalchemy.engine import URL

from airflow_provider_esimgo.hooks.compat import AirflowNotFoundException
from airflow_provider_esimgo.hooks.home import airflow_home
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import LedgerUnavailable

LEDGER_CONN_ID = "esimgo_ledger"
_DISTRIBUTED = ("Celery", "Kubernetes", "Edge", "Batch", "Ecs")
_BACKENDS = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}


def open_ledger_database() -> Database:
    """Open the ledger that this Airflow is configured for, and check its schema."""
    url = ledger_url()
    if url.startswith("sqlite"):
        refuse_sqlite_if_distributed(executors())
    return Database.open(url)


def ledger_url() -> str:
    """The SQLAlchemy URL of the ledger. It may hold a password: never log it."""
    try:
        connection = BaseHook.get_connection(LEDGER_CONN_ID)
    except AirflowNotFoundException:
        return _option("esimgo", "ledger_url") or f"sqlite:///{airflow_home() / 'esimgo-ledger.db'}"
    return connection_url(connection)


def connection_url(connection: Any) -> str:
    """The SQLAlchemy URL that an Airflow connection means."""
    backend = _BACKENDS.get(connection.conn_type)
    if backend is None:
        raise LedgerUnavailable(
            f"Connection {LEDGER_CONN_ID!r} is of type {connection.conn_type!r}, which cannot hold the ledger. "
            "Nothing was sent. Use type postgres, mysql or sqlite."
        )
    if backend == "sqlite":
        return f"sqlite:///{connection.host}"
    return URL.create(
        backend,
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port or None,
        database=connection.schema or None,
    ).render_as_string(hide_password=False)


def refuse_sqlite_if_distributed(executor_names: str) -> None:
    """Raise `LedgerUnavailable` when tasks may run on other machines than the SQLite file's."""
    for name in _DISTRIBUTED:
        if name.lower() in executor_names.lower():
            raise LedgerUnavailable(
                f"The executor {executor_names!r} may run tasks on other machines, where a SQLite ledger would not "
                "be the same ledger. Nothing was sent. Set the Airflow connection 'esimgo_ledger' (or [esimgo] "
                "ledger_url) to a PostgreSQL or MySQL database and run: airflow esimgo ledger upgrade"
            )


def executors() -> str:
    """The executors that Airflow is configured with."""
    return _option("core", "executor") or ""


def _option(section: str, key: str) -> str | None:
    from airflow.configuration import conf  # noqa: PLC0415 - reading the configuration is slow: only when asked

    return conf.get(section, key, fallback=None)
