"""Plans that expire, the cost card, and who approved what."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_DAY = 24 * 60 * 60 * 1000
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "sqlite_autoincrement": True,
}


def upgrade() -> None:
    op.add_column("esimgo_batches", sa.Column("valid_until", sa.BigInteger()))
    op.add_column("esimgo_batches", sa.Column("card", sa.Text()))
    # a plan that nobody began to buy is as old as it is
    op.execute(f"UPDATE esimgo_batches SET valid_until = planned_at + {_DAY}")  # noqa: S608 - a constant
    op.create_table(
        "esimgo_approvals",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("batch_key", _ID, nullable=False),
        sa.Column("request", sa.String(length=191), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("requester", sa.String(length=191)),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("choice", sa.String(length=16)),
        sa.Column("user_id", sa.String(length=191)),
        sa.Column("user_name", sa.String(length=191)),
        sa.Column("at", sa.BigInteger()),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(["account"], ["esimgo_accounts.account"]),
        sa.ForeignKeyConstraint(["batch_key"], ["esimgo_batches.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("batch_key", "request", name="esimgo_approval_request"),
        **_TABLE,
    )
