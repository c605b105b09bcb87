"""What the ledger is asked and told: accounts, batches, orders, units, and the event of each change.

Every change of an order goes through `Ledger.move`: it checks the transition, fences on attempt and owner,
and appends the event in the same transaction. Nothing here talks to the vendor.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import UnknownBatch
from airflow_provider_esimgo.ledger.records import (
    Actor,
    Batch,
    Event,
    Milestone,
    Order,
    Stray,
    StrayKind,
    Unit,
    canonical_json,
)
from airflow_provider_esimgo.ledger.schema import accounts, batches, events, orders, strays, units
from airflow_provider_esimgo.ledger.states import SPENT_OR_UNSURE, UNRESOLVED, OrderState, check_transition
from airflow_provider_esimgo.manifest.hashing import money_text


class Fenced(Exception):
    """The order no longer bears the attempt, owner or state that the caller knows: somebody took over."""


class Ledger:
    """The queries of the ledger over one database.

    Args:
        database: where it lives.
        actor: who acts; recorded with every event.
    """

    def __init__(self, database: Database, actor: Actor | None = None) -> None:
        self.database = database
        self.actor = actor or Actor()

    # ---- accounts -------------------------------------------------------------------------------------

    def ensure_account(self, account: str, currency: str) -> None:
        """Make the account's row where there is none."""
        with self.database.read() as connection:
            if connection.execute(select(accounts.c.account).where(accounts.c.account == account)).first():
                return
        try:
            with self.database.write() as connection:
                connection.execute(insert(accounts).values(account=account, currency=currency))
        except IntegrityError:
            return  # another worker was faster

    def source_addresses(self, account: str) -> frozenset[str]:
        """The addresses this account's orders came from, as the vendor saw them."""
        with self.database.read() as connection:
            return self._source_addresses(connection, account)

    def learn_address(self, connection: Connection, account: str, address: str) -> None:
        """Remember an address from which the vendor saw one of this account's orders come."""
        known = self._source_addresses(connection, account)
        if address not in known:
            connection.execute(
                update(accounts)
                .where(accounts.c.account == account)
                .values(source_addresses=canonical_json(sorted(known | {address})))
            )

    def _source_addresses(self, connection: Connection, account: str) -> frozenset[str]:
        text = connection.execute(
            select(accounts.c.source_addresses).where(accounts.c.account == account)
        ).scalar_one_or_none()
        return frozenset(json.loads(text or "[]"))

    def spent_since(self, connection: Connection, account: str, since: int) -> Decimal:
        """What the account's orders sent at or after `since` cost or may have cost."""
        rows = connection.execute(
            select(orders.c.due).where(
                orders.c.account == account,
                orders.c.sent_at >= since,
                orders.c.state.in_([state.value for state in SPENT_OR_UNSURE]),
            )
        )
        return sum((Decimal(total) for (total,) in rows), Decimal(0))

    # ---- batches --------------------------------------------------------------------------------------

    def find_batch(self, account: str, batch_id: str) -> Batch | None:
        """The batch, or None."""
        with self.database.read() as connection:
            return self.read_batch(connection, account, batch_id)

    def batch(self, account: str, batch_id: str) -> Batch:
        """The batch of that id on that account; raises `UnknownBatch`."""
        found = self.find_batch(account, batch_id)
        if found is None:
            raise UnknownBatch(
                f"The ledger at {self.database.address} has no batch {batch_id!r} on account {account!r}. "
                "Nothing was sent. Run EsimGoValidateBatchOperator for it first, on the same connection."
            )
        return found

    def batches(self, account: str | None = None) -> list[Batch]:
        """All batches, the newest first."""
        query = select(batches).order_by(batches.c.id.desc())
        if account is not None:
            query = query.where(batches.c.account == account)
        with self.database.read() as connection:
            return [Batch.from_row(row) for row in connection.execute(query).mappings()]

    def read_batch(self, connection: Connection, account: str, batch_id: str) -> Batch | None:
        """The batch, or None, as the caller's transaction sees it."""
        row = (
            connection.execute(
                select(batches).where(batches.c.account == account, batches.c.batch_id == batch_id)
            )
            .mappings()
            .first()
        )
        return Batch.from_row(row) if row else None

    # ---- orders and units -----------------------------------------------------------------------------

    def orders(self, batch: Batch) -> list[Order]:
        """The batch's orders in the order they are sent."""
        return self._orders(orders.c.batch_key == batch.key)

    def tally(self, batch: Batch) -> Counter[OrderState]:
        """How many of the batch's orders are in each state."""
        query = select(orders.c.state, func.count()).where(orders.c.batch_key == batch.key)
        with self.database.read() as connection:
            rows = connection.execute(query.group_by(orders.c.state))
            return Counter({OrderState(state): count for state, count in rows})

    def next_planned(self, batch: Batch) -> Order | None:
        """The first order of the batch that is still to be sent."""
        planned = and_(orders.c.batch_key == batch.key, orders.c.state == OrderState.PLANNED.value)
        found = self._orders(planned, limit=1)
        return found[0] if found else None

    def unresolved(self, account: str) -> list[Order]:
        """Every order of the account that was sent and whose outcome is not known."""
        return self._orders(
            and_(orders.c.account == account, orders.c.state.in_([state.value for state in UNRESOLVED]))
        )

    def in_state(self, account: str, state: OrderState) -> list[Order]:
        """Every order of the account in one state."""
        return self._orders(and_(orders.c.account == account, orders.c.state == state.value))

    def find_order(self, key: int) -> Order | None:
        """One order by its key, or None."""
        found = self._orders(orders.c.id == key)
        return found[0] if found else None

    def open_orders(self, account: str) -> list[Order]:
        """Every order of the account of which some vendor order may be the one: unresolved, or before a person."""
        states = [state.value for state in (*UNRESOLVED, OrderState.REVIEW)]
        return self._orders(and_(orders.c.account == account, orders.c.state.in_(states)))

    def order(self, key: int) -> Order:
        """One order by its key, which must exist."""
        return self._orders(orders.c.id == key)[0]

    def _orders(self, condition: Any, *, limit: int | None = None) -> list[Order]:
        with self.database.read() as connection:
            query = select(orders).where(condition).order_by(orders.c.batch_key, orders.c.number)
            return [Order.from_row(row) for row in connection.execute(query.limit(limit)).mappings()]

    def units(self, batch: Batch) -> list[Unit]:
        """The batch's units in manifest order."""
        return self._units(units.c.batch_key == batch.key)

    def units_of(self, order: Order) -> list[Unit]:
        """The units that one order buys."""
        return self._units(units.c.order_key == order.key)

    def _units(self, condition: Any) -> list[Unit]:
        with self.database.read() as connection:
            rows = connection.execute(select(units).where(condition).order_by(units.c.number))
            return [Unit.from_row(row) for row in rows.mappings()]

    def claimed(self, account: str) -> dict[str, int | None]:
        """Every vendor reference that an order claims, with when that order was sent; strays with None."""
        with self.database.read() as connection:
            stray = connection.execute(
                select(strays.c.reference).where(strays.c.account == account)
            ).scalars()
            claims: dict[str, int | None] = dict.fromkeys(stray)
            ours = connection.execute(
                select(orders.c.reference, orders.c.sent_at).where(
                    orders.c.account == account, orders.c.reference.is_not(None)
                )
            )
            claims.update(tuple(row) for row in ours)
            return claims

    def move(
        self,
        connection: Connection,
        order: Order,
        after: OrderState,
        *,
        evidence: Mapping[str, Any],
        **values: Any,
    ) -> None:
        """Take an order to another state, if it is still as the caller knows it, and record it.

        Raises:
            Fenced: the row bears another state, attempt or owner; nothing was changed.
        """
        check_transition(order.state, after)
        same_owner = orders.c.owner.is_(None) if order.owner is None else orders.c.owner == order.owner
        moved = connection.execute(
            update(orders)
            .where(
                orders.c.id == order.key,
                orders.c.state == order.state.value,
                orders.c.attempt == order.attempt,
                same_owner,
            )
            .values(state=after.value, **values)
        )
        if moved.rowcount != 1:
            raise Fenced(f"order {order.key} is no longer {order.state} at attempt {order.attempt}")
        self.append(
            connection,
            order.account,
            "transition",
            batch_key=order.batch_key,
            order_key=order.key,
            from_state=order.state,
            to_state=after,
            attempt=values.get("attempt", order.attempt),
            evidence=evidence,
        )

    def assign(self, connection: Connection, order: Order, iccids: Mapping[int, str]) -> None:
        """Record the eSIM each unit of a placed order is on (unit key to ICCID): the order is ASSIGNED."""
        now = self.database.now(connection)
        connection.execute(
            update(units)
            .where(units.c.id == bindparam("unit"))
            .values(iccid=bindparam("esim"), milestone=Milestone.ASSIGNED.value, milestone_at=now),
            [{"unit": key, "esim": iccid} for key, iccid in iccids.items()],
        )
        self.move(connection, order, OrderState.ASSIGNED, evidence={"esims": len(iccids)})

    def requote(self, order: Order, due: Decimal, unit_prices: Mapping[str, Decimal]) -> None:
        """A planned order's price has changed within what is tolerated: expect the new one."""
        with self.database.write() as connection:
            changed = connection.execute(
                update(orders)
                .where(
                    orders.c.id == order.key,
                    orders.c.state == OrderState.PLANNED.value,
                    orders.c.attempt == order.attempt,
                )
                .values(due=money_text(due))
            )
            if changed.rowcount != 1:
                return  # it is being sent by another worker, at the price that worker expects
            self.set_prices(connection, order, unit_prices)
            evidence = {"was": money_text(order.due), "is": money_text(due)}
            self.record(order, "requoted", evidence, connection=connection)

    def set_prices(self, connection: Connection, order: Order, unit_prices: Mapping[str, Decimal]) -> None:
        """Record what each unit of an order costs, by bundle."""
        for bundle, price in unit_prices.items():
            connection.execute(
                update(units)
                .where(units.c.order_key == order.key, units.c.bundle == bundle)
                .values(price=money_text(price))
            )

    def set_milestones(self, reached: Iterable[tuple[Unit, Milestone]]) -> None:
        """Record milestones of units that still stand where the caller saw them: two followers may look at once."""
        steps = [
            {"unit": unit.key, "was": unit.milestone and unit.milestone.value, "reached": milestone.value}
            for unit, milestone in reached
        ]
        if not steps:
            return
        with self.database.write() as connection:
            now = self.database.now(connection)
            connection.execute(
                update(units)
                .where(units.c.id == bindparam("unit"), units.c.milestone == bindparam("was"))
                .values(milestone=bindparam("reached"), milestone_at=now),
                steps,
            )

    def add_stray(self, connection: Connection, order: Order, reference: str, kind: StrayKind) -> None:
        """Remember a vendor order, found beside one of ours, that no order of ours may adopt."""
        known = select(strays.c.reference).where(
            strays.c.account == order.account, strays.c.reference == reference
        )
        if connection.execute(known).first():
            return
        now = self.database.now(connection)
        values = {
            "account": order.account,
            "reference": reference,
            "kind": kind.value,
            "order_key": order.key,
        }
        connection.execute(insert(strays).values(at=now, **values))

    def strays(self, account: str) -> list[Stray]:
        """The account's strays, the oldest first."""
        query = select(strays).where(strays.c.account == account).order_by(strays.c.at)
        with self.database.read() as connection:
            return [Stray.from_row(row) for row in connection.execute(query).mappings()]

    def duplicates(self, account: str) -> list[Stray]:
        """The vendor orders that look like one of ours bought twice."""
        return [stray for stray in self.strays(account) if stray.kind is StrayKind.DUPLICATE]

    # ---- events ---------------------------------------------------------------------------------------

    def record(
        self, order: Order, kind: str, evidence: Mapping[str, Any], *, connection: Connection | None = None
    ) -> None:
        """Append an event about an order that changes no state."""
        with nullcontext(connection) if connection is not None else self.database.write() as transaction:
            self.append(
                transaction,
                order.account,
                kind,
                batch_key=order.batch_key,
                order_key=order.key,
                attempt=order.attempt,
                evidence=evidence,
            )

    def events(self, *, order: Order | None = None, batch: Batch | None = None) -> list[Event]:
        """The history of an order, of a batch, or of everything, the oldest first."""
        query = select(events).order_by(events.c.id)
        if order is not None:
            query = query.where(events.c.order_key == order.key)
        if batch is not None:
            query = query.where(events.c.batch_key == batch.key)
        with self.database.read() as connection:
            return [Event.from_row(row) for row in connection.execute(query).mappings()]

    def append(
        self,
        connection: Connection,
        account: str,
        kind: str,
        *,
        evidence: Mapping[str, Any],
        **values: Any,
    ) -> None:
        """Append an event within the caller's transaction."""
        connection.execute(
            insert(events).values(
                at=self.database.now(connection),
                account=account,
                kind=kind,
                actor=self.actor.to_json(),
                evidence=canonical_json(dict(evidence)),
                **values,
            )
        )
