"""From a manifest to a batch in the ledger: pack, price by the vendor's dry run, check against money, freeze.

Nothing here spends: the vendor is asked with `type: validate` only. A plan that was begun to be bought is
never changed; one that was not may be priced again.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.api import EsimGoClient, OrderLine, OrderRequest
from airflow_provider_esimgo.ledger.errors import BatchConflict, PlanRefused
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.records import Batch, Choice, lines_to_json
from airflow_provider_esimgo.ledger.rows import find_repeats, find_top_up_faults
from airflow_provider_esimgo.ledger.schema import approvals, batches, events, orders, strays, units
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import (
    DraftLine,
    Manifest,
    ManifestError,
    Plan,
    Quote,
    Severity,
    Shape,
    expand_units,
    pack_orders,
    price_plan,
)
from airflow_provider_esimgo.manifest.card import CostCard, build_card
from airflow_provider_esimgo.manifest.hashing import money_text
from airflow_provider_esimgo.manifest.limits import Limits

log = logging.getLogger(__name__)

PLAN_VALID_FOR = timedelta(hours=24)


def plan_batch(
    client: EsimGoClient,
    ledger: Ledger,
    manifest: Manifest,
    *,
    account: str,
    batch_id: str | None = None,
    policy: PurchasePolicy,
    currency: str | None = None,
    max_total: Decimal | None = None,
    limits: Limits | None = None,
    allow_repeat: bool = False,
    client_name: str | None = None,
    put_aside: int = 0,
    plan_valid_for: timedelta | None = PLAN_VALID_FOR,
) -> Batch:
    """Price a manifest and store it as a batch; buys nothing.

    Args:
        account: the account it is bought on.
        batch_id: the batch's name; None derives one from the content.
        currency: the currency the connection expects; None accepts the account's.
        max_total: refuse a plan that costs more.
        limits: control totals and budgets that the plan must keep to.
        allow_repeat: accept content that another batch already holds, and rows that another one bought.
        client_name: for whom it is bought, on the cost card.
        put_aside: how many faulty rows of the file are not in the manifest, on the cost card.
        plan_valid_for: how long the plan may wait to be begun; None is without end.

    Raises:
        ManifestError: rows were bought before, or top up an eSIM that cannot take the bundle; all of them.
        LimitError: the plan breaks a limit.
        PlanRefused: the vendor's price, the balance or a cap forbids it.
        BatchConflict: the id or the content is taken.
        ApiError: the vendor refused or could not be asked.
    """
    batch_id = batch_id or f"batch-{manifest.content_hash[:12]}"
    existing = ledger.find_batch(account, batch_id)
    unsent = existing is None or not any(order.attempt for order in ledger.orders(existing))
    if unsent:  # what is being bought stays as it was planned
        policy.require(Mode.VALIDATE)
        manifest = check_rows(
            client, ledger, manifest, account=account, batch_id=batch_id, allow_repeat=allow_repeat
        )
    drafts = pack_orders(expand_units(manifest), max_units_per_order=policy.max_units_per_order)
    quotes = quote_shapes(client, (draft.shape for draft in drafts), policy)
    plan = price_plan(
        account=account,
        batch_id=batch_id,
        drafts=drafts,
        quotes=quotes,
    )
    balance = None
    if unsent:
        if limits is not None:
            limits.check(plan)
        balance = check_money(client, plan, policy=policy, currency=currency, max_total=max_total)
    card = build_card(
        plan,
        manifest,
        client=client_name,
        balance=balance,
        seconds_between_orders=policy.seconds_between_orders,
        put_aside=put_aside,
    )
    ledger.ensure_account(account, plan.currency)
    return store_plan(
        ledger,
        plan,
        manifest=manifest.name,
        row_count=manifest.row_count,
        allow_repeat=allow_repeat,
        valid_for=plan_valid_for,
        card=card,
    )


def check_rows(
    client: EsimGoClient,
    ledger: Ledger,
    manifest: Manifest,
    *,
    account: str,
    batch_id: str,
    allow_repeat: bool = False,
) -> Manifest:
    """The manifest, with warnings about what ledger and vendor know of its rows; ManifestError for errors."""
    faults = find_repeats(ledger, manifest, account=account, batch_id=batch_id, allow_repeat=allow_repeat)
    faults += find_top_up_faults(client, manifest)
    if any(fault.severity is Severity.ERROR for fault in faults):
        raise ManifestError(faults, manifest.name)
    return replace(manifest, warnings=(*manifest.warnings, *faults)) if faults else manifest


def quote_shapes(client: EsimGoClient, shapes: Iterable[Shape], policy: PurchasePolicy) -> dict[Shape, Quote]:
    """Ask the vendor's dry run for the price of each distinct order shape, once."""
    policy.require(Mode.VALIDATE)
    quotes: dict[Shape, Quote] = {}
    for shape in dict.fromkeys(shapes):
        quote = client.validate_order(order_request(shape, policy.profile_id))
        if not quote.valid:
            wanted = ", ".join(f"{line.quantity} x {line.bundle}" for line in shape)
            raise PlanRefused(
                f"The vendor calls an order of {wanted} invalid. Nothing was sent. "
                "Check the bundles, and that each eSIM to top up is compatible with its bundle."
            )
        quotes[shape] = Quote(
            total=quote.total,
            currency=quote.currency,
            unit_prices={
                line.item: line.price_per_unit for line in quote.lines if line.price_per_unit is not None
            },
        )
    log.info("Priced %d order shapes with the vendor's dry run; nothing was bought", len(quotes))
    return quotes


