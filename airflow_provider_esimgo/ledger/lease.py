"""The lease on an account: at most one worker sends orders of an account at a time (design §6.2).

It lives in the account's row, is taken by one atomic UPDATE, and expires by the database's clock, so that a
dead worker never blocks the account and a paused one is noticed.
"""

import logging
import uuid
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import LeaseLost, LedgerUnavailable
from airflow_provider_esimgo.ledger.schema import accounts

log = logging.getLogger(__name__)


@dataclass
class Lease:
    """One worker's claim on an account; `owner` is new for every attempt to buy, never reused."""

    database: Database
    account: str
    seconds: float
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    def take(self) -> bool:
        """Take or renew the lease; False while another worker holds it."""
        with self.database.write() as connection:
            return self._extend(connection)

    def renew(self, connection: Connection, *, next_order_in: float | None = None) -> None:
        """Renew within the caller's transaction and, with it, push back the account's next order.

        Raises:
            LeaseLost: another worker took the account over; the caller's transaction must not commit.
        """
        now = self.database.now(connection)
        # one statement: a lease that lapsed and was used by a rival in between must not be found free again
        renewed = connection.execute(
            update(accounts)
            .where(
                accounts.c.account == self.account,
                accounts.c.lease_owner == self.owner,
                accounts.c.lease_until > now,
            )
            .values(lease_until=now + round(self.seconds * 1000))
        )
        if renewed.rowcount != 1:
            raise LeaseLost(
                f"Another worker took over account {self.account!r} while this one was paused or slow. This "
                "order was not sent by this worker. Run the task again: it goes on where the ledger stands."
            )
        if next_order_in is not None:
            self.push_back(connection, now + round(next_order_in * 1000))

    def lock_account(self, connection: Connection) -> None:
        """Take the account's row at the beginning of a transaction that changes it and also its orders.

        On MySQL an order's foreign key takes a shared lock on that row; two transactions that want to change it
        after that wait for each other.
        """
        connection.execute(
            select(accounts.c.account).where(accounts.c.account == self.account).with_for_update()
        )

    def push_back(self, connection: Connection, next_order_at: int) -> None:
        """Let the account's next order wait until that time at least."""
        connection.execute(
            update(accounts)
            .where(accounts.c.account == self.account, accounts.c.next_order_at < next_order_at)
            .values(next_order_at=next_order_at)
        )

    def held(self, *, for_seconds: float = 0.0) -> bool:
        """Whether this worker still holds the account, and will for that long."""
        with self.database.read() as connection:
            return self._holds(connection, self.database.now(connection) + round(for_seconds * 1000))

    def remaining(self) -> float:
        """Seconds until whoever holds the lease loses it; 0 when it is free."""
        with self.database.read() as connection:
            row = self._row(connection)
            if row is None or row.lease_owner is None:
                return 0.0
            left: int = row.lease_until - self.database.now(connection)
            return max(0.0, left / 1000)

    def until_next_order(self) -> float:
        """Seconds until the account may send its next order."""
        with self.database.read() as connection:
            row = self._row(connection)
            due = 0 if row is None else row.next_order_at
            return max(0.0, (due - self.database.now(connection)) / 1000)

    def release(self) -> None:
        """Give the account back, if it is still ours. It runs out by itself, so that failing to is no error."""
        try:
            with self.database.write() as connection:
                connection.execute(
                    update(accounts)
                    .where(accounts.c.account == self.account, accounts.c.lease_owner == self.owner)
                    .values(lease_owner=None, lease_until=0)
                )
        except LedgerUnavailable as error:  # raised from a `finally`, it would hide what went wrong first
            log.warning("The claim on account %r runs out by itself: %s", self.account, error)

    def _extend(self, connection: Connection) -> bool:
        now = self.database.now(connection)
        free = accounts.c.lease_owner.is_(None) | (accounts.c.lease_until <= now)
        taken = connection.execute(
            update(accounts)
            .where(accounts.c.account == self.account, free | (accounts.c.lease_owner == self.owner))
            .values(lease_owner=self.owner, lease_until=now + round(self.seconds * 1000))
        )
        return taken.rowcount == 1

    def _holds(self, connection: Connection, at: int) -> bool:
        row = self._row(connection)
        return row is not None and row.lease_owner == self.owner and row.lease_until > at

    def _row(self, connection: Connection):  # type: ignore[no-untyped-def]
        return connection.execute(
            select(accounts.c.lease_owner, accounts.c.lease_until, accounts.c.next_order_at).where(
                accounts.c.account == self.account
            )
        ).first()
