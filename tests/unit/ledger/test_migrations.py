"""The tables that Alembic makes are the tables that the code knows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from airflow_provider_esimgo.ledger import migrations
from airflow_provider_esimgo.ledger.approval import approvals_of
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.migrations import HEAD, OLDER, VERSION_TABLE, current_version
from airflow_provider_esimgo.ledger.schema import metadata
from airflow_provider_esimgo.ledger.store import Ledger


def ours(name, kind, _parents):
    """SQLite's own tables are not ours; SQLAlchemy 1.4 tells of them."""
    return kind != "table" or not name.startswith("sqlite_")


def test_migrated_tables_are_the_schemas(bench):
    with bench.database.engine.connect() as connection:
        opts = {"version_table": VERSION_TABLE, "include_name": ours}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_the_versions_end_at_head():
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", next(iter(migrations.__path__)))
    script = ScriptDirectory.from_config(config)
    known = [revision.revision for revision in script.walk_revisions()]
    assert script.get_heads() == [HEAD]
    assert set(OLDER) == {None, *known} - {HEAD}


def test_an_empty_database_has_no_version(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    assert current_version(engine) is None
    engine.dispose()


def test_upgrading_twice_is_once(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrations.upgrade(database.engine)
    assert current_version(database.engine) == HEAD
    with database.read() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {VERSION_TABLE}")).scalar() == 1


@pytest.fixture
def first_ledger(tmp_path):
    """A ledger of schema 0001 with a batch in it that nobody began."""
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}", future=True)
    config = Config()
    config.set_main_option("script_location", next(iter(migrations.__path__)))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO esimgo_accounts VALUES ('a', 'USD', NULL, 0, 0, '[]')"))
        connection.execute(
            text(
                "INSERT INTO esimgo_batches VALUES (7, 'a', 'b', 'b.csv', 'c', 'c', 'h', 'USD', '4.08', 1, 3, 1, 1000)"
            )
        )
    engine.dispose()
    return tmp_path / "ledger.db"


def test_a_ledger_of_the_first_version_is_upgraded_on_first_use_and_keeps_what_it_knows(first_ledger):
    database = Database.open(f"sqlite:///{first_ledger}")
    assert current_version(database.engine) == HEAD
    batch = Ledger(database).batch("a", "b")
    assert (batch.key, batch.plan_hash, batch.total, batch.planned_at) == (7, "h", Decimal("4.08"), 1000)
    assert (batch.valid_until, batch.card) == (1000 + 86_400_000, None), "it was valid for a day"
    assert approvals_of(Ledger(database), batch) == []
    with database.engine.connect() as connection:
        opts = {"version_table": VERSION_TABLE, "include_name": ours}
        assert compare_metadata(MigrationContext.configure(connection, opts=opts), metadata) == []
    database.close()


def test_every_table_and_constraint_is_ours_by_name(table_names):
    assert all(name.startswith("esimgo_") for name in [*table_names, VERSION_TABLE])


def test_ids_of_deleted_rows_are_not_given_out_again(bench):
    with bench.database.read() as connection:
        made = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE name IN ('esimgo_orders', 'esimgo_units')")
        ).scalars()
        assert all("AUTOINCREMENT" in sql for sql in made)