def order_request(lines: Iterable[DraftLine], profile_id: str | None = None) -> OrderRequest:
    """The vendor's form of an order's lines; eSIMs are always assigned, never reassigned."""
    return OrderRequest(
        lines=tuple(
            OrderLine(item=line.bundle, quantity=line.quantity, iccids=line.iccids) for line in lines
        ),
        assign=True,
        profile_id=profile_id,
    )


def check_money(
    client: EsimGoClient,
    plan: Plan,
    *,
    policy: PurchasePolicy,
    currency: str | None = None,
    max_total: Decimal | None = None,
) -> Decimal | None:
    """Refuse a plan that the caps, the currency or the balance do not allow; tells the balance."""
    organisation = client.get_organisation()
    told = f"Batch {plan.batch_id!r} costs {plan.total:,.2f} {plan.currency} for {plan.unit_count} units"
    if currency is not None and plan.currency != currency:
        raise PlanRefused(
            f"{told}, but the connection expects {currency}. Nothing was sent. "
            "Correct 'currency' in the connection's extra, or use the account that pays in it."
        )
    if max_total is not None and plan.total > max_total:
        raise PlanRefused(
            f"{told}, more than max_total={max_total}. Nothing was sent. Raise max_total or shorten the manifest."
        )
    if policy.max_order_total is not None:
        dearest = max(plan.orders, key=lambda order: order.total)
        if dearest.total > policy.max_order_total:
            raise PlanRefused(
                f"{told}; its order {dearest.number} costs {dearest.total:,.2f}, more than "
                f"max_order_total={policy.max_order_total} of the connection. Nothing was sent. "
                "Raise the cap or lower max_units_per_order."
            )
    balance = organisation.balance
    if balance is not None and balance < plan.total + policy.reserve:
        raise PlanRefused(
            f"{told}, but the balance is {balance:,.2f}"
            + (f" of which {policy.reserve:,.2f} is the reserve" if policy.reserve else "")
            + f". Nothing was sent. Top up at least {plan.total + policy.reserve - balance:,.2f} {plan.currency}."
        )
    return balance


