"""Finds out what became of orders whose outcome is unknown (design §6.1, §6.3).

Reads the vendor's books and never writes to them. The account's lease is held meanwhile, so that nobody of
ours sends an order while we look.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.api import Order as VendorOrder
from airflow_provider_esimgo.ledger.lease import Lease
from airflow_provider_esimgo.ledger.matching import Look, Ruling, Verdict, judge, matches_exactly
from airflow_provider_esimgo.ledger.outcome import FAILED, lines_agree, vendor_evidence
from airflow_provider_esimgo.ledger.policy import PurchasePolicy
from airflow_provider_esimgo.ledger.records import Batch, Order, StrayKind
from airflow_provider_esimgo.ledger.schema import orders
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger

log = logging.getLogger(__name__)

#: Added to the learned clock skew on either side of a time window (design §6.3).
_PAD = timedelta(seconds=60)
#: How far the time of the balance before the intent may be off: the skew is learned from whole seconds, and the
#: balance is read before the pace is waited for.
_DOUBT = timedelta(seconds=5)
#: The first look back comes after this share of the settle time; each wait doubles.
_FIRST_WAIT = 1 / 100


@dataclass(frozen=True)
class Resolution:
    """What one look made of one order."""

    order: Order
    ruling: Ruling
    reason: str


@dataclass(frozen=True)
class Resolved:
    """What one look at an account made of all its unknown orders."""

    resolutions: tuple[Resolution, ...]
    look_again_in: float | None

    @property
    def done(self) -> bool:
        """Whether no order of the account is unknown any more."""
        return self.look_again_in is None


def resolve_account(
    client: EsimGoClient, ledger: Ledger, account: str, policy: PurchasePolicy, *, owner: str
) -> Resolved:
    """Look once at every order of the account that is UNKNOWN, or SENDING with its sender gone.

    Args:
        owner: the lease that the caller holds; its own orders in flight are left alone.
    """
    unresolved = [
        _give_up_on_sender(ledger, order) if order.state is OrderState.SENDING else order
        for order in ledger.unresolved(account)
        if not (order.state is OrderState.SENDING and order.owner == owner)
    ]
    if not unresolved:
        return Resolved((), None)
    resolutions = []
    waits = []
    for order in unresolved:
        resolution, wait = _resolve(client, ledger, order, policy)
        resolutions.append(resolution)
        if resolution.ruling is Ruling.WAIT:
            waits.append(wait)
    return Resolved(tuple(resolutions), min(waits) if waits else None)


def reconcile_account(client: EsimGoClient, ledger: Ledger, account: str, policy: PurchasePolicy) -> Resolved:
    """Look once at every unknown order of an account, under a lease of our own."""
    lease = Lease(ledger.database, account, policy.lease_seconds)
    if not lease.take():
        return Resolved((), max(lease.remaining(), 1.0))
    try:
        return resolve_account(client, ledger, account, policy, owner=lease.owner)
    finally:
        lease.release()


def _give_up_on_sender(ledger: Ledger, order: Order) -> Order:
    """The sender's lease is over: nobody will report the outcome any more."""
    try:
        with ledger.database.write() as connection:
            ledger.move(
                connection,
                order,
                OrderState.UNKNOWN,
                evidence={"why": "the worker that sent it is gone"},
                message="the worker that sent it is gone",
                unknown_at=ledger.database.now(connection),
            )
    except Fenced:
        log.info("Order %d reported back at the last moment", order.number)
    return ledger.order(order.key)


def _resolve(
    client: EsimGoClient, ledger: Ledger, order: Order, policy: PurchasePolicy
) -> tuple[Resolution, float]:
    if order.state is not OrderState.UNKNOWN:
        return Resolution(order, Ruling.ADOPT, "its sender reported back"), 0.0
    look, unknown_for = _look(client, ledger, order, policy)
    verdict = judge(order, look)
    duplicates = {stray.order_key for stray in ledger.duplicates(order.account)}
    if verdict.ruling is Ruling.NEVER_PLACED and order.key in duplicates:
        verdict = Verdict(
            Ruling.REVIEW, "an earlier attempt took effect after it was taken over", None, verdict.evidence
        )
    try:
        _apply(ledger, order, verdict, looks=look.looks)
    except (Fenced, IntegrityError):  # somebody else resolved it, or claimed that reference, at this moment
        log.info("Order %d was resolved by another worker meanwhile", order.number)
    settled = ledger.order(order.key)
    log.info("Order %d: %s (%s)", order.number, settled.state, verdict.reason)
    left = policy.settle_seconds - unknown_for
    wait = min(
        max(unknown_for, policy.settle_seconds * _FIRST_WAIT), max(left, policy.settle_seconds * _FIRST_WAIT)
    )
    return Resolution(settled, verdict.ruling, verdict.reason), wait


def _look(client: EsimGoClient, ledger: Ledger, order: Order, policy: PurchasePolicy) -> tuple[Look, float]:
    """One look at the vendor's books for one order; counts it."""
    with ledger.database.read() as connection:
        now = ledger.database.now(connection)
    unknown_for = (now - (order.unknown_at or now)) / 1000
    if client.clock_skew is None:
        client.get_organisation()  # learns the skew, before a window is built on it
    intent_at = vendor_time(client, now - (order.sent_at or now))
    listed = list(client.list_orders(created_from=intent_at - _PAD, created_to=vendor_time(client, 0) + _PAD))
    # asked for last: an order that comes in between lowers the balance unexplained, and is not explained away
    balance = client.get_organisation().balance
    look = Look(
        listed=listed,
        claimed=ledger.claimed(order.account),
        balance=balance,
        intent_at=intent_at,
        doubt=_DOUBT,
        settled=unknown_for >= policy.settle_seconds,
        looks=order.looks + 1,
        addresses=ledger.source_addresses(order.account),
    )
    return look, unknown_for


