"""What was bought, found from any end: by batch, by the vendor's order, by eSIM, by recipient.

Reads the ledger only. A holding is one unit with the batch and the order it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from airflow_provider_esimgo.api.profiles import chunks
from airflow_provider_esimgo.ledger.errors import UnknownBatch
from airflow_provider_esimgo.ledger.records import Batch, Unit
from airflow_provider_esimgo.ledger.schema import batches, orders, units
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger

_CHUNK = 500  # values in one IN (...)


@dataclass(frozen=True)
class Holding:
    """A unit, the batch it was asked for in, and the vendor's order that bought it."""

    unit: Unit
    batch_key: int
    batch_id: str
    reference: str | None


@dataclass(frozen=True)
class Selection:
    """Which units are meant: exactly one of a batch, order references, ICCIDs and recipients."""

    batch_id: str | None = None
    references: Sequence[str] = ()
    iccids: Sequence[str] = ()
    recipients: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        given = [bool(one) for one in (self.batch_id, self.references, self.iccids, self.recipients)]
        if sum(given) != 1:
            raise ValueError("name one: a batch, order references, ICCIDs or recipients")

    @property
    def words(self) -> str:
        """What is meant, for people; no recipient."""
        if self.batch_id:
            return f"batch {self.batch_id!r}"
        kind, values = (
            ("order", self.references)
            if self.references
            else ("eSIM", self.iccids)
            if self.iccids
            else ("recipient", ())
        )
        if not values:
            return f"{len(self.recipients)} recipient{'s' if len(self.recipients) > 1 else ''}"
        return f"{kind} {values[0]}" + (f" and {len(values) - 1} more" if len(values) > 1 else "")


def holdings_of_batch(ledger: Ledger, batch: Batch) -> list[Holding]:
    """Every unit of a batch, but for orders that the vendor refused; all others must have their eSIM.

    Raises:
        UnknownBatch: not everything of the batch is bought yet.
    """
    refused = orders.c.state == OrderState.REJECTED.value
    found = list(_read(ledger, (units.c.batch_key == batch.key) & ~refused))
    missing = sum(1 for holding in found if holding.unit.iccid is None)
    if missing:
        raise UnknownBatch(
            f"{missing} of the {len(found)} units of batch {batch.batch_id!r} have no eSIM yet. Nothing was sent. "
            "Run EsimGoPlaceOrdersOperator for it to the end first."
        )
    return found


def holdings_by_reference(ledger: Ledger, account: str, references: Sequence[str]) -> list[Holding]:
    """Every unit that these orders of the vendor bought."""
    return _among(ledger, account, orders.c.reference, references)


def holdings_by_iccid(ledger: Ledger, account: str, iccids: Sequence[str]) -> list[Holding]:
    """Every unit that is on one of these eSIMs."""
    return _among(ledger, account, units.c.iccid, iccids)


def holdings_by_recipient(ledger: Ledger, account: str, recipients: Sequence[str]) -> list[Holding]:
    """Every unit of these recipients that has its eSIM."""
    found = _among(ledger, account, units.c.recipient_ref, recipients)
    return [holding for holding in found if holding.unit.iccid]


def _among(ledger: Ledger, account: str, column: Any, values: Sequence[str]) -> list[Holding]:
    distinct = sorted(set(values))
    found: list[Holding] = []
    for part in chunks(distinct, _CHUNK):
        found += _read(ledger, (batches.c.account == account) & column.in_(part))
    return sorted(found, key=lambda holding: holding.unit.key)


def _read(ledger: Ledger, condition: Any) -> Iterator[Holding]:
    query = (
        select(units, batches.c.batch_id, orders.c.reference)
        .join(orders, orders.c.id == units.c.order_key)
        .join(batches, batches.c.id == units.c.batch_key)
        .where(condition)
        .order_by(units.c.batch_key, units.c.number)
    )
    with ledger.database.read() as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        yield Holding(Unit.from_row(row), row["batch_key"], row["batch_id"], row["reference"])
