"""Where kits are, and what was erased: kits by age, and of the ledger what tells about a person.

Must stay true: a kit is remembered before its first file is written, so that none is ever forgotten; the money rows
stay (orders, prices, references, ICCIDs, states, events); a batch with an order in doubt keeps its recipients; what
was erased, when and by whom is an event.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Connection

from airflow_provider_esimgo.ledger.errors import KitFolderTaken
from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.ledger.schema import events, orders, units
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger

WRITTEN, PURGED, ERASED = "kit_written", "kit_purged", "recipients_erased"
#: What an erased recipient_ref begins with; the unit's number follows.
ERASED_PREFIX = "erased-"
_DONE = frozenset({OrderState.ASSIGNED, OrderState.REJECTED})


@dataclass(frozen=True)
class WrittenKit:
    """A kit that was written, or begun, and not purged since.

    `hosts` are the machines that wrote it, where it is in a local folder.
    """

    account: str
    folder: str
    conn_id: str | None  # of the object store
    hosts: frozenset[str]
    batch_keys: frozenset[int]
    at: int


def record_kit(
    ledger: Ledger,
    account: str,
    batch_keys: Collection[int],
    *,
    folder: str,
    conn_id: str | None,
    host: str | None,
    counts: Mapping[str, int],
) -> None:
    """Remember where a kit is about to be written, so that it can be found again to be purged.

    Raises:
        KitFolderTaken: another account's kit is there.
    """
    evidence = {"folder": folder, "conn_id": conn_id, "host": host, "batches": sorted(batch_keys), **counts}
    with ledger.database.write() as connection:
        theirs = _kits(connection).get((conn_id, folder))
        if theirs is not None and theirs.account != account:
            raise KitFolderTaken(
                f"{folder} holds a kit of account {theirs.account!r}. Nothing was written there, and nothing was "
                f"bought. Give kits of account {account!r} another destination, or purge the other one first."
            )
        _append(ledger, connection, account, WRITTEN, batch_keys, evidence)


def record_purge(ledger: Ledger, kit: WrittenKit, *, files: int) -> None:
    """Remember that a kit is gone."""
    evidence = {
        "folder": kit.folder,
        "conn_id": kit.conn_id,
        "batches": sorted(kit.batch_keys),
        "files": files,
    }
    with ledger.database.write() as connection:
        _append(ledger, connection, kit.account, PURGED, kit.batch_keys, evidence)


def written_kits(ledger: Ledger, account: str) -> list[WrittenKit]:
    """The account's kits that have not been purged since they were last written, the oldest first."""
    with ledger.database.read() as connection:
        return [kit for kit in _kits(connection).values() if kit.account == account]


def _kits(connection: Connection) -> dict[tuple[str | None, str], WrittenKit]:
    """Every kit that is there, by where it is."""
    query = (
        select(events.c.at, events.c.account, events.c.kind, events.c.evidence)
        .where(events.c.kind.in_([WRITTEN, PURGED]))
        .order_by(events.c.id)
    )
    there: dict[tuple[str | None, str], WrittenKit] = {}
    for at, account, kind, text in connection.execute(query):
        told = json.loads(text)
        place = (told["conn_id"], told["folder"])
        earlier = there.pop(place, None)
        if kind == WRITTEN:
            hosts = frozenset({told["host"]} if told["host"] else ())
            keys = frozenset(told["batches"])
            if earlier is not None:
                hosts, keys = hosts | earlier.hosts, keys | earlier.batch_keys
            there[place] = WrittenKit(account, told["folder"], told["conn_id"], hosts, keys, at)
    return there


def in_doubt(ledger: Ledger, batch: Batch) -> str | None:
    """Why a batch's recipients may not be erased yet; None where they may.

    They may when everything is bought or refused for good, or when nothing was ever sent and the plan has expired.
    """
    with ledger.database.read() as connection:
        return _in_doubt(ledger, connection, batch)


def _in_doubt(ledger: Ledger, connection: Connection, batch: Batch) -> str | None:
    query = select(orders.c.state, func.count(), func.sum(orders.c.attempt)).where(
        orders.c.batch_key == batch.key
    )
    rows = connection.execute(query.group_by(orders.c.state)).all()
    open_orders = [(state, count) for state, count, _ in rows if OrderState(state) not in _DONE]
    never_begun = all(state == OrderState.PLANNED.value and not attempts for state, _, attempts in rows)
    stored = ledger.read_batch(connection, batch.account, batch.batch_id)
    if stored is not None and never_begun and stored.expired(ledger.database.now(connection)):
        return None
    return ", ".join(f"{count} orders are {state}" for state, count in sorted(open_orders)) or None


def last_moment(ledger: Ledger, batch: Batch) -> int:
    """When something was last bought for a batch, in the database's milliseconds; when it was planned, if never."""
    query = select(func.max(orders.c.sent_at)).where(orders.c.batch_key == batch.key)
    with ledger.database.read() as connection:
        return max(connection.execute(query).scalar() or 0, batch.planned_at)


def erase_recipients(ledger: Ledger, batch: Batch) -> int:
    """Take from a batch's units what tells about a person: recipient_ref, country, date; how many were changed.

    0 where the batch is in doubt. Nothing can be looked up by the recipients any more: another batch may buy the
    same for them again.
    """
    with ledger.database.write() as connection:
        if _in_doubt(ledger, connection, batch):
            return 0
        held = connection.execute(
            select(units.c.id, units.c.number, units.c.recipient_ref).where(units.c.batch_key == batch.key)
        ).all()
        rows = [
            {"unit": key, "erased": f"{ERASED_PREFIX}{number}"}
            for key, number, recipient_ref in held
            if recipient_ref != f"{ERASED_PREFIX}{number}"
        ]
        if not rows:
            return 0
        connection.execute(
            update(units)
            .where(units.c.id == bindparam("unit"))
            .values(recipient_ref=bindparam("erased"), country=None, install_by=None),
            rows,
        )
        evidence = {"units": len(rows), "columns": ["recipient_ref", "country", "install_by"]}
        ledger.append(connection, batch.account, ERASED, batch_key=batch.key, evidence=evidence)
    return len(rows)


def _append(
    ledger: Ledger,
    connection: Connection,
    account: str,
    kind: str,
    batch_keys: Collection[int],
    evidence: Mapping[str, Any],
) -> None:
    keys: list[int | None] = [*sorted(batch_keys)] or [None]
    for key in keys:
        ledger.append(connection, account, kind, batch_key=key, evidence=evidence)
