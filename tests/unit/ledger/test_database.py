"""A ledger that cannot be used says so, says that nothing was sent, and says what to do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from airflow_provider_esimgo.ledger import database as database_module
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import (
    LedgerSchemaMismatch,
    LedgerUnavailable,
    NothingSent,
)
from airflow_provider_esimgo.ledger.migrations import HEAD, VERSION_TABLE
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.store import Ledger


def url(file):
    return f"sqlite:///{file}"


def opened(file):
    database = Database.open(url(file))
    database.close()
    return file


def test_a_new_ledger_is_made_with_its_folder(tmp_path):
    file = opened(tmp_path / "not" / "there" / "yet" / "ledger.db")
    assert file.exists()
    opened(file)


def test_a_commit_survives_a_power_cut(tmp_path):
    database = Database.open(url(tmp_path / "ledger.db"))
    with database.read() as connection:
        told = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert told == ["wal", 2, 1]


@pytest.mark.parametrize(
    "address",
    ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:", "sqlite:///file::memory:?uri=true"],
)
def test_a_ledger_in_memory_is_refused(address):
    with pytest.raises(LedgerUnavailable, match=r"cannot live in memory.*Nothing was sent.*Give a file"):
        Database.open(address)


@pytest.mark.parametrize(
    "address",
    [
        "not a url",
        "nosuchdb://host/name",
        "postgresql+nosuchdriver://host/name",
        "mysql+aiomysqlx://host/name",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_the_cure(address):
    with pytest.raises(
        LedgerUnavailable, match=r"Nothing was sent.*\[esimgo\] ledger_url.*install its driver"
    ):
        Database.open(address)


def test_a_database_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(LedgerUnavailable) as refused:
        Database.open("postgresql+psycopg2://user:s3cret@127.0.0.1:1/ledger?connect_timeout=2")
    assert "s3cret" not in str(refused.value)
    assert "127.0.0.1:1/ledger" in str(refused.value)
    assert "Without it nothing is sent" in str(refused.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerUnavailable, match=r"folder .*cannot be made.*Nothing was sent"):
        Database.open(url(tmp_path / "file" / "ledger.db"))


def test_a_folder_instead_of_a_file_is_refused(tmp_path):
    with pytest.raises(LedgerUnavailable, match="unable to open database file"):
        Database.open(url(tmp_path))


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_text("recipient_ref,bundle\n" * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        Database.open(url(tmp_path / "ledger.db"))


def test_a_read_only_ledger_refuses_the_first_write(tmp_path):
    """By its own mode: where the tests run as root, a file's permissions mean nothing."""
    file = opened(tmp_path / "ledger.db")
    database = Database.open(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(LedgerUnavailable, match=r"readonly database.*may write to it") as refused:
        Ledger(database).ensure_account("a", "USD")
    assert isinstance(refused.value, NothingSent)
    assert not Path("file:").exists(), "no folder of that name is made"


def test_a_purchase_on_a_read_only_ledger_sends_nothing(bench):
    batch = bench.plan()
    bench.database.engine.dispose()
    read_only = type(bench.database).open(f"sqlite:///file:{bench.file}?mode=ro&uri=true")
    read_only.clock = bench.clock
    with pytest.raises(LedgerUnavailable, match="Without it nothing is sent"):
        place_batch(bench.client, Ledger(read_only), batch, bench.policy, sleep=bench.clock.sleep)
    assert bench.server.orders() == []


def test_a_missing_privilege_is_an_unavailable_ledger(bench):
    """PostgreSQL's drivers count it among programming errors."""

    class Denied(Exception):
        pgcode = "42501"

    with (
        pytest.raises(LedgerUnavailable, match=r"permission denied.*may write to it"),
        bench.database.write(),
    ):
        raise ProgrammingError("UPDATE", {}, Denied("permission denied for table esimgo_orders"))


def test_our_own_mistakes_are_not_blamed_on_the_database(bench):
    with pytest.raises(ProgrammingError), bench.database.write():
        raise ProgrammingError("SELEKT", {}, Exception("syntax error"))


def test_a_write_is_undone_when_its_block_fails(bench):
    bench.ledger.ensure_account("a", "USD")

    def fail_halfway():
        with bench.database.write() as connection:
            connection.execute(text("DELETE FROM esimgo_accounts"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    with bench.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM esimgo_accounts")).scalar() == 1


def test_the_clock_is_in_utc_milliseconds(bench):
    plain = Database(bench.database.engine)
    with plain.read() as connection:
        now = plain.now(connection)
        assert abs(now / 1000 - float(connection.execute(text("SELECT strftime('%s', 'now')")).scalar())) < 2


# ---- versions ---------------------------------------------------------------------------------------------


def set_version(file, version):
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (version,))
    connection.close()


def test_a_newer_ledger_is_refused_with_the_cure(tmp_path):
    file = opened(tmp_path / "ledger.db")
    set_version(file, "9999")
    with pytest.raises(LedgerSchemaMismatch) as refused:
        Database.open(url(file))
    told = str(refused.value)
    assert "9999" in told
    assert f"up to {HEAD}" in told
    assert "Nothing was sent. Upgrade airflow-provider-esimgo on this machine" in told


def test_another_databases_older_ledger_is_refused_with_the_command(tmp_path, monkeypatch):
    """Only SQLite is upgraded by itself: other deployments may share any other."""
    file = opened(tmp_path / "ledger.db")
    database = Database.open(url(file))
    with database.write() as connection:
        connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
    monkeypatch.setattr(database.engine.dialect, "name", "postgresql")
    with pytest.raises(LedgerSchemaMismatch, match=r"has schema none.*Run: airflow esimgo ledger upgrade"):
        database.check_schema()


OPEN = """
import sys, time
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.store import Ledger
print("ready", flush=True)
sys.stdin.readline()
database = Database.open(sys.argv[1])
Ledger(database).ensure_account("shared", "USD")
print("done", flush=True)
"""


def test_several_processes_may_open_a_new_ledger_at_once(tmp_path):
    address = url(tmp_path / "ledger.db")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (out, process.returncode) == ("done\n", 0), err


def test_a_lock_that_sqlite_tells_at_once_is_waited_for(monkeypatch):
    monkeypatch.setattr(database_module, "_LOCK_WAITS", (0, 0))
    answers = [sqlite3.OperationalError("database is locked")] * 2

    def execute(_statement):
        if answers:
            raise answers.pop()

    database_module._patiently(execute, "BEGIN")
    assert not answers
    answers += [sqlite3.OperationalError("database is locked")] * 3
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        database_module._patiently(execute, "BEGIN")


def test_any_other_error_of_sqlite_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(database_module, "_LOCK_WAITS", (0, 0))
    tried = []

    def execute(statement):
        tried.append(statement)
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError, match="disk"):
        database_module._patiently(execute, "BEGIN")
    assert tried == ["BEGIN"]