def store_plan(
    ledger: Ledger,
    plan: Plan,
    *,
    manifest: str,
    row_count: int,
    allow_repeat: bool = False,
    valid_for: timedelta | None = PLAN_VALID_FOR,
    card: CostCard | None = None,
) -> Batch:
    """Freeze a plan as a batch with its orders and units.

    The same content under the same id again is the same batch: while none of its orders has been sent its
    prices are brought up to date and its term begins anew, afterwards it stays as it is.

    Raises:
        BatchConflict: the id holds another content, or another id holds this content.
    """
    freshness = _Freshness(valid_for, card)
    try:
        return _store(ledger, plan, manifest, row_count, allow_repeat, freshness)
    except IntegrityError:  # another worker stored the same batch or content a moment ago: look again
        return _store(ledger, plan, manifest, row_count, allow_repeat, freshness)


@dataclass(frozen=True)
class _Freshness:
    """What is renewed each time that a plan is checked again before it is begun."""

    valid_for: timedelta | None
    card: CostCard | None

    def values(self, now: int) -> dict[str, object]:
        return {
            "valid_until": None
            if self.valid_for is None
            else now + self.valid_for // timedelta(milliseconds=1),
            "card": None if self.card is None else self.card.to_json(),
        }


def _store(
    ledger: Ledger, plan: Plan, manifest: str, row_count: int, allow_repeat: bool, freshness: _Freshness
) -> Batch:
    with ledger.database.write() as connection:
        existing = ledger.read_batch(connection, plan.account, plan.batch_id)
        now = ledger.database.now(connection)
        fresh = freshness.values(now)
        values = {
            "plan_hash": plan.plan_hash,
            "currency": plan.currency,
            "total": money_text(plan.total),
            "order_count": plan.order_count,
            "planned_at": now,
        }
        if existing is None:
            if not allow_repeat:
                _refuse_repeat(connection, plan)
            key = _insert_batch(connection, plan, {**values, **fresh}, manifest, row_count, allow_repeat)
        else:
            _refuse_other_content(existing, plan, row_count)
            if begun(connection, existing):
                return existing
            _end_approvals(ledger, connection, existing, now)
            changed = existing.plan_hash != plan.plan_hash
            if changed:
                _discard_orders(connection, existing)
                fresh |= values
            connection.execute(update(batches).where(batches.c.id == existing.key).values(fresh))
            if not changed:
                renewed = ledger.read_batch(connection, plan.account, plan.batch_id)
                assert renewed is not None
                return renewed
            key = existing.key
        _insert_orders(connection, key, plan)
        evidence = {
            **values,
            "content_hash": plan.content_hash,
            "manifest": manifest,
            "units": plan.unit_count,
        }
        ledger.append(connection, plan.account, "planned", batch_key=key, evidence=evidence)
        stored = ledger.read_batch(connection, plan.account, plan.batch_id)
        assert stored is not None
        return stored


def _refuse_other_content(existing: Batch, plan: Plan, row_count: int) -> None:
    if existing.content_hash != plan.content_hash:
        raise BatchConflict(
            f"Batch {plan.batch_id!r} is already planned from {existing.manifest!r} with another content "
            f"({existing.row_count} rows, content {existing.content_hash[:12]}; this file has {row_count} rows, "
            f"content {plan.content_hash[:12]}). Nothing was sent. Give the changed manifest a new batch_id, "
            "with only the rows that are still to be bought."
        )


def _refuse_repeat(connection: Connection, plan: Plan) -> None:
    earlier = connection.execute(
        select(batches.c.batch_id, batches.c.manifest)
        .where(
            batches.c.account == plan.account,
            batches.c.content_hash == plan.content_hash,
            batches.c.batch_id != plan.batch_id,  # a rival may have stored this very batch a moment ago
        )
        .order_by(batches.c.id)
    ).first()
    if earlier is not None:
        raise BatchConflict(
            f"This manifest's content was already planned as batch {earlier.batch_id!r} (from "
            f"{earlier.manifest!r}); batch {plan.batch_id!r} would buy it again. Nothing was sent. "
            f"Use batch_id={earlier.batch_id!r} to go on with that batch, or allow_repeat=True if the client "
            "really wants everything twice."
        )


