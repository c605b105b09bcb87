"""The tables that Alembic makes are the tables that the code knows."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from airflow_provider_esimgo.ledger import migrations
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.migrations import HEAD, OLDER, VERSION_TABLE, current_version
from airflow_provider_esimgo.ledger.schema import metadata


def ours(name, kind, _parents):
    """SQLite's own tables are not ours; SQLAlchemy 1.4 tells of them."""
    return kind != "table" or not name.startswith("sqlite_")


def test_migrated_tables_are_the_schemas(bench):
    with bench.database.engine.connect() as connection:
        opts = {"version_table": VERSION_TABLE, "include_name": ours}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_the_versions_end_at_head():
    from alembic.config import Config  # noqa: PLC0415
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


def test_every_table_and_constraint_is_ours_by_name(table_names):
    assert all(name.startswith("esimgo_") for name in [*table_names, VERSION_TABLE])


def test_ids_of_deleted_rows_are_not_given_out_again(bench):
    with bench.database.read() as connection:
        made = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE name IN ('esimgo_orders', 'esimgo_units')")
        ).scalars()
        assert all("AUTOINCREMENT" in sql for sql in made)
