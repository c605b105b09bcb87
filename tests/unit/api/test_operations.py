"""Every operation on the wire: method, URL, query, body, result; and what no fault may make it do: send twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
import requests_mock
import urllib3

from airflow_provider_esimgo.api import (
    ApiError,
    ApplyLine,
    EsimGoClient,
    OrderLine,
    OrderRequest,
    Outcome,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.wire import ZIP

BASE = "https://api.esim-go.test/v2.5"
ICCID = "8944123456789012345"
BUNDLE = "esim_1GB_7D_GB_V2"
REQUEST = OrderRequest((OrderLine(BUNDLE, 1),))
ORDER_BODY = {
    "assign": True,
    "order": [{"type": "bundle", "quantity": 1, "item": BUNDLE, "allowReassign": False}],
}
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@dataclass(frozen=True)
class Case:
    name: str
    act: Callable[[EsimGoClient], Any]
    method: str
    path: str
    reply: Any = None  # JSON, the name of a sample, or raw bytes
    query: dict[str, list[str]] = field(default_factory=dict)
    body: Any = None
    status: int = 200
    check: Callable[[Any], bool] = lambda result: True


READS = [
    Case(
        "list_orders",
        lambda c: list(
            c.list_orders(
                created_from=datetime(2024, 3, 1, tzinfo=UTC),
                created_to=datetime(2024, 3, 31, 23, 59, 59, 1, UTC),
            )
        ),
        "GET",
        "/orders",
        "orders_page",
        {
            "includeIccids": ["true"],
            "limit": ["1000"],
            "createdAt": ["gte:2024-03-01T00:00:00.000Z", "lte:2024-03-31T23:59:59.001Z"],
            "page": ["1"],
        },
        check=lambda orders: (
            [o.reference for o in orders] == ["r-3", "r-2", "r-1"]
            and [len(o.bundle_lines) for o in orders] == [0, 1, 1]
            and orders[1].created == "2023-06-14T10:00:00Z"
            and [o.running_balance for o in orders] == [Decimal(50), Decimal("40.01"), Decimal("25.02")]
        ),
    ),
    Case(
        "get_order",
        lambda c: c.get_order("3a6e2e40"),
        "GET",
        "/orders/3a6e2e40",
        "order_transaction",
        check=lambda o: o.total == Decimal("1.36") and o.iccids == ("8944538532008160222",),
    ),
    Case(
        "list_esims",
        lambda c: list(c.list_esims(filter_by="customerRef", filter="eq:CUST001")),
        "GET",
        "/esims",
        "esims_page",
        {"perPage": ["100"], "filterBy": ["customerRef"], "filter": ["eq:CUST001"], "page": ["1"]},
        check=lambda rows: rows[0].iccid == "8901234567890123456" and rows[0].esim_state == "active",
    ),
    Case(
        "get_esim",
        lambda c: c.get_esim(ICCID, install_urls=True),
        "GET",
        f"/esims/{ICCID}",
        "esim",
        {"additionalFields": ["installUrl"]},
        check=lambda e: (
            e.matching_id == "JQ-123456-ABCDEPFX"
            and e.first_installed_at == datetime(2024, 8, 13, 9, 37, 57, 280000, UTC)
            and e.profile == "installed"
        ),
    ),
    Case(
        "get_esim_history",
        lambda c: c.get_esim_history(ICCID),
        "GET",
        f"/esims/{ICCID}/history",
        "history",
        check=lambda events: (
            [e.bundle for e in events] == ["A_BUNDLE_20GB_30D_EU_U"] * 2
            and events[1].alert_type == "50% Used"
        ),
    ),
    Case(
        "get_location",
        lambda c: c.get_location(ICCID),
        "GET",
        f"/esims/{ICCID}/location",
        "location",
        check=lambda where: where.country == "FR" and where.last_seen_at.microsecond == 382562,
    ),
    Case(
        "is_compatible",
        lambda c: c.is_compatible(ICCID, "a/b c"),
        "GET",
        f"/esims/{ICCID}/compatible/a%2Fb%20c",
        {"compatible": False},
        check=lambda answer: answer is False,
    ),
    Case(
        "is_suspended",
        lambda c: c.is_suspended(ICCID),
        "GET",
        f"/esims/{ICCID}/suspend",
        {"suspended": True},
        check=lambda answer: answer is True,
    ),
    Case(
        "list_bundles",
        lambda c: c.list_bundles(ICCID),
        "GET",
        f"/esims/{ICCID}/bundles",
        "esim_bundles",
        {"includeUsed": ["true"], "limit": ["200"]},
        check=lambda found: (
            found[0].assignments[0].bundle_state == "queued"
            and found[0].assignments[0].state == "Queued"
            and found[0].assignments[0].ends_at is None
            and found[0].assignments[0].allowances[0].remaining == 999000000
        ),
    ),
    Case(
        "get_bundle",
        lambda c: c.get_bundle(ICCID, BUNDLE),
        "GET",
        f"/esims/{ICCID}/bundles/{BUNDLE}",
        {"assignments": [{"id": "243", "bundleState": "active", "assignmentReference": "ref-0"}]},
        check=lambda found: found[0].id == "243" and found[0].reference == "ref-0",
    ),
    Case(
        "get_install_details",
        lambda c: c.get_install_details(["o-1", "o-2"], install_urls=True),
        "GET",
        "/esims/assignments",
        "install_details",
        {"reference": ["o-1", "o-2"], "additionalFields": ["installUrl"]},
        check=lambda found: found[0].activation_code == "LPA:1$rsp.example.com$A1B2-C3D4-E5F6-G7H8",
    ),
    Case(
        "get_install_details_csv",
        lambda c: c.get_install_details_csv(["o-1"]),
        "GET",
        "/esims/assignments",
        b"ICCID,Matching ID,RSP URL,Bundle,Reference\r\n8944,M-1,rsp.example.com,b_1,o-1\r\n",
        {"reference": ["o-1"]},
        check=lambda found: (found[0].iccid, found[0].bundle, found[0].reference) == ("8944", "b_1", "o-1"),
    ),
    Case(
        "get_qr_zip",
        lambda c: c.get_qr_zip(["o-1"]),
        "GET",
        "/esims/assignments",
        EMPTY_ZIP,
        {"reference": ["o-1"]},
        check=lambda content: content == EMPTY_ZIP,
    ),
    Case(
        "list_inventory",
        lambda c: c.list_inventory(),
        "GET",
        "/inventory",
        "inventory",
        check=lambda found: (
            found[0].remaining == 5
            and found[0].batches[0].usage_id == 4500100
            and str(found[0].batches[0].expires_on) == "2025-12-11"
            and found[0].speeds == ()
        ),
    ),
    Case(
        "list_catalogue",
        lambda c: list(c.list_catalogue(countries=["GB", "US"], group="Standard Fixed Bundles")),
        "GET",
        "/catalogue",
        {"bundles": [{"name": "b", "price": 2}], "pageCount": 1, "pageSize": 50, "rows": 1},
        {"perPage": ["100"], "countries": ["GB,US"], "group": ["Standard Fixed Bundles"], "page": ["1"]},
        check=lambda found: found[0].price == Decimal(2),
    ),
    Case(
        "get_catalogue_bundle",
        lambda c: c.get_catalogue_bundle(BUNDLE),
        "GET",
        f"/catalogue/bundle/{BUNDLE}",
        "catalogue_bundle",
        check=lambda b: (
            b.price == Decimal("1.36")
            and b.groups == ("Standard Fixed Bundles",)
            and b.countries[0].iso == "GB"
            and [(r.iso, r.name) for r in b.roaming] == [("JE", ""), ("", "Guernsey")]
        ),
    ),
    Case(
        "get_prices",
        lambda c: c.get_prices(),
        "GET",
        "/catalogue/prices",
        "prices",
        check=lambda p: (
            p.hash == "a1b2c3" and p.prices[0].price == Decimal("0.0012") and p.prices[0].iso == "GB"
        ),
    ),
    Case(
        "get_organisation",
        lambda c: c.get_organisation(),
        "GET",
        "/organisation",
        "organisation",
        check=lambda o: (o.name, o.currency, o.balance) == ("Acme", "USD", Decimal("1234.56")),
    ),
    Case(
        "list_groups",
        lambda c: c.list_groups(),
        "GET",
        "/organisation/groups",
        [{"name": "Standard Fixed Bundles", "desc": "d"}],
        check=lambda groups: groups[0].name == "Standard Fixed Bundles",
    ),
    Case(
        "list_networks",
        lambda c: c.list_networks(isos=["GB", "US"], return_all=True),
        "GET",
        "/networks",
        "networks",
        {"isos": ["GB,US"], "returnAll": ["true"]},
        check=lambda found: found[0].networks[0].tadig == "GBRME" and found[0].networks[0].speeds == ("4G",),
    ),
]

OK = {"status": "success"}
WRITES = [
    Case(
        "validate_order",
        lambda c: c.validate_order(REQUEST),
        "POST",
        "/orders",
        "order_validate",
        body={"type": "validate", **ORDER_BODY},
        check=lambda q: q.valid and q.total == Decimal("2.28") and q.currency == "USD",
    ),
    Case(
        "place_order",
        lambda c: c.place_order(REQUEST),
        "POST",
        "/orders",
        "order_transaction",
        body={"type": "transaction", **ORDER_BODY},
        check=lambda o: o.reference == "3a6e2e40-c674-45e9-b289-b35027bf72a9" and o.state == "completed",
    ),
    Case(
        "set_customer_ref",
        lambda c: c.set_customer_ref(ICCID, "ref-123"),
        "PUT",
        "/esims",
        OK,
        {"iccid": [ICCID], "customerRef": ["ref-123"]},
        {"iccid": ICCID, "customerRef": "ref-123"},
        check=lambda text: text == "success",
    ),
    Case("delete_esim", lambda c: c.delete_esim(ICCID), "DELETE", f"/esims/{ICCID}", OK),
    Case("refresh_esim", lambda c: c.refresh_esim(ICCID), "GET", f"/esims/{ICCID}/refresh", OK),
    Case(
        "send_sms",
        lambda c: c.send_sms(ICCID, "Hello!"),
        "POST",
        f"/esims/{ICCID}/sms",
        {"status": "sent"},
        body={"message": "Hello!", "from": "eSIM"},
    ),
    Case(
        "set_suspended",
        lambda c: c.set_suspended(ICCID, True),
        "POST",
        f"/esims/{ICCID}/suspend",
        OK,
        body={"suspend": True},
        status=201,
    ),
    Case(
        "revoke_bundle",
        lambda c: c.revoke_bundle(ICCID, BUNDLE, refund_to_balance=True, offer_id="243"),
        "DELETE",
        f"/esims/{ICCID}/bundles/{BUNDLE}",
        OK,
        {"type": ["transaction"], "refundToBalance": ["true"], "offerId": ["243"]},
    ),
    Case(
        "revoke_assignment",
        lambda c: c.revoke_assignment(ICCID, BUNDLE, "243", dry_run=True),
        "DELETE",
        f"/esims/{ICCID}/bundles/{BUNDLE}/assignments/243",
        OK,
        {"type": ["validate"], "refundToBalance": ["false"]},
    ),
    Case(
        "apply_bundle",
        lambda c: c.apply_bundle(BUNDLE, iccid=ICCID),
        "POST",
        "/esims/apply",
        "apply",
        body={"name": BUNDLE, "allowReassign": False, "iccid": ICCID},
        check=lambda a: a.reference.startswith("123e4567") and a.esims[0].iccid == ICCID,
    ),
    Case(
        "apply_bundles",
        lambda c: c.apply_bundles([ApplyLine("a", repeat=2), ApplyLine("b")]),
        "POST",
        "/esims/apply",
        "apply",
        body={
            "bundles": [
                {"name": "a", "allowReassign": False, "repeat": 2},
                {"name": "b", "allowReassign": False},
            ]
        },
    ),
    Case(
        "apply_bundle_at",
        lambda c: c.apply_bundle_at(ICCID, BUNDLE, start_time=datetime(2027, 1, 2, tzinfo=UTC)),
        "POST",
        f"/esims/{ICCID}/bundles",
        OK,
        body={"name": BUNDLE, "startTime": "2027-01-02T00:00:00.000Z"},
    ),
    Case(
        "refund_inventory",
        lambda c: c.refund_inventory(4500100, 2),
        "POST",
        "/inventory/refund",
        {"message": "Successfully refunded bundles to balance"},
        body={"usageId": 4500100, "quantity": 2},
        check=lambda text: text == "Successfully refunded bundles to balance",
    ),
    Case(
        "top_up_balance",
        lambda c: c.top_up_balance(1000),
        "POST",
        "/organisation/balance",
        {"amount": 1000, "balance": 12500, "ref": 987654321},
        {"amount": ["1000"]},
        check=lambda t: t.balance == Decimal(12500) and t.reference == "987654321",
    ),
]

FAULTS: dict[str, dict[str, Any]] = {
    "connect timeout": {"exc": requests.ConnectTimeout},
    "read timeout": {"exc": requests.ReadTimeout},
    "reset": {"exc": requests.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset"))},
    "bare reset": {"exc": ConnectionResetError(104, "reset")},
    "cut reply": {"exc": requests.exceptions.ChunkedEncodingError},
    "proxy": {"exc": requests.exceptions.ProxyError},
    "urllib3": {"exc": urllib3.exceptions.ProtocolError("broken")},
    "bug": {"exc": RuntimeError("surprise")},
    **{
        str(s): {"status_code": s, "json": {"message": "no"}}
        for s in (400, 401, 402, 403, 404, 409, 410, 418)
    },
    **{str(s): {"status_code": s, "json": {"message": "no"}} for s in (429, 500, 501, 502, 503, 504)},
    "503 come back": {"status_code": 503, "headers": {"Retry-After": "1"}},
    "redirect": {"status_code": 307, "headers": {"Location": f"{BASE}/elsewhere"}},
    "foreign redirect": {"status_code": 302, "headers": {"Location": "https://evil.test/"}},
    "202": {"status_code": 202, "json": {"status": "accepted"}},
    "204": {"status_code": 204},
    "empty 200": {"content": b""},
    "html 200": {"text": "<html>login</html>", "headers": {"Content-Type": "text/html"}},
    "cut 200": {"content": b'{"orderReference": "x", "st'},
    "array 200": {"json": []},
    "null 200": {"text": "null"},
    "empty object 200": {"json": {}},
}
NOT_SENT = {"connect timeout", "429"}
REFUSED = {"400", "401", "403"}


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", READS + WRITES, ids=names(READS + WRITES))
def test_an_operation_is_what_the_vendor_documents(
    case: Case, client: EsimGoClient, key: str, sample: Callable[[str], object]
) -> None:
    with requests_mock.Mocker() as vendor:
        if isinstance(case.reply, bytes):
            vendor.register_uri(
                requests_mock.ANY, requests_mock.ANY, content=case.reply, status_code=case.status
            )
        else:
            reply = sample(case.reply) if isinstance(case.reply, str) else case.reply
            vendor.register_uri(requests_mock.ANY, requests_mock.ANY, json=reply, status_code=case.status)
        result = case.act(client)
    assert len(vendor.request_history) == 1
    sent = vendor.request_history[0]
    assert sent.method == case.method
    assert sent.url.split("?")[0] == BASE + case.path
    assert requests.compat.urlparse(sent.url).query.count("=") == sum(map(len, case.query.values()))
    sent_query = [
        tuple(map(requests.compat.unquote_plus, pair.split("=")))
        for pair in requests.compat.urlparse(sent.url).query.split("&")
        if pair
    ]
    assert sorted(sent_query) == sorted((name, v) for name, values in case.query.items() for v in values)
    assert (sent.json() if sent.body else None) == case.body
    assert sent.headers["X-API-Key"] == key
    assert sent.headers["User-Agent"].startswith("airflow-provider-esimgo/")
    assert case.check(result)


def test_the_table_holds_every_operation_of_the_client() -> None:
    other = {"close", "base_url", "clock_skew", "rate_limit"}
    public = {name for name, _ in inspect.getmembers(EsimGoClient) if not name.startswith("_")}
    assert public - other == set(names(READS + WRITES))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", WRITES, ids=names(WRITES))
def test_no_fault_makes_a_write_go_out_twice(
    case: Case, fault: str, client: EsimGoClient, clock: Any
) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.register_uri(requests_mock.ANY, requests_mock.ANY, **FAULTS[fault])
        with pytest.raises(ApiError) as caught:
            case.act(client)
    assert vendor.call_count == 1
    assert clock.slept == []
    expected = (
        Outcome.NOT_SENT if fault in NOT_SENT else Outcome.REFUSED if fault in REFUSED else Outcome.UNKNOWN
    )
    assert caught.value.outcome is expected


@pytest.mark.parametrize(
    "reply", [b"", b"[]", b"{}", b"null", b'"ok"', b'{"status":"completed"}', b"\xff", b"NaN"]
)
def test_a_purchase_without_an_order_reference_is_unknown(reply: bytes, client: EsimGoClient) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", content=reply)
        with pytest.raises(UnknownOutcomeError, match="Do not send it again"):
            client.place_order(REQUEST)


@pytest.mark.parametrize(
    "headers",
    [
        {"Date": "Mon, 01 Jan 0001 00:00:00 +2359", "Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"},
        {"Date": "now", "X-Ratelimit-Reset": "0001-01-01T00:00:00+23:59", "X-Ratelimit-Limit": "9" * 5000},
        {
            "X-Ratelimit-Reset": "9999-12-31T23:59:59-23:59",
            "X-Ratelimit-Remaining": "-1",
            "X-Ratelimit-Cost": "0",
        },
        {"Retry-After": "9" * 400, "Content-Type": ";;;charset=nonsense"},
    ],
)
def test_no_header_can_hide_a_bought_order(
    headers: dict[str, str], client: EsimGoClient, sample: Callable[[str], object]
) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", json=sample("order_transaction"), headers=headers)
        assert client.place_order(REQUEST).reference.startswith("3a6e2e40")
        vendor.post(f"{BASE}/orders", status_code=503, headers=headers)
        with pytest.raises(UnknownOutcomeError):
            client.place_order(REQUEST)


def test_a_bug_after_the_reply_is_unknown_too(client: EsimGoClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(client._transport, "_learn", bug)
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", json={"orderReference": "r"})
        with pytest.raises(UnknownOutcomeError, match="ZeroDivisionError"):
            client.place_order(REQUEST)


def test_a_validation_that_names_an_order_is_unknown(
    client: EsimGoClient, sample: Callable[[str], object]
) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", json=sample("order_transaction"))
        with pytest.raises(UnknownOutcomeError, match="look for it in the order list"):
            client.validate_order(REQUEST)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("page", ["", "<html><h1>403 Forbidden</h1></html>", "{}"])
def test_a_gateways_refusal_without_the_vendors_words_proves_nothing(
    status: int, page: str, client: EsimGoClient
) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", text=page, status_code=status)
        with pytest.raises(UnknownOutcomeError):
            client.place_order(REQUEST)


def test_only_zips_ask_for_zips(client: EsimGoClient) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/esims/assignments", content=EMPTY_ZIP)
        client.get_qr_zip(["o-1"])
        vendor.get(f"{BASE}/esims/assignments", json=[])
        client.get_install_details(["o-1"])
        vendor.get(f"{BASE}/esims/assignments", text="ICCID\n")
        client.get_install_details_csv(["o-1"])
    accepted = [sent.headers["Accept"] for sent in vendor.request_history]
    assert accepted == [ZIP, "application/json", "text/csv"]


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.get_order(""),
        lambda c: c.delete_esim(""),
        lambda c: c.delete_esim(".."),
        lambda c: c.get_qr_zip([]),
        lambda c: c.get_install_details([""]),
        lambda c: c.set_customer_ref("", "x"),
        lambda c: c.send_sms(ICCID, "x" * 161),
        lambda c: c.list_bundles(ICCID, limit=201),
        lambda c: c.apply_bundle(BUNDLE, iccid=ICCID, repeat=2),
        lambda c: c.top_up_balance(0),
        lambda c: list(c.list_orders(created_from=datetime(2024, 3, 1))),  # noqa: DTZ001
        lambda c: OrderLine(BUNDLE, 2, iccids=(ICCID,)),
        lambda c: OrderLine(BUNDLE, 0),
        lambda c: OrderLine("", 1),
        lambda c: OrderRequest(()),
        lambda c: OrderRequest((OrderLine(BUNDLE, 1, (ICCID,)),), assign=False),
        lambda c: OrderRequest((OrderLine(BUNDLE, 1),), profile_id="me@example.com"),
    ],
)
def test_what_the_api_cannot_take_is_refused_before_it_is_sent(
    act: Callable[[EsimGoClient], Any], client: EsimGoClient
) -> None:
    with requests_mock.Mocker() as vendor, pytest.raises(ValueError):  # noqa: PT011  one message each
        act(client)
    assert vendor.call_count == 0
