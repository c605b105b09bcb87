"""Catalogue, inventory, organisation and networks, as the API answers them.

Invariant: what the catalogue prices is what an order charges.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_esimgo.sandbox import inventory, wire
from airflow_provider_esimgo.sandbox.catalogue import COUNTRIES, GROUPS, NETWORKS, PROFILE_1, Bundle
from airflow_provider_esimgo.sandbox.clock import DAY, rfc3339
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
)
from airflow_provider_esimgo.sandbox.identifiers import CURRENCY, ORGANISATION
from airflow_provider_esimgo.sandbox.ordering import record_topup

router = APIRouter()

_ORDER_BY: dict[str, Callable[[Bundle], Any]] = {
    "bundleName": lambda bundle: bundle.name,
    "dataAmount": lambda bundle: bundle.data_mb,
    "duration": lambda bundle: bundle.days,
    "autostart": lambda _: True,
    "roamingEnabled": lambda bundle: len(bundle.roaming),
}
LARGEST_PAGE = 500


def _asked(text: str) -> set[str]:
    return {part.strip().upper() for part in text.split(",") if part.strip()}


@router.get("/catalogue")
async def list_catalogue(request: Request) -> Response:
    sandbox, query = sandbox_of(request), request.query_params
    page, size = number(request, "page", 1), min(number(request, "perPage", 50), LARGEST_PAGE)
    found = list(sandbox.store.catalogue.values())
    if query.get("description"):
        matches = text_filter(query["description"])
        found = [bundle for bundle in found if matches(bundle.description)]
    if query.get("group"):
        found = [bundle for bundle in found if query["group"] in bundle.groups]
    if query.get("countries"):
        isos = _asked(query["countries"])
        found = [bundle for bundle in found if isos & {one.iso.upper() for one in bundle.countries}]
    if query.get("region"):
        region = query["region"].lower()
        found = [bundle for bundle in found if any(one.region.lower() == region for one in bundle.countries)]
    if query.get("orderBy"):
        if query["orderBy"] not in _ORDER_BY:
            raise ApiError(400, f"invalid orderBy: {query['orderBy']}")
        found.sort(key=_ORDER_BY[query["orderBy"]])
    if query.get("direction") == "desc":
        found.reverse()
    rows = [wire.bundle(bundle, new=call_of(request).new) for bundle in page_of(found, page, size)]
    return listing("bundles", rows, len(found), size, sandbox.settings)


@router.get("/catalogue/bundle/{name}")
async def get_catalogue_bundle(request: Request, name: str) -> Response:
    bundle = sandbox_of(request).store.catalogue.get(name)
    if bundle is None:
        raise ApiError(400, f"bundle not found: {name}")
    call = call_of(request)
    shown = wire.bundle(bundle, new=call.new)
    if call.new:
        shown["group"] = shown.pop("groups")
    return answer(shown)


@router.get("/catalogue/prices")
async def get_prices(request: Request) -> Response:
    sandbox = sandbox_of(request)
    if not call_of(request).new or not sandbox.settings.prices:
        raise ApiError(403, "access denied")
    per_gb = {iso: Decimal("0.90") + Decimal(len(country.name)) / 20 for iso, country in COUNTRIES.items()}
    prices = [
        {
            "country": {"iso": iso, "name": COUNTRIES[iso].name},
            "prices": [
                {
                    "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{iso}.sandbox.invalid")),
                    "price": f"{price:.4f}",
                    "currency": CURRENCY,
                    "profile": PROFILE_1,
                    "country": {"iso": iso, "name": COUNTRIES[iso].name},
                }
            ],
        }
        for iso, price in per_gb.items()
    ]
    return answer({"hash": hashlib.sha256(json.dumps(prices).encode()).hexdigest(), "prices": prices})


@router.get("/inventory")
async def get_inventory(request: Request) -> Response:
    store = sandbox_of(request).store
    with store.lock:
        now = store.clock.now()
        rows = [
            wire.inventory_item(bundle, batches, new=call_of(request).new)
            for bundle in store.catalogue.values()
            if (batches := inventory.in_stock(store, bundle.name, now))
        ]
    return answer({"bundles": rows})


@router.post("/inventory/refund")
async def post_refund(request: Request) -> Response:
    sandbox, fields = sandbox_of(request), await read_object(request)
    usage_id, quantity = fields.get("usageId"), fields.get("quantity")
    if type(usage_id) is not int or type(quantity) is not int:
        raise unreadable()
    return answer(
        {"status": inventory.refund(sandbox.store, usage_id, quantity, enabled=sandbox.settings.refunds)}
    )


@router.get("/organisation")
async def get_organisation(request: Request) -> Response:
    sandbox = sandbox_of(request)
    organisation = {
        "name": ORGANISATION,
        "apiKey": sandbox.key,
        "taxLiable": "Yes",
        "addr1": "1 Sandbox Lane",
        "addr2": "",
        "city": "London",
        "country": "GB",
        "postcode": "EC1A 1AA",
        "callbackUrl": "",
        "notes": "",
        "groups": [name for name, _ in GROUPS],
        "currency": CURRENCY,
        "balance": wire.money(sandbox.store.balance),
        "testCredit": 0,
        "testCreditExpiry": rfc3339(sandbox.store.clock.now() + 30 * DAY)[:10],
        "businessType": "Reseller",
        "website": "https://sandbox.invalid",
        "productDescription": "A local eSIM Go",
        "users": [
            {
                "firstName": "Sandra",
                "lastName": "Box",
                "role": "Owner",
                "emailAddress": "sandra.box@sandbox.invalid",
                "phoneNumber": "+440000000000",
                "timeZone": "Europe/London",
            }
        ],
    }
    if sandbox.settings.organisation_shape == "flat":
        return answer(organisation)
    return answer({"organisations": [organisation]})


@router.post("/organisation/balance")
async def post_balance(request: Request) -> Response:
    store, text = sandbox_of(request).store, request.query_params.get("amount", "")
    if not text.isdecimal():
        raise ApiError(400, f"invalid amount: {text}")
    amount = int(text)
    if not 1000 <= amount <= 5000:
        raise ApiError(400, "amount must be between 1000 and 5000")
    order = record_topup(store, Decimal(amount))
    return answer({"amount": amount, "balance": wire.money(store.balance), "ref": 987_000_000 + order.serial})


@router.get("/organisation/groups")
async def get_groups(request: Request) -> Response:
    groups = [
        {
            "name": name,
            "priceListUrl": f"https://sandbox.invalid/prices/{place}.csv",
            "desc": text,
            "icon": f"https://sandbox.invalid/icons/{place}.png",
        }
        for place, (name, text) in enumerate(GROUPS, start=1)
    ]
    return answer(groups if sandbox_of(request).settings.list_shape == "array" else {"groups": groups})


@router.get("/networks")
async def get_networks(request: Request) -> Response:
    query = request.query_params
    isos, names = _asked(query.get("isos", "")), _asked(query.get("countries", ""))
    everything = flag(request, "returnAll")
    rows = [
        {
            "name": iso,
            "networks": [
                {
                    "name": network.name,
                    "brandName": network.brand,
                    "mcc": network.mcc,
                    "mnc": network.mnc,
                    "tagid": network.tadig,
                    "speed": ["3G", "4G", "5G"],
                }
                for network in networks
            ],
        }
        for iso, networks in NETWORKS.items()
        if everything or iso in isos or COUNTRIES[iso].name.upper() in names
    ]
    return answer({"countryNetworks": rows})
