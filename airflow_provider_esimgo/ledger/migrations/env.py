"""What Alembic runs for each migration; it gets an open connection and keeps its version in a table of our own."""

from alembic import context

from airflow_provider_esimgo.ledger.migrations import VERSION_TABLE
from airflow_provider_esimgo.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction is the one
)
context.run_migrations()
