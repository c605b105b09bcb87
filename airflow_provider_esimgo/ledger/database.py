"""Opens the ledger's database and hands out transactions.

Every write is one short transaction that commits or leaves no trace; no transaction is ever open while the
vendor is being called. Time comes from the database, so that all workers share one clock.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, create_engine, event, select
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.expression import ColumnElement

from airflow_provider_esimgo.ledger import migrations
from airflow_provider_esimgo.ledger.errors import LedgerSchemaMismatch, LedgerUnavailable

_SQLITE_BUSY_SECONDS = 60
_LOCK_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


if TYPE_CHECKING:
    _IntegerElement = ColumnElement[int]
else:
    _IntegerElement = ColumnElement  # SQLAlchemy 1.4 has no generic one


class database_now(_IntegerElement):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock in UTC milliseconds since 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _now_sqlite(_element: Any, _compiler: Any, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(database_now, "postgresql")
def _now_postgresql(_element: Any, _compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(database_now, "mysql")
@compiles(database_now, "mariadb")
def _now_mysql(_element: Any, _compiler: Any, **_: Any) -> str:
    return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"


class Database:
    """One ledger database. Safe to share between threads; each process opens its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open the ledger at a SQLAlchemy URL and check its schema.

        A SQLite ledger is created or upgraded on first use; any other is upgraded by hand with
        `airflow esimgo ledger upgrade`, since other deployments may share it.

        Raises:
            LedgerUnavailable: it cannot be reached; nothing was sent.
            LedgerSchemaMismatch: its tables are older or newer than this package.
        """
        database = cls.connect(url)
        database.check_schema()
        return database

    @classmethod
    def connect(cls, url: str) -> "Database":
        """Open the ledger's database whatever its schema is; for upgrading it."""
        try:
            parsed = _with_driver(make_url(url))
            if parsed.get_backend_name() == "sqlite":
                return cls(_sqlite_engine(parsed))
            return cls(
                create_engine(parsed, future=True, pool_pre_ping=True, isolation_level="READ COMMITTED")
            )
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise LedgerUnavailable(
                f"The ledger's address cannot be used: {error}. Nothing was sent. "
                "Set the Airflow connection 'esimgo_ledger' or the option [esimgo] ledger_url to a SQLAlchemy URL "
                "of SQLite, PostgreSQL or MySQL, and install its driver."
            ) from None

    def upgrade(self) -> str:
        """Bring the tables to this package's version; tells what was done."""
        try:
            before = migrations.current_version(self.engine)
            if before == migrations.HEAD:
                return f"The ledger at {self.address} already has schema {before}."
            if before in migrations.OLDER:
                migrations.upgrade(self.engine)
                return f"The ledger at {self.address} was brought from schema {before or 'none'} to {migrations.HEAD}."
        except SQLAlchemyError as error:
            raise self.unavailable(error) from error
        raise self._too_new(before)

    @property
    def address(self) -> str:
        """Where the ledger is, without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def check_schema(self) -> None:
        """Create or upgrade a SQLite ledger; refuse any other whose version differs."""
        try:
            version = migrations.current_version(self.engine)
            if version == migrations.HEAD:
                return
            if self.engine.dialect.name == "sqlite" and version in migrations.OLDER:
                migrations.upgrade(self.engine)
                return
        except SQLAlchemyError as error:
            raise self.unavailable(error) from error
        if version in migrations.OLDER:
            raise LedgerSchemaMismatch(
                f"The ledger at {self.address} has schema {version or 'none'}, this package needs "
                f"{migrations.HEAD}. Nothing was sent. Run: airflow esimgo ledger upgrade"
            )
        raise self._too_new(version)

    def _too_new(self, version: str | None) -> LedgerSchemaMismatch:
        return LedgerSchemaMismatch(
            f"The ledger at {self.address} has schema {version}, which this package does not know: a newer "
            f"package has upgraded it (this one knows up to {migrations.HEAD}). Nothing was sent. "
            "Upgrade airflow-provider-esimgo on this machine."
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or rolls back when it raises."""
        with self._connected(write=True) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction for reading."""
        with self._connected(write=False) as connection:
            yield connection

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect() as opened:
                connection = opened.execution_options(esimgo_write=write)
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            if error.connection_invalidated or _is_operational(error):
                raise self.unavailable(error) from error
            raise

    def now(self, connection: Connection) -> int:
        """The database's clock in UTC milliseconds since 1970."""
        return int(connection.execute(select(database_now())).scalar_one())

    def unavailable(self, error: Exception) -> LedgerUnavailable:
        """What to raise when the database does not answer or may not be written."""
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return LedgerUnavailable(
            f"The ledger at {self.address} cannot be used: {cause}. Without it nothing is sent. "
            "Check that the database runs, that its disk is not full, and that this user may write to it."
        )

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


_MAY_NOT = "42501"  # PostgreSQL's code for a missing privilege, which drivers count among programming errors


def _is_operational(error: DBAPIError) -> bool:
    code = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    return code == _MAY_NOT or type(error).__name__ in {"OperationalError", "InternalError", "InterfaceError"}


def _patiently(execute: Callable[[str], object], statement: str) -> None:
    """Execute what changes nothing yet; SQLite answers some locks at once, without minding its timeout."""
    for wait in _LOCK_WAITS:
        try:
            execute(statement)
        except (sqlite3.OperationalError, OperationalError) as error:
            if "locked" not in str(error):
                raise
            time.sleep(wait)
        else:
            return
    execute(statement)


#: Which driver is taken for a URL that names none: the first that is installed.
_DRIVERS = {
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"MySQLdb": "mysqldb", "pymysql": "pymysql"},
    "mariadb": {"MySQLdb": "mysqldb", "pymysql": "pymysql"},
}


def _with_driver(url: URL) -> URL:
    for module, driver in _DRIVERS.get(url.drivername, {}).items():
        if find_spec(module) is not None:
            return url.set(drivername=f"{url.drivername}+{driver}")
    return url


def _sqlite_engine(url: URL) -> Engine:
    path = url.database
    if not path or ":memory:" in path or url.query.get("mode") == "memory":
        raise LedgerUnavailable(
            "The ledger cannot live in memory: it would forget what was bought. Nothing was sent. "
            "Give a file, for example sqlite:////var/lib/airflow/esimgo-ledger.db"
        )
    try:
        if not path.startswith("file:"):  # a URI names a file that is there
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(
            f"The ledger's folder {Path(path).parent} cannot be made: {error.strerror}. Nothing was sent. "
            "Check the path in [esimgo] ledger_url and the rights of Airflow's user."
        ) from None
    engine = create_engine(
        url,
        future=True,
        poolclass=QueuePool,
        connect_args={"timeout": _SQLITE_BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # BEGIN is ours, see below
        cursor = dbapi_connection.cursor()
        _patiently(cursor.execute, "PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a committed intent survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a reader that turns writer would fail instead of waiting
        write = connection.get_execution_options().get("esimgo_write", True)
        _patiently(connection.exec_driver_sql, "BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
