"""Orders and install details, as the API answers them.

Handlers hold the store's lock for their whole effect.
Invariant: an order whose answer was lost is in the books all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from airflow_provider_esimgo.sandbox import install_details, wire
from airflow_provider_esimgo.sandbox.clock import SECOND
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.exchange import (
    answer,
    call_of,
    flag,
    listing,
    number,
    page_of,
    sandbox_of,
    time_filter,
)
from airflow_provider_esimgo.sandbox.install_details import Row
from airflow_provider_esimgo.sandbox.order_request import OrderRequest, check_order, read_order
from airflow_provider_esimgo.sandbox.ordering import Twist, place
from airflow_provider_esimgo.sandbox.records import Order
from airflow_provider_esimgo.sandbox.sandbox import Call, Sandbox

router = APIRouter()


def twist_of(call: Call) -> Twist:
    twist = Twist()
    if rule := call.rule("fewer_esims"):
        twist = dataclasses.replace(twist, fewer=int(rule["missing"]), fewer_charge=rule["charge"])
    if rule := call.rule("late_esims"):
        twist = dataclasses.replace(
            twist, esims_after=rule["seconds"], esims_answer=rule["answer"], shows_iccids=rule["iccids"]
        )
    if rule := call.rule("late_visible"):
        twist = dataclasses.replace(twist, visible_after=rule["seconds"])
    if rule := call.rule("failed"):
        twist = dataclasses.replace(
            twist, fails=True, fails_after=rule["seconds"], fails_charge=rule["charge"]
        )
    return dataclasses.replace(twist, reassigns=call.rule("reassign") is not None)


@router.post("/orders")
async def post_order(request: Request) -> Response:
    body = await request.body()
    sandbox, call = sandbox_of(request), call_of(request)
    with sandbox.store.lock:
        try:
            wanted = read_order(body)
            if not call.new:
                wanted = dataclasses.replace(wanted, profile_id="")
            if wanted.type == "validate":
                total = check_order(sandbox.store, wanted, sandbox.settings)
                now = sandbox.store.clock.now()
                return answer(wire.validation(wanted, sandbox.store, sandbox.settings, total, now))
            return _buy(sandbox, call, wanted)
        except ApiError as error:
            if sandbox.settings.order_error == "text":
                return Response(error.message, error.status, media_type="text/plain")
            raise


def _buy(sandbox: Sandbox, call: Call, wanted: OrderRequest) -> Response:
    store, settings = sandbox.store, sandbox.settings
    gap = store.clock.now() - store.last_created
    if settings.bulk_min_seconds and gap < settings.bulk_min_seconds * SECOND:
        raise ApiError(settings.bulk_error, "orders too close together")
    twin = call.rule("twin")
    if twin and twin["when"] == "before":
        _buy_alike(sandbox, wanted, twin["source_ip"], "twin")
    order = place(store, wanted, settings, source_ip=call.source_ip, twist=twist_of(call))
    if call.post:
        call.post.reference = order.reference
    if call.rule("duplicate"):
        _buy_alike(sandbox, wanted, call.source_ip, "duplicate")
    if twin and twin["when"] == "after":
        _buy_alike(sandbox, wanted, twin["source_ip"], "twin")
    in_full = settings.async_threshold is None or wanted.units <= settings.async_threshold
    return answer(wire.order(order, store, settings, order.created, esims=in_full))


def _buy_alike(sandbox: Sandbox, wanted: OrderRequest, source_ip: str, by: str) -> None:
    with contextlib.suppress(ApiError):  # no balance left for it: then there is no such order
        place(sandbox.store, wanted, sandbox.settings, source_ip=source_ip, by=by)


@router.get("/orders")
async def list_orders(request: Request) -> Response:
    sandbox = sandbox_of(request)
    page, limit = number(request, "page", 1), number(request, "limit", 10, 10_000)
    filters = [time_filter(text) for text in request.query_params.getlist("createdAt")]
    with sandbox.store.lock:
        now, settings = sandbox.store.clock.now(), sandbox.settings
        found = [
            order
            for order in sandbox.store.orders.values()
            if order.visible_at <= now and all(passes(order.created) for passes in filters)
        ]
        if settings.order_sort == "newest":
            found.reverse()
        shows = settings.iccids_always or flag(request, "includeIccids")
        rows = [
            wire.order(order, sandbox.store, settings, now, esims=shows, iccids=shows)
            for order in page_of(found, page, limit)
        ]
    return listing("orders", rows, len(found), limit, settings)


@router.get("/orders/{reference}")
async def get_order(request: Request, reference: str) -> Response:
    sandbox = sandbox_of(request)
    with sandbox.store.lock:
        now = sandbox.store.clock.now()
        order = sandbox.store.orders.get(reference)
        if order is None or order.visible_at > now:
            raise ApiError(400, f"order not found: {reference}")
        if order.ready_at > now and order.ready_answer == "503":
            raise ApiError(503, "order is processing", retry_after=_seconds_until(order.ready_at, now))
        return answer(wire.order(order, sandbox.store, sandbox.settings, now))


def _seconds_until(at: int, now: int) -> int:
    return -((now - at) // SECOND)


# install details


def _order_rows(sandbox: Sandbox, order: Order, now: int) -> list[Row]:
    store = sandbox.store
    ready_at = max(order.ready_at, order.created + round(sandbox.settings.ready_seconds * SECOND))
    short = sandbox.settings.ready_answer == "short"
    if ready_at > now and not short:
        raise ApiError(503, "processing", retry_after=_seconds_until(ready_at, now))
    rows = []
    for line in order.lines:
        for iccid in line.iccids:
            esim = store.esims[iccid]
            if esim.state == "deactivated":
                raise ApiError(410, f"eSIM is deactivated: {iccid}")
            name = line.item
            if line.type == "bundleAssignment":
                name = next(held.bundle for held in esim.bundles if held.reference == line.item)
            rows.append(Row(esim, name, order.reference))
    return rows[:-1] if ready_at > now else rows


def _rows(sandbox: Sandbox, references: Sequence[str]) -> list[Row]:
    if not any(references):
        raise ApiError(400, "reference is required")
    now = sandbox.store.clock.now()
    rows: list[Row] = []
    for reference in references:
        order = sandbox.store.orders.get(reference)
        if order is None or order.visible_at > now:
            raise ApiError(400, f"order reference not found: {reference}")
        rows += _order_rows(sandbox, order, now)
    return rows


async def _assignments(request: Request, references: Sequence[str], accept: str) -> Response:
    sandbox, call = sandbox_of(request), call_of(request)
    settings, additional = sandbox.settings, request.query_params.get("additionalFields", "")
    with sandbox.store.lock:
        try:
            rows = _rows(sandbox, references)
        except ApiError as error:
            if error.status != 503 or settings.ready_answer == "503":
                raise
            if settings.ready_answer == "500":
                raise ApiError(500, "Internal Server Error") from None
            if settings.ready_answer == "empty":
                return Response(b"")
            rows = []
    if "application/json" in accept:
        body = install_details.as_json(rows, settings, additional, new=call.new)
        return Response(body, media_type="application/json")
    if "application/zip" in accept:
        name = references[0] if len(references) == 1 else "assignments"
        # a thousand new QR codes take seconds: not on the loop
        body = await asyncio.to_thread(install_details.as_zip, rows, settings, name, additional)
        return Response(
            body,
            media_type="application/zip",
            headers={"content-disposition": f'attachment; filename="{name}.zip"'},
        )
    additional = additional if call.new else ""
    return Response(install_details.as_csv(rows, settings, additional), media_type="text/csv")


@router.get("/esims/assignments")
async def get_assignments(request: Request) -> Response:
    references = request.query_params.getlist("reference")
    return await _assignments(request, references, request.headers.get("accept", ""))


@router.get("/esims/assignments/{reference}")
async def get_assignments_by_path(request: Request, reference: str) -> Response:
    if not sandbox_of(request).settings.assignments_alias:
        raise ApiError(403, "access denied")
    return await _assignments(request, [reference], request.headers.get("accept", ""))


@router.get("/esims/qr/{reference}")
async def get_qr(request: Request, reference: str) -> Response:
    return await _assignments(request, [reference], "application/zip")


@router.get("/esims/csv/{reference}")
async def get_csv(request: Request, reference: str) -> Response:
    return await _assignments(request, [reference], "text/csv")
