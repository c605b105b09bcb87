"""From a manifest to a batch in the ledger: pack, price by the vendor's dry run, check against money, freeze.

Nothing here spends: the vendor is asked with `type: validate` only. A plan that was begun to be bought is
never changed; one that was not may be priced again.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.api import EsimGoClient, OrderLine, OrderRequest
from airflow_provider_esimgo.ledger.errors import BatchConflict, PlanRefused
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.records import Batch, lines_to_json
from airflow_provider_esimgo.ledger.schema import batches, events, orders, strays, units
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import (
    DraftLine,
    Manifest,
    Plan,
    Quote,
    Shape,
    expand_units,
    pack_orders,
    price_plan,
)
from airflow_provider_esimgo.manifest.hashing import money_text

log = logging.getLogger(__name__)


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
    allow_repeat: bool = False,
) -> Batch:
    """Price a manifest and store it as a batch; buys nothing.

    Args:
        account: the account it is bought on.
        batch_id: the batch's name; None derives one from the content.
        currency: the currency the connection expects; None accepts the account's.
        max_total: refuse a plan that costs more.
        allow_repeat: accept content that another batch already holds.

    Raises:
        PlanRefused: the vendor's price, the balance or a cap forbids it.
        BatchConflict: the id or the content is taken.
        ApiError: the vendor refused or could not be asked.
    """
    drafts = pack_orders(expand_units(manifest), max_units_per_order=policy.max_units_per_order)
    quotes = quote_shapes(client, (draft.shape for draft in drafts), policy)
    plan = price_plan(
        account=account,
        batch_id=batch_id or f"batch-{manifest.content_hash[:12]}",
        drafts=drafts,
        quotes=quotes,
    )
    existing = ledger.find_batch(account, plan.batch_id)
    if existing is None or not any(order.attempt for order in ledger.orders(existing)):
        check_money(client, plan, policy=policy, currency=currency, max_total=max_total)
    ledger.ensure_account(account, plan.currency)
    return store_plan(
        ledger, plan, manifest=manifest.name, row_count=manifest.row_count, allow_repeat=allow_repeat
    )


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
) -> None:
    """Refuse a plan that the caps, the currency or the balance do not allow."""
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


def store_plan(
    ledger: Ledger, plan: Plan, *, manifest: str, row_count: int, allow_repeat: bool = False
) -> Batch:
    """Freeze a plan as a batch with its orders and units.

    The same content under the same id again is the same batch: while none of its orders has been sent its
    prices are brought up to date, afterwards it stays as it is.

    Raises:
        BatchConflict: the id holds another content, or another id holds this content.
    """
    try:
        return _store(ledger, plan, manifest, row_count, allow_repeat)
    except IntegrityError:  # another worker stored the same batch or content a moment ago: look again
        return _store(ledger, plan, manifest, row_count, allow_repeat)


def _store(ledger: Ledger, plan: Plan, manifest: str, row_count: int, allow_repeat: bool) -> Batch:
    with ledger.database.write() as connection:
        existing = ledger.read_batch(connection, plan.account, plan.batch_id)
        values = {
            "plan_hash": plan.plan_hash,
            "currency": plan.currency,
            "total": money_text(plan.total),
            "order_count": plan.order_count,
            "planned_at": ledger.database.now(connection),
        }
        if existing is None:
            if not allow_repeat:
                _refuse_repeat(connection, plan)
            key = _insert_batch(connection, plan, values, manifest, row_count, allow_repeat)
        else:
            _refuse_other_content(existing, plan, row_count)
            if existing.plan_hash == plan.plan_hash or not _discard_orders(connection, existing):
                return existing
            connection.execute(update(batches).where(batches.c.id == existing.key).values(values))
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


def _discard_orders(connection: Connection, batch: Batch) -> bool:
    """Delete the batch's orders if none was ever touched; tells whether it did. The DELETE itself is the guard."""
    if _begun(connection, batch):
        return False
    untouched = (orders.c.state == OrderState.PLANNED.value) & (orders.c.attempt == 0)
    connection.execute(delete(units).where(units.c.batch_key == batch.key))
    deleted = connection.execute(delete(orders).where(orders.c.batch_key == batch.key, untouched))
    if deleted.rowcount != batch.order_count:
        raise BatchConflict(
            f"Batch {batch.batch_id!r} began to be bought while its plan was being renewed. This call sent "
            "nothing and changed nothing. Run it again: the batch keeps the plan it is bought under."
        )
    return True


def _begun(connection: Connection, batch: Batch) -> bool:
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
