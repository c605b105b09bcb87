"""eSIMs and the bundles on them, as the API answers them.

Invariant: suspend and delete exist under v2.5 only.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_esimgo.sandbox import inventory, lifecycle, wire
from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.errors import ApiError, unreadable
from airflow_provider_esimgo.sandbox.exchange import (
    answer,
    call_of,
    flag,
    listing,
    number,
    page_of,
    read_object,
    sandbox_of,
    text_filter,
    time_filter,
)
from airflow_provider_esimgo.sandbox.records import Esim
from airflow_provider_esimgo.sandbox.sandbox import Call

router = APIRouter()

ENDED = ("depleted", "expired", "revoked", "lapsed")


def _only_new(call: Call) -> None:
    if not call.new:
        raise ApiError(403, "access denied")


def _passes(esim: Esim, by: str, wanted: str) -> bool:
    texts = {"iccid": esim.iccid, "customerRef": esim.customer_ref, "lastAction": esim.last_action}
    times = {"actionDate": esim.action_at, "assignedDate": esim.assigned_at}
    if by in texts:
        return text_filter(wanted)(texts[by])
    if by in times:
        return time_filter(wanted)(times[by])
    raise ApiError(400, f"invalid filterBy: {by}")


@router.get("/esims")
async def list_esims(request: Request) -> Response:
    sandbox, call, query = sandbox_of(request), call_of(request), request.query_params
    page, size = number(request, "page", 1), number(request, "perPage", 25)
    if size not in (10, 25, 50, 100):
        raise ApiError(400, f"invalid perPage: {size}")
    with sandbox.store.lock:
        now = sandbox.store.clock.now()
        found = [esim for esim in sandbox.store.esims.values() if esim.visible_at <= now]
        if query.get("filterBy") and query.get("filter"):
            found = [esim for esim in found if _passes(esim, query["filterBy"], query["filter"])]
        if query.get("orderBy") == "iccid":
            found.sort(key=lambda esim: esim.iccid)
        if query.get("direction") == "desc":
            found.reverse()
        rows = [wire.esim_row(esim, new=call.new) for esim in page_of(found, page, size)]
    return listing("esims", rows, len(found), size, sandbox.settings)


@router.put("/esims")
async def put_esim(request: Request) -> Response:
    sandbox = sandbox_of(request)
    fields: dict[str, Any] = dict(request.query_params) | await read_object(request, may_be_empty=True)
    iccid, customer_ref = fields.get("iccid"), fields.get("customerRef", "")
    if not isinstance(iccid, str) or not isinstance(customer_ref, str):
        raise unreadable()
    with sandbox.store.transaction():
        now = sandbox.store.clock.now()
        esim = lifecycle.find_esim(sandbox.store, iccid, now)
        sandbox.store.put(dataclasses.replace(esim, customer_ref=customer_ref).told("eSIM Updated", now))
    return answer({"status": "success"})


@router.post("/esims/apply")
async def post_apply(request: Request) -> Response:
    sandbox = sandbox_of(request)
    lines = inventory.read_apply(await read_object(request))
    reference, applied = inventory.apply(
        sandbox.store, sandbox.settings, lines, source_ip=call_of(request).source_ip
    )
    esims = [
        {"iccid": one.iccid, "status": "Successfully Applied Bundle", "bundle": one.bundle} for one in applied
    ]
    return answer({"esims": esims, "applyReference": reference})


@router.get("/esims/{iccid}")
async def get_esim(request: Request, iccid: str) -> Response:
    sandbox = sandbox_of(request)
    esim = lifecycle.find_esim(sandbox.store, iccid, sandbox.store.clock.now())
    additional = request.query_params.get("additionalFields", "")
    return answer(wire.esim_detail(esim, sandbox.settings, new=call_of(request).new, additional=additional))


@router.delete("/esims/{iccid}")
async def delete_esim(request: Request, iccid: str) -> Response:
    _only_new(call_of(request))
    return answer({"status": lifecycle.delete(sandbox_of(request).store, iccid)})


@router.get("/esims/{iccid}/history")
async def get_history(request: Request, iccid: str) -> Response:
    store = sandbox_of(request).store
    esim = lifecycle.find_esim(store, iccid, store.clock.now())
    rows = []
    for event in reversed(esim.history):
        row = {"name": event.name, "bundleName": event.bundle, "date": rfc3339(event.at)}
        rows.append(row | {"alertType": event.alert} if event.alert else row)
    return answer(rows)


@router.get("/esims/{iccid}/refresh")
async def get_refresh(request: Request, iccid: str) -> Response:
    store = sandbox_of(request).store
    with store.transaction():
        now = store.clock.now()
        store.put(lifecycle.usable_esim(store, iccid, now).told("eSIM Refreshed", now))
    return answer({"status": "Successfully refreshed SIM"})


@router.post("/esims/{iccid}/sms")
async def post_sms(request: Request, iccid: str) -> Response:
    store, fields = sandbox_of(request).store, await read_object(request)
    message, sender = fields.get("message"), fields.get("from") or "eSIM"
    lifecycle.usable_esim(store, iccid, store.clock.now())
    if not isinstance(message, str) or not 1 <= len(message) <= 160:
        raise ApiError(400, "message must be between 1 and 160 characters")
    if sender != "eSIM":
        raise ApiError(400, "invalid sender")
    return answer({"status": "sent"})


@router.get("/esims/{iccid}/location")
async def get_location(request: Request, iccid: str) -> Response:
    store = sandbox_of(request).store
    esim = lifecycle.find_esim(store, iccid, store.clock.now())
    code, network, brand, country, seen = lifecycle.location(esim)
    return answer(
        {
            "mobileNetworkCode": code,
            "networkName": network,
            "networkBrandName": brand,
            "country": country,
            "lastSeen": rfc3339(seen, 6) if seen else "",
        }
    )


@router.get("/esims/{iccid}/compatible/{name}")
async def get_compatible(request: Request, iccid: str, name: str) -> Response:
    store = sandbox_of(request).store
    esim = lifecycle.find_esim(store, iccid, store.clock.now())
    bundle = store.catalogue.get(name)
    if bundle is None:
        raise ApiError(400, f"bundle not found: {name}")
    return answer({"compatible": bundle.profile_name == esim.profile_name and esim.state != "deactivated"})


@router.post("/esims/{iccid}/suspend")
async def post_suspend(request: Request, iccid: str) -> Response:
    _only_new(call_of(request))
    wanted = (await read_object(request)).get("suspend")
    if not isinstance(wanted, bool):
        raise unreadable()
    text = lifecycle.suspend(sandbox_of(request).store, iccid, suspended=wanted)
    return answer({"status": text}, 201)


@router.get("/esims/{iccid}/suspend")
async def get_suspend(request: Request, iccid: str) -> Response:
    _only_new(call_of(request))
    store = sandbox_of(request).store
    return answer({"suspended": lifecycle.find_esim(store, iccid, store.clock.now()).state == "suspended"})


# bundles on an eSIM


@router.get("/esims/{iccid}/bundles")
async def list_bundles(request: Request, iccid: str) -> Response:
    sandbox, call = sandbox_of(request), call_of(request)
    store, limit = sandbox.store, number(request, "limit", 15, 200)
    now = store.clock.now()
    esim = lifecycle.find_esim(store, iccid, now)
    used = flag(request, "includeUsed")
    held = [one for one in reversed(esim.bundles) if used or one.state_at(now) not in ENDED][:limit]
    bundles: dict[str, dict[str, Any]] = {}
    for one in held:
        offer = store.catalogue[one.bundle]
        entry = bundles.setdefault(
            one.bundle, {"name": one.bundle, "description": offer.description, "assignments": []}
        )
        entry["assignments"].append(wire.assignment(one, sandbox.settings, now, new=call.new))
    return answer({"bundles": list(bundles.values())})


@router.post("/esims/{iccid}/bundles")
async def post_bundle(request: Request, iccid: str) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    lines = inventory.read_apply({**fields, "iccid": iccid})
    inventory.apply(sandbox.store, sandbox.settings, lines, source_ip=call_of(request).source_ip)
    return answer({"status": "Successfully Applied Bundle"})


@router.get("/esims/{iccid}/bundles/{name}")
async def get_bundle(request: Request, iccid: str, name: str) -> Response:
    sandbox, call = sandbox_of(request), call_of(request)
    now = sandbox.store.clock.now()
    esim = lifecycle.find_esim(sandbox.store, iccid, now)
    held = [one for one in reversed(esim.bundles) if one.bundle == name]
    if not held:
        raise ApiError(400, f"bundle not found on eSIM: {name}")
    return answer(
        {"assignments": [wire.assignment(one, sandbox.settings, now, new=call.new) for one in held]}
    )


@router.delete("/esims/{iccid}/bundles/{name}")
async def delete_bundle(request: Request, iccid: str, name: str) -> Response:
    return _revoke(request, iccid, name, request.query_params.get("offerId"))


@router.delete("/esims/{iccid}/bundles/{name}/assignments/{assignment_id}")
@router.delete("/esims/{iccid}/bundles/{name}/applications/{assignment_id}")
async def delete_assignment(request: Request, iccid: str, name: str, assignment_id: str) -> Response:
    return _revoke(request, iccid, name, assignment_id)


def _revoke(request: Request, iccid: str, name: str, assignment_id: str | None) -> Response:
    sandbox, kind = sandbox_of(request), request.query_params.get("type", "transaction")
    if kind not in ("validate", "transaction"):
        raise ApiError(400, f"invalid type: {kind}")
    text = lifecycle.revoke(
        sandbox.store,
        iccid,
        name,
        assignment_id=assignment_id or None,
        to_balance=flag(request, "refundToBalance"),
        refunds=sandbox.settings.refunds,
        dry_run=kind == "validate",
    )
    return answer({"status": text})
