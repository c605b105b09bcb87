"""The ledger's tables. SQLAlchemy Core that runs on 1.4 and 2.x, on SQLite, PostgreSQL, MySQL and MariaDB.

Times are UTC milliseconds since 1970 by the database's clock; money is text in canonical decimal form.
No activation code, matching id, PIN, PUK, API key, name or e-mail address has a column here.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only INTEGER keys


def _table(name: str, *items: SchemaItem) -> Table:
    # MySQL compares text without regard to case by default; bundle names and ids differ by case.
    # SQLite gives the id of a deleted row out again by default; a renewed plan's orders must not be mistaken
    # for the old ones by a worker that read those.
    return Table(
        name,
        metadata,
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        sqlite_autoincrement=True,
    )


accounts = _table(
    "esimgo_accounts",
    Column("account", String(191), primary_key=True),
    Column("currency", String(8), nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("next_order_at", BigInteger, nullable=False, default=0),
    Column("source_addresses", Text, nullable=False, default="[]"),  # JSON list, learned from placed orders
)

batches = _table(
    "esimgo_batches",
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("account", String(191), ForeignKey("esimgo_accounts.account"), nullable=False),
    Column("batch_id", String(191), nullable=False),
    Column("manifest", String(255), nullable=False),
    Column("content_hash", String(64), nullable=False),
    # the content's hash, mixed with the batch id where a repeat was allowed: the constraint is the guard
    Column("content_key", String(64), nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("total", String(40), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("unit_count", Integer, nullable=False),
    Column("order_count", Integer, nullable=False),
    Column("planned_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger),  # the last moment to begin buying it; none is no end
    Column("card", Text),  # JSON: what the approver is shown
    UniqueConstraint("account", "batch_id", name="esimgo_batch_id"),
    UniqueConstraint("account", "content_key", name="esimgo_batch_content_once"),
)
Index("esimgo_batch_content", batches.c.account, batches.c.content_hash)

orders = _table(
    "esimgo_orders",
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("account", String(191), ForeignKey("esimgo_accounts.account"), nullable=False),
    Column("batch_key", _ID, ForeignKey("esimgo_batches.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("owner", String(64)),
    Column("lines", Text, nullable=False),  # canonical JSON of what is asked for
    Column("total", String(40), nullable=False),  # as planned, and approved
    Column("due", String(40), nullable=False),  # as last quoted: what the vendor will charge
    Column("balance_before", String(40)),
    Column("sent_at", BigInteger),  # intent committed
    Column("unknown_at", BigInteger),  # settle counts from here
    Column("looks", Integer, nullable=False, default=0),
    Column("reference", String(64)),
    Column("message", Text),  # the last word about this order, for people
    UniqueConstraint("batch_key", "number", name="esimgo_order_number"),
    UniqueConstraint("account", "reference", name="esimgo_order_reference"),  # claimed by one order only
)
Index("esimgo_order_state", orders.c.account, orders.c.state)

units = _table(
    "esimgo_units",
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("batch_key", _ID, ForeignKey("esimgo_batches.id"), nullable=False),
    Column("number", Integer, nullable=False),
    # one row a unit, one order a row: a unit cannot be in two orders
    Column("order_key", _ID, ForeignKey("esimgo_orders.id"), nullable=False),
    Column("manifest_row", Integer, nullable=False),
    Column("recipient_ref", String(64), nullable=False),
    Column("bundle", String(191), nullable=False),
    Column("topped_up", String(32)),  # the ICCID the manifest asked to top up
    Column("cost_centre", String(191)),
    Column("country", String(2)),
    Column("install_by", String(10)),
    Column("price", String(40), nullable=False),
    Column("iccid", String(32)),  # the eSIM it is on
    Column("milestone", String(16)),
    Column("milestone_at", BigInteger),
    UniqueConstraint("batch_key", "number", name="esimgo_unit_number"),
)
Index("esimgo_unit_order", units.c.order_key)
Index("esimgo_unit_iccid", units.c.iccid)

strays = _table(
    "esimgo_strays",  # references at the vendor that no order may adopt
    Column("account", String(191), ForeignKey("esimgo_accounts.account"), primary_key=True),
    Column("reference", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # foreign: somebody else's · duplicate: ours, bought twice
    Column("order_key", _ID, ForeignKey("esimgo_orders.id")),
    Column("at", BigInteger, nullable=False),
)

approvals = _table(
    "esimgo_approvals",  # one row for each time a person was asked; answered once
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("account", String(191), ForeignKey("esimgo_accounts.account"), nullable=False),
    Column("batch_key", _ID, ForeignKey("esimgo_batches.id"), nullable=False),
    Column("request", String(191), nullable=False),  # who asks: an Airflow task try
    Column("plan_hash", String(64), nullable=False),  # what was asked about
    Column("requester", String(191)),  # who started the run
    Column("asked_at", BigInteger, nullable=False),
    Column("choice", String(16)),
    Column("user_id", String(191)),
    Column("user_name", String(191)),
    Column("at", BigInteger),
    Column("note", Text),
    UniqueConstraint("batch_key", "request", name="esimgo_approval_request"),
)

deliveries = _table(
    "esimgo_deliveries",  # one row for each unit whose code was, or may have been, handed to its recipient
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("unit_key", _ID, ForeignKey("esimgo_units.id"), nullable=False),
    Column("channel", String(16), nullable=False),  # email
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("message_id", String(191), nullable=False),  # the e-mail's own, to find it in a mail server's log
    Column("begun_at", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),  # of the state
    Column("answer", String(191)),  # the mail server's status codes; no address, no name
    UniqueConstraint("unit_key", "channel", name="esimgo_delivery_once"),
)

events = _table(
    "esimgo_events",  # append-only
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("account", String(191), nullable=False),
    Column("batch_key", _ID),
    Column("order_key", _ID),
    Column("kind", String(32), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16)),
    Column("attempt", Integer),
    Column("actor", Text, nullable=False),  # JSON: dag, run, task, try, host, user
    Column("evidence", Text, nullable=False),  # JSON
)
Index("esimgo_event_order", events.c.order_key)
Index("esimgo_event_batch", events.c.batch_key)
