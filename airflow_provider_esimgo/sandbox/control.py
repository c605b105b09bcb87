"""The control API under /_sandbox: what devices, colleagues, time and misfortune do. No key, no rate limit.

It exists in the sandbox only. Invariant: each call answers after its effect is in the books.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_esimgo.sandbox import lifecycle, wire
from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.exchange import answer, read_object, sandbox_of
from airflow_provider_esimgo.sandbox.faults import read_rule
from airflow_provider_esimgo.sandbox.sandbox import PORTAL_IP, Sandbox

router = APIRouter(prefix="/_sandbox")


def _decimal(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ApiError(400, f"not a number: {value}") from None


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ApiError(400, f"not a number of seconds: {value}")
    return value


async def _chosen(request: Request) -> tuple[Sandbox, dict[str, Any], list[str]]:
    sandbox, fields = sandbox_of(request), await read_object(request, may_be_empty=True)
    if not {"iccids", "reference", "all"} & fields.keys():
        raise ApiError(400, "say which eSIMs: iccids, reference or all")
    iccids = sandbox.chosen(
        fields.get("iccids"), reference=fields.get("reference"), everything=bool(fields.get("all"))
    )
    return sandbox, fields, iccids


@router.get("/state")
async def get_state(request: Request) -> Response:
    return answer(sandbox_of(request).books())


@router.post("/install")
async def post_install(request: Request) -> Response:
    sandbox, fields, iccids = await _chosen(request)
    return answer({"iccids": sandbox.install(iccids, fields.get("count"))})


@router.post("/activate")
async def post_activate(request: Request) -> Response:
    sandbox, fields, iccids = await _chosen(request)
    return answer({"iccids": sandbox.activate(iccids, fields.get("count"), fields.get("bundle"))})


@router.post("/use")
async def post_use(request: Request) -> Response:
    sandbox, fields, iccids = await _chosen(request)
    share = _decimal(fields.get("share", 1))
    if not 0 <= share <= 1:
        raise ApiError(400, "share is between 0 and 1")
    chosen = iccids[: fields.get("count")]
    return answer({"iccids": lifecycle.use(sandbox.store, chosen, share=share, bundle=fields.get("bundle"))})


@router.post("/suspend")
async def post_policy_suspension(request: Request) -> Response:
    """A suspension by policy, which the API cannot lift."""
    sandbox, fields, iccids = await _chosen(request)
    for iccid in iccids:
        lifecycle.suspend(sandbox.store, iccid, suspended=bool(fields.get("suspend", True)), by="policy")
    return answer({"iccids": iccids})


@router.post("/advance")
async def post_advance(request: Request) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    now = sandbox.store.advance(_seconds(fields.get("seconds")))
    sandbox.catch_up()
    return answer({"now": rfc3339(now)})


@router.post("/price")
async def post_price(request: Request) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    name = fields.get("bundle")
    if name not in sandbox.store.catalogue:
        raise ApiError(400, f"bundle not found: {name}")
    sandbox.store.set_price(name, _decimal(fields.get("price")))
    return answer({"bundle": name, "price": wire.money(sandbox.store.catalogue[name].price)})


@router.post("/balance")
async def post_balance(request: Request) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    sandbox.set_balance(_decimal(fields.get("balance")))
    return answer({"balance": wire.money(sandbox.store.balance)})


@router.post("/buy")
async def post_buy(request: Request) -> Response:
    sandbox, body = sandbox_of(request), await request.body()
    source_ip = (await read_object(request)).get("sourceIP") or PORTAL_IP
    order = sandbox.buy(body, source_ip)
    return answer(wire.order(order, sandbox.store, sandbox.settings, order.created))


@router.get("/faults")
async def get_faults(request: Request) -> Response:
    return answer({"faults": sandbox_of(request).faults.report()})


@router.post("/faults")
async def post_faults(request: Request) -> Response:
    """`{"replace": [...]}`, `{"append": [...]}`, or one rule, or an array of rules, which are appended."""
    sandbox = sandbox_of(request)
    given = await _json(request)
    replaces = isinstance(given, dict) and "replace" in given
    if isinstance(given, dict) and {"replace", "append"} & given.keys():
        given = given.get("replace", given.get("append"))
    rules = _refused(lambda: [read_rule(one) for one in (given if isinstance(given, list) else [given])])
    if replaces:
        sandbox.faults.replace(rules)
    else:
        sandbox.faults.append(rules)
    return answer({"faults": sandbox.faults.report()})


@router.get("/settings")
async def get_settings(request: Request) -> Response:
    return answer(vars(sandbox_of(request).settings))


@router.post("/settings")
async def post_settings(request: Request) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    _refused(lambda: sandbox.set(**fields))
    return answer(vars(sandbox.settings))


@router.post("/reset")
async def post_reset(request: Request) -> Response:
    sandbox_of(request).reset()
    return answer({"status": "reset"})


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise ApiError(400, "not JSON") from None


def _refused(change: Callable[[], Any]) -> Any:
    try:
        return change()
    except (ValueError, TypeError, AttributeError) as error:
        raise ApiError(400, str(error)) from None