def vendor_time(client: EsimGoClient, milliseconds_ago: int) -> datetime:
    """A moment so long ago, by the vendor's clock."""
    return datetime.now(UTC) + (client.clock_skew or timedelta(0)) - timedelta(milliseconds=milliseconds_ago)


_AFTER = {
    Ruling.ADOPT: OrderState.PLACED,
    Ruling.NEVER_PLACED: OrderState.PLANNED,
    Ruling.REJECTED: OrderState.REJECTED,
    Ruling.REVIEW: OrderState.REVIEW,
}


def _apply(ledger: Ledger, order: Order, verdict: Verdict, *, looks: int) -> None:
    with ledger.database.write() as connection:
        if verdict.ruling is Ruling.WAIT:
            connection.execute(
                update(orders)
                .where(
                    orders.c.id == order.key,
                    orders.c.attempt == order.attempt,
                    orders.c.state == OrderState.UNKNOWN.value,
                )
                .values(looks=looks, message=verdict.reason)
            )
            ledger.record(order, "look", verdict.evidence, connection=connection)
            return
        values: dict[str, Any] = {"looks": looks, "message": verdict.reason}
        if verdict.ruling is Ruling.REJECTED and verdict.found is not None:
            # nothing was bought by it, but no later order of the same shape may be taken for it
            ledger.add_stray(connection, order, verdict.found.reference, StrayKind.FOREIGN)
        if verdict.ruling is Ruling.ADOPT and verdict.found is not None:
            values["reference"] = verdict.found.reference
            if verdict.found.source_ip:
                ledger.learn_address(connection, order.account, verdict.found.source_ip)
        if verdict.ruling is Ruling.NEVER_PLACED:
            values["owner"] = None
        ledger.move(connection, order, _AFTER[verdict.ruling], evidence=verdict.evidence, **values)


def lookalikes(
    client: EsimGoClient, ledger: Ledger, account: str, candidates: Sequence[Order], *, since: int
) -> list[tuple[Order, VendorOrder]]:
    """Vendor orders that nobody claims but that match one of ours: each paired with at most one of ours.

    Args:
        since: milliseconds by the ledger's clock.
    """
    with ledger.database.read() as connection:
        age = ledger.database.now(connection) - since
    client.get_organisation()  # learns the skew
    listed = client.list_orders(
        created_from=vendor_time(client, age) - _PAD, created_to=vendor_time(client, 0) + _PAD
    )
    claimed = ledger.claimed(account)
    addresses = ledger.source_addresses(account)
    strangers = (
        order for order in listed if order.reference not in claimed and order.status.casefold() != FAILED
    )
    return list(_pair(candidates, strangers, addresses))


def _pair(
    candidates: Sequence[Order], listed: Iterable[VendorOrder], addresses: frozenset[str]
) -> Iterable[tuple[Order, VendorOrder]]:
    # a top-up matches by its ICCIDs; new eSIMs match any ICCIDs, and must not take its place
    left = sorted(candidates, key=lambda order: not any(line.iccids for line in order.request.lines))
    for found in listed:
        for order in left:
            if lines_agree(order, found) and matches_exactly(order, found, addresses):
                left.remove(order)
                yield order, found
                break


def hold_for_review(ledger: Ledger, order: Order, found: VendorOrder) -> None:
    """An unclaimed vendor order looks like one that we are about to send: a person decides first."""
    reason = f"an order that nobody claims at the vendor, {found.reference}, looks like this one"
    try:
        with ledger.database.write() as connection:
            ledger.move(
                connection,
                order,
                OrderState.REVIEW,
                evidence={"candidates": [vendor_evidence(found)]},
                message=reason,
            )
    except Fenced:
        log.info("Order %d was moved on by another worker meanwhile", order.number)


def find_duplicates(client: EsimGoClient, ledger: Ledger, batch: Batch) -> list[tuple[Order, VendorOrder]]:
    """Suspected duplicates of a batch: unclaimed vendor orders that look like one of ours.

    An order that was unknown, taken over or sent again may have a twin. One that was answered at its first
    attempt can have one only by the vendor's doing, so that its twin must come from an address of ours to be
    suspected. What an open order of the account may be is left to that order's resolution. Without the lease
    the order that another worker is just sending is suspected too.
    """
    troubled_keys = {
        event.order_key
        for event in ledger.events(batch=batch)
        if event.to_state == OrderState.UNKNOWN or (event.attempt or 0) > 1
    }
    candidates = sorted(ledger.orders(batch), key=lambda order: order.key not in troubled_keys)
    addresses = ledger.source_addresses(batch.account)
    found = lookalikes(client, ledger, batch.account, candidates, since=batch.planned_at)
    open_orders = ledger.open_orders(batch.account)
    return [
        (order, twin)
        for order, twin in found
        if (order.key in troubled_keys or twin.source_ip in addresses)
        and not any(lines_agree(other, twin) for other in open_orders)
    ]


def record_duplicate(ledger: Ledger, order: Order, twin: VendorOrder) -> None:
    """Keep a suspected duplicate as a stray: no order may adopt it, and everybody can see it."""
    with ledger.database.write() as connection:
        ledger.add_stray(connection, order, twin.reference, StrayKind.DUPLICATE)
        ledger.record(order, "suspected_duplicate", vendor_evidence(twin), connection=connection)