def _insert_batch(
    connection: Connection,
    plan: Plan,
    values: Mapping[str, object],
    manifest: str,
    row_count: int,
    allow_repeat: bool,
) -> int:
    content_key = plan.content_hash
    if allow_repeat:
        content_key = hashlib.sha256(f"{plan.content_hash}:{plan.batch_id}".encode()).hexdigest()
    result = connection.execute(
        insert(batches).values(
            account=plan.account,
            batch_id=plan.batch_id,
            manifest=manifest[-255:],
            content_hash=plan.content_hash,
            content_key=content_key,
            row_count=row_count,
            unit_count=plan.unit_count,
            **values,
        )
    )
    return _key(result)


def _end_approvals(ledger: Ledger, connection: Connection, batch: Batch, now: int) -> None:
    """A plan that expired starts over: whoever approved it before is asked again."""
    approved = select(approvals.c.id).where(
        approvals.c.batch_key == batch.key, approvals.c.choice == Choice.APPROVED.value
    )
    if not batch.expired(now) or connection.execute(approved.limit(1)).first() is None:
        return
    connection.execute(
        insert(approvals).values(
            account=batch.account,
            batch_key=batch.key,
            request=f"lapsed at {now}",
            plan_hash=batch.plan_hash,
            asked_at=now,
            choice=Choice.LAPSED.value,
            at=now,
            note=f"the plan was valid until {batch.expires:%Y-%m-%d %H:%M} UTC",
        )
    )
    evidence = {"plan_hash": batch.plan_hash, "valid_until": batch.valid_until}
    ledger.append(connection, batch.account, "lapsed", batch_key=batch.key, evidence=evidence)


def _discard_orders(connection: Connection, batch: Batch) -> None:
    """Delete the orders of a batch of which none was ever touched. The DELETE itself is the guard."""
    untouched = (orders.c.state == OrderState.PLANNED.value) & (orders.c.attempt == 0)
    connection.execute(delete(units).where(units.c.batch_key == batch.key))
    deleted = connection.execute(delete(orders).where(orders.c.batch_key == batch.key, untouched))
    if deleted.rowcount != batch.order_count:
        raise BatchConflict(
            f"Batch {batch.batch_id!r} began to be bought while its plan was being renewed. This call sent "
            "nothing and changed nothing. Run it again: the batch keeps the plan it is bought under."
        )


def begun(connection: Connection, batch: Batch) -> bool:
    """Whether anything ever happened to an order of the batch: sent, or held for a person and given back."""
    happened = (
        select(events.c.id).where(events.c.batch_key == batch.key, events.c.kind == "transition").limit(1),
        select(strays.c.reference)
        .join(orders, orders.c.id == strays.c.order_key)
        .where(orders.c.batch_key == batch.key)
        .limit(1),
    )
    return any(connection.execute(query).first() is not None for query in happened)


def _insert_orders(connection: Connection, batch_key: int, plan: Plan) -> None:
    for planned in plan.orders:
        result = connection.execute(
            insert(orders).values(
                account=plan.account,
                batch_key=batch_key,
                number=planned.number,
                state=OrderState.PLANNED.value,
                attempt=0,
                lines=lines_to_json(order_request(planned.shape)),
                total=money_text(planned.total),
                due=money_text(planned.total),
                looks=0,
            )
        )
        order_key = _key(result)
        connection.execute(
            insert(units),
            [
                {
                    "batch_key": batch_key,
                    "number": unit.number,
                    "order_key": order_key,
                    "manifest_row": unit.row,
                    "recipient_ref": unit.recipient_ref,
                    "bundle": unit.bundle,
                    "topped_up": unit.iccid,
                    "cost_centre": unit.cost_centre,
                    "country": unit.country,
                    "install_by": unit.install_by.isoformat() if unit.install_by else None,
                    "price": money_text(price),
                }
                for unit, price in zip(planned.units, planned.unit_prices, strict=True)
            ],
        )


def _key(result: "CursorResult[Any]") -> int:
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])
