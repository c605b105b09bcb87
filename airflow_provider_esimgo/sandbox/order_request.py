"""The body of POST /orders: read it, and check it against catalogue, eSIMs and balance.

Nothing here changes the store. Errors carry the vendor's words where they are known (API reference, section 1.5).
Invariant: `validate` and `transaction` pass the same checks.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.catalogue import Bundle
from airflow_provider_esimgo.sandbox.errors import ApiError, unreadable
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store

QUEUE_LIMIT = 30


@dataclass(frozen=True)
class RequestLine:
    item: str
    quantity: int
    iccids: tuple[str, ...] = ()
    allow_reassign: bool = False


@dataclass(frozen=True)
class OrderRequest:
    type: str
    assign: bool
    lines: tuple[RequestLine, ...]
    profile_id: str = ""

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)


def _lowered(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise unreadable()
    return {str(key).lower(): held for key, held in value.items()}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def read_order(body: bytes) -> OrderRequest:
    """The body as an order; keys match in any case, unknown ones are dropped, as the vendor's server does."""
    try:
        fields = _lowered(json.loads(body))
    except ValueError:
        raise unreadable() from None
    lines, assign, kind = fields.get("order"), fields.get("assign") or False, fields.get("type")
    if not isinstance(assign, bool) or not isinstance(lines or [], list):
        raise unreadable()
    if not lines:
        raise ApiError(400, "Order must contain Order Items")
    if kind not in ("validate", "transaction"):
        raise ApiError(400, f"invalid order type: {kind or ''}")
    profile_id = fields.get("profileid") or ""
    if not isinstance(profile_id, str):
        raise unreadable()
    return OrderRequest(kind, assign, tuple(_read_line(line) for line in lines), profile_id)


def _read_line(value: object) -> RequestLine:
    fields = _lowered(value)
    item, quantity = fields.get("item"), fields.get("quantity")
    iccids, reassign = fields.get("iccids") or [], fields.get("allowreassign") or False
    if not isinstance(item, str | None) or not isinstance(reassign, bool) or not isinstance(iccids, list):
        raise unreadable()
    if quantity is not None and not _is_whole(quantity):
        raise unreadable()
    if any(not isinstance(iccid, str) for iccid in iccids):
        raise unreadable()
    if fields.get("type") != "bundle":
        raise ApiError(400, f"invalid order item type: {fields.get('type') or ''}")
    if not quantity or quantity < 1:
        raise ApiError(400, "quantity must be at least 1")
    # [""] is how the help centre writes "a new eSIM"
    return RequestLine(item or "", quantity, tuple(iccid for iccid in iccids if iccid), reassign)


def check_order(
    store: Store, request: OrderRequest, settings: Settings, *, new_fields: bool = True
) -> Decimal:
    """The order's total; ApiError when the vendor would refuse it."""
    if new_fields and request.profile_id:
        _check_profile(request)
    total = Decimal(0)
    queued: dict[str, int] = {}
    for line in request.lines:
        bundle = store.catalogue.get(line.item)
        if bundle is None:
            raise ApiError(400, f"bundle not found: {line.item}")
        if line.iccids and not request.assign:
            raise ApiError(400, "ICCIDs can only be provided when assign is true")
        if line.iccids and len(line.iccids) != line.quantity:
            raise ApiError(
                400, f"number of ICCIDs ({len(line.iccids)}) does not match quantity ({line.quantity})"
            )
        for iccid in line.iccids:
            _check_target(store, iccid, bundle, line, queued)
        total += bundle.price * line.quantity
    if settings.bulk_max_units is not None and request.units > settings.bulk_max_units:
        raise ApiError(settings.bulk_error, f"order exceeds {settings.bulk_max_units} bundles")
    if total > store.balance and (request.type == "transaction" or settings.validate_checks_balance):
        raise ApiError(
            settings.balance_error,
            f"Insufficient balance to complete order: required {total:.2f}, available {store.balance:.2f}",
        )
    return total


def _check_profile(request: OrderRequest) -> None:
    profile_id = request.profile_id
    try:
        parsed = str(uuid.UUID(profile_id))
    except ValueError:
        fault = f"invalid UUID length: {len(profile_id)}" if len(profile_id) != 36 else "invalid UUID format"
        raise ApiError(400, f"failed to parse profile id: {profile_id}: {fault}") from None
    if not request.assign:
        raise ApiError(400, "profileID can only be provided when assign is true")
    if parsed not in identifiers.BRANDING_IDS:
        raise ApiError(400, "unable to find esim profile")


def _check_target(
    store: Store, iccid: str, bundle: Bundle, line: RequestLine, queued: dict[str, int]
) -> None:
    esim = store.esims.get(iccid)
    if esim is None:
        raise ApiError(400, f"eSIM not found: {iccid}")
    if esim.state == "deactivated":
        raise ApiError(400, f"eSIM is deactivated: {iccid}")
    if esim.profile_name != bundle.profile_name and not line.allow_reassign:
        raise ApiError(400, f"bundle {bundle.name} is not compatible with eSIM {iccid}")
    now = store.clock.now()
    if iccid not in queued:
        queued[iccid] = sum(held.state_at(now) in ("queued", "processing") for held in esim.bundles)
    queued[iccid] += 1
    if queued[iccid] > QUEUE_LIMIT:
        raise ApiError(400, f"eSIM {iccid} already has {QUEUE_LIMIT} bundles queued")
