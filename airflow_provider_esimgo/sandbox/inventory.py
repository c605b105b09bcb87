"""Inventory: bundles bought without an eSIM, put on eSIMs later (apply) or refunded.

Invariants: apply never touches the balance; a batch never drops below zero; a refund never exceeds what was paid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_esimgo.sandbox.errors import ApiError, unreadable
from airflow_provider_esimgo.sandbox.lifecycle import REFUND_PERIOD, usable_esim
from airflow_provider_esimgo.sandbox.order_request import QUEUE_LIMIT
from airflow_provider_esimgo.sandbox.ordering import put_bundle, record_refund
from airflow_provider_esimgo.sandbox.records import Apply, Batch, Order, OrderLine
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store


@dataclass(frozen=True)
class ApplyLine:
    name: str
    repeat: int = 1
    iccid: str = ""
    allow_reassign: bool = False


@dataclass(frozen=True)
class Applied:
    iccid: str
    bundle: str


def read_apply(fields: Mapping[str, Any]) -> tuple[ApplyLine, ...]:
    lowered = {key.lower(): value for key, value in fields.items()}
    several = lowered.get("bundles")
    if several is not None:
        if not isinstance(several, list) or not several:
            raise unreadable()
        return tuple(line for one in several for line in read_apply(one if isinstance(one, dict) else {}))
    name, iccid = lowered.get("name") or lowered.get("bundle") or "", lowered.get("iccid") or ""
    repeat = lowered.get("repeat")
    if not isinstance(name, str) or not isinstance(iccid, str) or isinstance(repeat, bool):
        raise unreadable()
    if not isinstance(repeat, int | None):
        raise unreadable()
    if not name:
        raise ApiError(400, "bundle name is required")
    if iccid and repeat is not None and repeat > 1:
        raise ApiError(400, "repeat cannot be used with an ICCID")
    if repeat is not None and repeat < 1:
        raise ApiError(400, "repeat must be at least 1")
    return (ApplyLine(name, repeat or 1, iccid, bool(lowered.get("allowreassign"))),)


def in_stock(store: Store, name: str, now: int) -> list[Batch]:
    """Batches with something left, those that expire first in front."""
    left = (batch for batch in store.batches.values() if batch.bundle == name)
    return sorted(
        (batch for batch in left if batch.remaining > 0 and batch.expires > now),
        key=lambda batch: (batch.expires, batch.usage_id),
    )


def apply(
    store: Store, settings: Settings, lines: tuple[ApplyLine, ...], *, source_ip: str
) -> tuple[str, list[Applied]]:
    with store.transaction():
        now = store.clock.now()
        wanted: dict[str, int] = {}
        for line in lines:
            _check_apply(store, line, now)
            wanted[line.name] = wanted.get(line.name, 0) + line.repeat
        for name, quantity in wanted.items():
            if sum(batch.remaining for batch in in_stock(store, name, now)) < quantity:
                raise ApiError(403, f"no bundles left in inventory: {name}")
        reference, serial = store.new_reference()
        created = store.created_now()
        applied: list[Applied] = []
        for line in lines:
            for _ in range(line.repeat):
                _take(store, line.name, now)
                applied.append(_put_on(store, settings, line, f"{reference}-{len(applied)}", created))
        items = tuple(
            OrderLine("bundleAssignment", f"{reference}-{index}", 0, Decimal(0), iccids=(one.iccid,))
            for index, one in enumerate(applied)
        )
        store.put(Apply(reference, tuple(one.iccid for one in applied)))
        store.put(
            Order(
                reference=reference,
                serial=serial,
                created=created,
                lines=items,
                total=Decimal(0),
                charged=Decimal(0),
                status="completed",
                message=f"Order completed: {len(applied)} eSIMs assigned",
                assigned=True,
                source_ip=source_ip,
                running_balance=store.balance,
                by="apply",
            )
        )
        return reference, applied


def _check_apply(store: Store, line: ApplyLine, now: int) -> None:
    bundle = store.catalogue.get(line.name)
    if bundle is None:
        raise ApiError(400, f"bundle not found: {line.name}")
    if not line.iccid:
        return
    esim = usable_esim(store, line.iccid, now)
    if esim.profile_name != bundle.profile_name and not line.allow_reassign:
        raise ApiError(400, f"bundle {line.name} is not compatible with eSIM {line.iccid}")
    if sum(held.state_at(now) in ("queued", "processing") for held in esim.bundles) >= QUEUE_LIMIT:
        raise ApiError(400, f"eSIM {line.iccid} already has {QUEUE_LIMIT} bundles queued")


def _take(store: Store, name: str, now: int) -> None:
    batch = in_stock(store, name, now)[0]
    store.put(dataclasses.replace(batch, remaining=batch.remaining - 1))


def _put_on(store: Store, settings: Settings, line: ApplyLine, reference: str, at: int) -> Applied:
    bundle = store.catalogue[line.name]
    esim = store.esims[line.iccid] if line.iccid else None
    if esim is None or esim.profile_name != bundle.profile_name:
        esim = store.new_esim(bundle.profile_name, at, reference=reference.rsplit("-", 1)[0])
    put_bundle(store, settings, esim, bundle, reference, at)
    return Applied(esim.iccid, bundle.name)


def refund(store: Store, usage_id: int, quantity: int, *, enabled: bool) -> str:
    if not enabled:
        raise ApiError(403, "refunds are not enabled for this organisation")
    with store.transaction():
        now = store.clock.now()
        batch = store.batches.get(str(usage_id))
        if batch is None:
            raise ApiError(400, f"usage not found: {usage_id}")
        if quantity < 1 or quantity > batch.remaining:
            raise ApiError(400, f"cannot refund {quantity} of {batch.remaining} remaining bundles")
        if now - batch.purchased >= REFUND_PERIOD:
            raise ApiError(400, "bundle is outside the refund period")
        store.put(dataclasses.replace(batch, remaining=batch.remaining - quantity))
        line = OrderLine("bundleRefund", batch.bundle, quantity, Decimal(0))
        record_refund(store, (line,), batch.price * quantity, "", now)
    return "Successfully refunded bundles to balance"
