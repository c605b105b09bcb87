"""The first ledger."""

from alembic import op

from airflow_provider_esimgo.ledger.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
