"""Reads are patient within bounds; the observer and the adapters of a caller cannot undo the policy."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import requests_mock
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from airflow_provider_esimgo.api import (
    ApiError,
    EsimGoClient,
    Exchange,
    OrderLine,
    OrderRequest,
    RefusedError,
)
from airflow_provider_esimgo.api.connection import WatchingAdapter, adopt
from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.limiter import Limiter
from airflow_provider_esimgo.api.transport import Timeout, Transport
from airflow_provider_esimgo.api.wire import Call, http_date, retry_after_seconds

BASE = "https://api.esim-go.test/v2.5"
GOOD = {"json": {"name": "Acme", "balance": 1}}


def ask(client: EsimGoClient, *replies: dict[str, Any]) -> int:
    """How many requests it took."""
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/organisation", list(replies))
        try:
            client.get_organisation()
        finally:
            ask.count = vendor.call_count  # type: ignore[attr-defined]
    return vendor.call_count


@pytest.mark.parametrize(
    "fault",
    [
        {"exc": requests.ConnectTimeout},
        {"exc": requests.ReadTimeout},
        {"exc": requests.ConnectionError},
        {"exc": requests.exceptions.ChunkedEncodingError},
        *({"status_code": status} for status in (429, 500, 502, 503, 504)),
        {"content": b""},
        {"text": "<html>"},
        {"json": []},
    ],
    ids=str,
)
def test_a_read_is_tried_again(client: EsimGoClient, clock: Any, fault: dict[str, Any]) -> None:
    assert ask(client, fault, fault, GOOD) == 3
    assert len([wait for wait in clock.slept if wait >= 0.25]) >= 2


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 410, 501])
def test_an_answer_that_would_not_change_is_not_asked_for_again(client: EsimGoClient, status: int) -> None:
    with pytest.raises(ApiError):
        ask(client, {"status_code": status, "headers": {"Location": f"{BASE}/x"}}, GOOD)
    assert ask.count == 1  # type: ignore[attr-defined]


def test_reads_give_up_after_read_attempts(clock: Any) -> None:
    client = EsimGoClient(BASE, "k", read_attempts=3, clock=clock, sleep=clock.sleep)
    with pytest.raises(ApiError) as caught:
        ask(client, {"status_code": 503, "headers": {"Retry-After": "7"}})
    assert ask.count == 3  # type: ignore[attr-defined]
    assert clock.slept == [7, 7]
    assert caught.value.retry_after == 7


def test_waits_double_with_jitter(clock: Any) -> None:
    transport = Transport(
        BASE,
        "k",
        timeout=Timeout(),
        limiter=Limiter(10, clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
        jitter=lambda: 1.0,
    )
    client = EsimGoClient(BASE, "k")
    client._transport = transport
    with pytest.raises(ApiError):
        ask(client, {"status_code": 500})
    assert clock.slept == [0.5, 1, 2, 4]


def test_a_long_retry_after_is_handed_to_the_caller(client: EsimGoClient, clock: Any) -> None:
    with pytest.raises(ApiError) as caught:
        ask(client, {"status_code": 503, "headers": {"Retry-After": "600"}})
    assert caught.value.retry_after == 600
    assert clock.slept == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "Wed, 01 Jan 2025 00:00:10 GMT", "Date": "Wed, 01 Jan 2025 00:00:04 GMT"}, 6.0),
        ({"Retry-After": "Wed, 01 Jan 2025 00:00:10 GMT"}, 9.0),
        ({"Retry-After": "Tue, 31 Dec 2024 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC)) == seconds


def test_each_retry_is_one_info_line_with_its_reason(client: EsimGoClient, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    ask(client, {"status_code": 503, "json": {"message": "processing"}}, GOOD)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len(lines) == 1
    assert "answered 503: processing" in lines[0]
    assert "Attempt 2 of 5" in lines[0]


def test_a_request_is_one_debug_line_without_its_query(client: EsimGoClient, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="airflow_provider_esimgo")
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/organisation/balance", json={"ref": 1})
        client.top_up_balance(1234)
    assert [r.getMessage() for r in caplog.records] == ["POST /organisation/balance -> 200 in 0 ms"]


def test_the_observer_sees_every_attempt_and_cannot_break_an_order(clock: Any, sample: Any) -> None:
    seen: list[Exchange] = []

    def observe(exchange: Exchange) -> None:
        seen.append(exchange)
        raise RuntimeError("broken observer")

    client = EsimGoClient(BASE, "k", clock=clock, sleep=clock.sleep, on_request=observe)
    with requests_mock.Mocker() as vendor:
        vendor.post(f"{BASE}/orders", json=sample("order_transaction"))
        assert client.place_order(OrderRequest((OrderLine("b", 1),))).reference
        vendor.get(f"{BASE}/orders/r", [{"status_code": 503}, {"exc": requests.ReadTimeout}, {"json": {}}])
        with pytest.raises(ApiError):
            client.get_order("r")
    assert [(e.method, e.template, e.status) for e in seen[:4]] == [
        ("POST", "/orders", 200),
        ("GET", "/orders/{reference}", 503),
        ("GET", "/orders/{reference}", None),
        ("GET", "/orders/{reference}", 200),
    ]


def test_a_session_that_retries_by_itself_is_disarmed_or_refused() -> None:
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=Retry(total=3, allowed_methods=None)))
    adopt(session)
    adapter = session.get_adapter(BASE)
    assert isinstance(adapter, WatchingAdapter)
    assert adapter.max_retries.total == 0

    class Own(HTTPAdapter):
        pass

    session.mount("https://", Own(max_retries=3))
    with pytest.raises(ValueError, match="bought twice"):
        EsimGoClient(BASE, "k", session=session)
    session.mount("https://", Own())
    EsimGoClient(BASE, "k", session=session)


def test_a_given_session_stays_the_callers_and_never_learns_the_key(client: EsimGoClient) -> None:
    session = requests.Session()
    with EsimGoClient(BASE, "k3y", session=session) as own:
        ask(own, GOOD)
    assert "k3y" not in str(session.headers)


def test_the_clock_skew_and_the_rate_limit_are_learned_from_the_last_reply(client: EsimGoClient) -> None:
    assert client.clock_skew is None
    assert client.rate_limit is None
    ahead = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {
        "Date": ahead,
        "X-RateLimit-Limit": "10",
        "X-Ratelimit-Remaining": "7",
        "X-Ratelimit-Cost": "2",
    }
    with pytest.raises(RefusedError):
        ask(client, {"status_code": 400, "headers": headers})
    assert client.clock_skew is not None
    assert abs(client.clock_skew - timedelta(hours=1)) < timedelta(seconds=5)
    assert client.rate_limit is not None
    assert (client.rate_limit.limit, client.rate_limit.remaining, client.rate_limit.cost) == (10, 7, 2)
    assert http_date("nonsense") is None


def test_a_read_that_is_none_cannot_be_sent_as_one(client: EsimGoClient) -> None:
    with pytest.raises(ValueError, match="must not be repeated"):
        client._transport.read(Call("POST", "/orders", Effect.SPENDS), lambda reply: reply)
