"""Catalogue, organisation, networks, versions, keys, the rate limit and the page for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests

NEW_FIELDS = {"state", "brandingId", "profileName", "androidInstallUrl", "allowances", "startTime", "endTime"}


def test_the_catalogue_is_paged_and_follows_the_naming_grammar(customer):
    shown = customer.get("/catalogue", params={"perPage": 500}).json()
    bundles = shown["bundles"]
    assert shown["rows"] == len(bundles) >= 40
    assert shown["pageCount"] == 1
    assert all(
        re.fullmatch(r"esim_(\d+GB|ULE?|ULP)_\d+D_[A-Z]+_(V2|U)", bundle["name"]) for bundle in bundles
    )
    assert {bundle["profileName"] for bundle in bundles} == {"Profile 1", "Profile 2"}
    prices = {bundle["name"]: bundle["price"] for bundle in bundles}
    assert prices["esim_1GB_7D_GB_V2"] == 1.36
    assert {"esim_1GB_7D_NL_V2", "esim_3GB_30D_REUP_V2", "esim_5GB_30D_US_V2"} <= set(prices)
    unlimited = next(bundle for bundle in bundles if bundle["unlimited"])
    assert unlimited["dataAmount"] == -1


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"countries": "NL"}, {"esim_1GB_7D_NL_V2"}),
        ({"region": "Oceania"}, {"esim_3GB_30D_AU_V2"}),
        ({"group": "Standard Long Duration"}, {"esim_50GB_90D_RGBS_V2"}),
        ({"description": "isle of man"}, {"esim_10GB_30D_IM_U"}),
        ({"orderBy": "dataAmount", "direction": "desc", "perPage": 1}, {"esim_50GB_90D_RGBS_V2"}),
    ],
)
def test_the_catalogue_is_searched(customer, params, expected):
    names = {bundle["name"] for bundle in customer.get("/catalogue", params=params).json()["bundles"]}
    assert expected <= names
    assert len(names) < 10


def test_one_bundle_and_no_bundle(customer):
    assert customer.get(f"/catalogue/bundle/{customer.GB}").json()["price"] == 1.36
    assert customer.get("/catalogue/bundle/esim_1gb_7d_gb_v2").status_code == 400


def test_prices_are_for_consumption_partners(customer):
    shown = customer.get("/catalogue/prices").json()
    assert re.fullmatch(r"[0-9a-f]{64}", shown["hash"])
    assert shown["prices"][0]["country"]["iso"] == "GB"
    customer.server.set(prices=False)
    assert customer.get("/catalogue/prices").status_code == 403


def test_the_organisation_tells_name_currency_and_balance(customer):
    customer.bought()
    (organisation,) = customer.get("/organisation").json()["organisations"]
    assert organisation["name"] == "Sandbox Reseller Ltd"
    assert organisation["currency"] == "USD"
    assert organisation["balance"] == 4998.64
    assert organisation["apiKey"] == customer.server.key


def test_the_balance_is_topped_up(customer):
    reply = customer("POST", "/organisation/balance", params={"amount": 1000}).json()
    assert (reply["amount"], reply["balance"]) == (1000, 6000)
    assert customer("POST", "/organisation/balance", params={"amount": 5}).status_code == 400
    assert customer.orders()[0]["order"][0]["type"] == "apiTopup"


def test_groups_and_networks(customer):
    assert customer.get("/organisation/groups").json()["groups"][0]["name"] == "Standard Fixed"
    by_iso = customer.get("/networks", params={"isos": "GB,US"}).json()["countryNetworks"]
    assert [country["name"] for country in by_iso] == ["GB", "US"]
    by_name = customer.get("/networks", params={"countries": "France"}).json()["countryNetworks"]
    assert by_name[0]["networks"][0]["tagid"] == "FRAF1"
    assert len(customer.get("/networks", params={"returnAll": "true"}).json()["countryNetworks"]) > 20


def test_v24_hides_what_25_brought(customer):
    iccid = customer.bought()["order"][0]["iccids"][0]
    customer.control("activate", all=True)
    urls = {"additionalFields": "installUrl"}
    for version, expects in (("v2.5", True), ("v2.4", False)):
        shown = [
            customer.get("/esims", version=version).json()["esims"][0],
            customer.get(f"/esims/{iccid}", version=version, params=urls).json(),
            customer.get(f"/esims/{iccid}/bundles/{customer.GB}", version=version).json()["assignments"][0],
            customer.get("/catalogue", version=version).json()["bundles"][0],
        ]
        assert all(bool(NEW_FIELDS & set(one)) is expects for one in shown)
    for method, path in (
        ("GET", f"/esims/{iccid}/suspend"),
        ("POST", f"/esims/{iccid}/suspend"),
        ("DELETE", f"/esims/{iccid}"),
        ("GET", "/catalogue/prices"),
    ):
        assert customer(method, path, version="v2.4", json={"suspend": True}).status_code == 403
    assert customer.order(profileID="ignored", options={"version": "v2.4"}).status_code == 200


def test_both_versions_see_one_store(customer):
    reference = customer.order(options={"version": "v2.4"}).json()["orderReference"]
    assert customer.get(f"/orders/{reference}").status_code == 200
    assert customer.get("/", version="v2.3").json()


@pytest.mark.parametrize(
    ("switch", "status", "text"),
    [
        ("access denied", 403, '{"message": "access denied"}'),
        ("forbidden", 403, '{"message": "Forbidden"}'),
        ("401 text", 401, "access denied"),
    ],
)
def test_a_wrong_key_is_refused(serve, switch, status, text):
    customer = serve(key_error=switch)
    customer.session.headers["X-API-Key"] = "wrong"
    reply = customer.order()
    assert (reply.status_code, reply.text) == (status, text)
    assert customer.server.books()["orders"] == []


def test_an_unknown_path_is_access_denied(customer):
    assert customer.get("/products").json() == {"message": "access denied"}
    assert requests.get(f"{customer.server.root_url}/v3/orders", timeout=10).status_code == 403


def test_the_rate_limit_tells_itself_and_bites(serve):
    customer = serve(rate_limit=10, rate_costs={"GET /catalogue": 5})
    replies = [customer.get("/organisation") for _ in range(25)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert refused[0].json() == {"message": "Rate limit exceeded"}
    assert refused[0].headers["Retry-After"] == "1"
    for reply in replies:
        assert reply.headers["X-Ratelimit-Limit"] == "10"
        assert 0 <= int(reply.headers["X-Ratelimit-Remaining"]) <= 10
        assert reply.headers["X-Ratelimit-Cost"] == "1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", reply.headers["X-Ratelimit-Reset"])
    by_window: dict[str, int] = {}
    for reply in replies:
        window = reply.headers["X-Ratelimit-Reset"]
        by_window[window] = by_window.get(window, 0) + (reply.status_code == 200)
    assert max(by_window.values()) <= 10
    assert customer.get("/catalogue").headers["X-Ratelimit-Cost"] == "5"


def test_the_control_api_has_no_limit_and_is_not_counted(serve):
    customer = serve(rate_limit=1)
    assert all(requests.get(f"{customer.server.root_url}/_sandbox/state", timeout=10).ok for _ in range(5))
    assert customer.server.books()["requests"] == {}


def test_every_answer_is_dated_by_the_sandboxs_own_clock(customer):
    customer.server.advance(400 * 86_400)
    reply = customer.order()
    told = parsedate_to_datetime(reply.headers["Date"])
    created = datetime.fromisoformat(reply.json()["createdDate"])
    assert abs(told - created) < timedelta(seconds=5)
    assert told - datetime.now(UTC) > timedelta(days=399)


def test_the_page_shows_orders_but_no_codes(customer):
    order = customer.bought()
    page = requests.get(customer.server.root_url, timeout=10)
    assert page.headers["content-type"].startswith("text/html")
    assert order["orderReference"] in page.text
    assert order["order"][0]["esims"][0]["matchingId"] not in page.text
    assert customer.server.key not in page.text
