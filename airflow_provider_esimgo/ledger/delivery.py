"""Hands each unit's code to its recipient once: the same rule as for buying, with a mail server in the vendor's place.

Must stay true: what is about to be sent is committed before it is sent; a unit is claimed by one message at a time;
an outcome that nobody knows is a state, and is left only by a person. No address, name or code is written down.

    (none) ─ claimed ─> SENDING ─ accepted by the mail server ─> SENT
                           ├─ refused, or provably not sent ─> REFUSED   (the next run tries again)
                           └─ anything else, or the process is gone ─> UNKNOWN   (stays SENDING if it is gone)
    UNKNOWN, SENDING ─ a person: it arrived ─> SENT
    UNKNOWN, SENDING, SENT ─ a person: send another ─> ALLOWED   (the next run sends it)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.ledger.errors import DeliveredTwice
from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.ledger.schema import batches, deliveries, units
from airflow_provider_esimgo.ledger.store import Ledger

EMAIL = "email"


class DeliveryState(StrEnum):
    """Where a unit's delivery stands."""

    SENDING = "SENDING"
    SENT = "SENT"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    ALLOWED = "ALLOWED"


#: States from which a delivery may be sent.
OPEN = frozenset({DeliveryState.REFUSED, DeliveryState.ALLOWED})
#: How long a message may be under way before it counts as left behind by a process that is gone.
UNDER_WAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Delivery:
    """What became of handing over one unit."""

    unit_key: int
    unit_number: int
    recipient_ref: str
    account: str
    batch_id: str
    batch_key: int
    state: DeliveryState
    attempt: int
    message_id: str
    begun_at: int
    at: int
    answer: str | None
    read_at: int  # when the row was looked at, by the database's clock

    @property
    def under_way(self) -> bool:
        """Whether another process may be at it right now."""
        young = self.read_at - self.begun_at < UNDER_WAY.total_seconds() * 1000
        return self.state is DeliveryState.SENDING and young

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows if it arrived, and nobody is about to."""
        return self.state in (DeliveryState.UNKNOWN, DeliveryState.SENDING) and not self.under_way

    @classmethod
    def from_row(cls, row: Mapping[Any, Any], *, read_at: int) -> Self:
        """Read a row of the query below."""
        return cls(**{**row, "state": DeliveryState(row["state"]), "read_at": read_at})


def deliveries_of(ledger: Ledger, account: str, *, batch: Batch | None = None) -> list[Delivery]:
    """Every delivery that was begun, of a batch or of the whole account."""
    query = (
        select(
            deliveries.c.unit_key,
            units.c.number.label("unit_number"),
            units.c.recipient_ref,
            batches.c.account,
            batches.c.batch_id,
            batches.c.id.label("batch_key"),
            *(deliveries.c[name] for name in ("state", "attempt", "message_id", "begun_at", "at", "answer")),
        )
        .join(units, units.c.id == deliveries.c.unit_key)
        .join(batches, batches.c.id == units.c.batch_key)
        .where(batches.c.account == account, deliveries.c.channel == EMAIL)
        .order_by(units.c.batch_key, units.c.number)
    )
    if batch is not None:
        query = query.where(batches.c.id == batch.key)
    with ledger.database.read() as connection:
        now = ledger.database.now(connection)
        return [Delivery.from_row(row, read_at=now) for row in connection.execute(query).mappings()]


def claim(ledger: Ledger, batch: Batch, unit_keys: Sequence[int], *, message_id: str) -> bool:
    """Commit that one message is about to hand over these units: all of them, or none.

    Returns:
        Whether they are this message's now. They are not where another message has one of them.
    """
    try:
        with ledger.database.write() as connection:
            now = ledger.database.now(connection)
            begun = {
                "state": DeliveryState.SENDING.value,
                "message_id": message_id,
                "begun_at": now,
                "at": now,
            }
            for key in sorted(unit_keys):
                mine = (deliveries.c.unit_key == key) & (deliveries.c.channel == EMAIL)
                again = connection.execute(
                    update(deliveries)
                    .where(mine, deliveries.c.state.in_([state.value for state in OPEN]))
                    .values(attempt=deliveries.c.attempt + 1, answer=None, **begun)
                )
                if again.rowcount == 0:  # the constraint refuses a second first time
                    connection.execute(
                        insert(deliveries).values(unit_key=key, channel=EMAIL, attempt=1, **begun)
                    )
            evidence = {"units": sorted(unit_keys), "message_id": message_id}
            ledger.append(connection, batch.account, "delivering", batch_key=batch.key, evidence=evidence)
    except IntegrityError:
        return False
    return True


def record_outcome(
    ledger: Ledger,
    batch: Batch,
    unit_keys: Sequence[int],
    *,
    message_id: str,
    state: DeliveryState,
    answer: str | None,
) -> None:
    """Commit what became of a message. Telling it again changes nothing.

    Raises:
        DeliveredTwice: some of its units were given to another message meanwhile, and this one was accepted, too.
    """
    mine = deliveries.c.unit_key.in_(sorted(unit_keys)) & (deliveries.c.message_id == message_id)
    with ledger.database.write() as connection:
        now = ledger.database.now(connection)
        # SENT stays: a person may have said so, and no later word makes an arrived message unsent
        connection.execute(
            update(deliveries)
            .where(mine, deliveries.c.state != DeliveryState.SENT.value)
            .values(state=state.value, at=now, answer=answer)
        )
        held = connection.execute(select(func.count()).select_from(deliveries).where(mine)).scalar_one()
        evidence = {"message_id": message_id, "answer": answer, "units": sorted(unit_keys), "held": held}
        ledger.append(
            connection, batch.account, f"delivery_{state.lower()}", batch_key=batch.key, evidence=evidence
        )
    if held < len(unit_keys) and state is DeliveryState.SENT:
        raise DeliveredTwice(
            f"Message {message_id} of batch {batch.batch_id!r} was accepted by the mail server after a person had "
            f"allowed another for {len(unit_keys) - held} of its units: the recipient gets two. Both bear the same "
            "codes, and nothing was bought."
        )


def decide(ledger: Ledger, chosen: Sequence[Delivery], *, arrived: bool, reason: str) -> int:
    """A person says what became of these, all or none: they arrived, or another message may be sent.

    Returns:
        How many were changed; what has changed since it was looked at is left alone.
    """
    after = DeliveryState.SENT if arrived else DeliveryState.ALLOWED
    changed = 0
    with ledger.database.write() as connection:
        now = ledger.database.now(connection)
        for delivery in chosen:
            moved = connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.unit_key == delivery.unit_key,
                    deliveries.c.channel == EMAIL,
                    deliveries.c.message_id == delivery.message_id,
                    deliveries.c.state == delivery.state.value,
                )
                .values(state=after.value, at=now)
            )
            if not moved.rowcount:
                continue
            changed += 1
            ledger.append(
                connection,
                delivery.account,
                "delivery_decided",
                batch_key=delivery.batch_key,
                evidence={"unit": delivery.unit_key, "was": delivery.state, "is": after, "reason": reason},
            )
    return changed
