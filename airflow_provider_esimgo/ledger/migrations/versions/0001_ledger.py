"""The first ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "sqlite_autoincrement": True,
}


def upgrade() -> None:
    op.create_table(
        "esimgo_accounts",
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("lease_owner", sa.String(length=64)),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("next_order_at", sa.BigInteger(), nullable=False),
        sa.Column("source_addresses", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
        **_TABLE,
    )
    op.create_table(
        "esimgo_events",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("batch_key", _ID),
        sa.Column("order_key", _ID),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("from_state", sa.String(length=16)),
        sa.Column("to_state", sa.String(length=16)),
        sa.Column("attempt", sa.Integer()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_TABLE,
    )
    op.create_index("esimgo_event_batch", "esimgo_events", ["batch_key"])
    op.create_index("esimgo_event_order", "esimgo_events", ["order_key"])
    op.create_table(
        "esimgo_batches",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("batch_id", sa.String(length=191), nullable=False),
        sa.Column("manifest", sa.String(length=255), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("content_key", sa.String(length=64), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("total", sa.String(length=40), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("unit_count", sa.Integer(), nullable=False),
        sa.Column("order_count", sa.Integer(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["esimgo_accounts.account"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "batch_id", name="esimgo_batch_id"),
        sa.UniqueConstraint("account", "content_key", name="esimgo_batch_content_once"),
        **_TABLE,
    )
    op.create_index("esimgo_batch_content", "esimgo_batches", ["account", "content_hash"])
    op.create_table(
        "esimgo_orders",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("batch_key", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64)),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("total", sa.String(length=40), nullable=False),
        sa.Column("due", sa.String(length=40), nullable=False),
        sa.Column("balance_before", sa.String(length=40)),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("unknown_at", sa.BigInteger()),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64)),
        sa.Column("message", sa.Text()),
        sa.ForeignKeyConstraint(["account"], ["esimgo_accounts.account"]),
        sa.ForeignKeyConstraint(["batch_key"], ["esimgo_batches.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "reference", name="esimgo_order_reference"),
        sa.UniqueConstraint("batch_key", "number", name="esimgo_order_number"),
        **_TABLE,
    )
    op.create_index("esimgo_order_state", "esimgo_orders", ["account", "state"])
    op.create_table(
        "esimgo_strays",
        sa.Column("account", sa.String(length=191), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("order_key", _ID),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["esimgo_accounts.account"]),
        sa.ForeignKeyConstraint(["order_key"], ["esimgo_orders.id"]),
        sa.PrimaryKeyConstraint("account", "reference"),
        **_TABLE,
    )
    op.create_table(
        "esimgo_units",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_key", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("order_key", _ID, nullable=False),
        sa.Column("manifest_row", sa.Integer(), nullable=False),
        sa.Column("recipient_ref", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=191), nullable=False),
        sa.Column("topped_up", sa.String(length=32)),
        sa.Column("cost_centre", sa.String(length=191)),
        sa.Column("country", sa.String(length=2)),
        sa.Column("install_by", sa.String(length=10)),
        sa.Column("price", sa.String(length=40), nullable=False),
        sa.Column("iccid", sa.String(length=32)),
        sa.Column("milestone", sa.String(length=16)),
        sa.Column("milestone_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["batch_key"], ["esimgo_batches.id"]),
        sa.ForeignKeyConstraint(["order_key"], ["esimgo_orders.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("batch_key", "number", name="esimgo_unit_number"),
        **_TABLE,
    )
    op.create_index("esimgo_unit_iccid", "esimgo_units", ["iccid"])
    op.create_index("esimgo_unit_order", "esimgo_units", ["order_key"])
