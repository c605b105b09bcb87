"""The ledger's schema versions, run by Alembic.

A version is never edited once released; a new one is added to `versions/` and its number becomes HEAD.
"""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Engine

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every plug-in it looks at

VERSION_TABLE = "esimgo_schema_version"
HEAD = "0003"
#: Versions this package can upgrade; None is an empty database.
OLDER: frozenset[str | None] = frozenset({None, "0001", "0002"})


def current_version(engine: Engine) -> str | None:
    """The schema version of the database, or None where there is no ledger yet."""
    with engine.connect() as connection:
        return MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE}
        ).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Bring the tables to HEAD in one transaction (on MySQL: in one statement after another)."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
