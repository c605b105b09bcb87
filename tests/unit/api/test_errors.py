"""What errors say, what they keep to themselves, and that they survive a trip between processes."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any

import pytest
import requests
import requests_mock

from airflow_provider_esimgo.api import (
    ApiError,
    AuthenticationError,
    EsimGoClient,
    GoneError,
    NotFoundError,
    NotSentError,
    OrderLine,
    OrderRequest,
    Outcome,
    RateLimitedError,
    RefusedError,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.errors import MESSAGE_LIMIT, presentable

BASE = "https://api.esim-go.test/v2.5"
REQUEST = OrderRequest((OrderLine("b", 1),))


def failure(client: EsimGoClient, act: str, **reply: Any) -> ApiError:
    with requests_mock.Mocker() as vendor:
        vendor.register_uri(requests_mock.ANY, requests_mock.ANY, **reply)
        with pytest.raises(ApiError) as caught:
            client.place_order(REQUEST) if act == "buy" else client.get_organisation()
    return caught.value


@pytest.mark.parametrize(
    ("act", "status", "kind"),
    [
        ("buy", 400, RefusedError),
        ("buy", 401, AuthenticationError),
        ("buy", 403, AuthenticationError),
        ("buy", 402, UnknownOutcomeError),
        ("buy", 404, UnknownOutcomeError),
        ("buy", 410, UnknownOutcomeError),
        ("buy", 302, UnknownOutcomeError),
        ("buy", 503, UnknownOutcomeError),
        ("buy", 429, RateLimitedError),
        ("read", 400, RefusedError),
        ("read", 401, AuthenticationError),
        ("read", 403, AuthenticationError),
        ("read", 404, NotFoundError),
        ("read", 410, GoneError),
        ("read", 405, RefusedError),
        ("read", 302, UnknownOutcomeError),
        ("read", 500, UnknownOutcomeError),
        ("read", 429, RateLimitedError),
    ],
)
def test_a_status_becomes_one_class(
    client: EsimGoClient, act: str, status: int, kind: type[ApiError]
) -> None:
    error = failure(client, act, status_code=status, json={"message": "Words."})
    assert type(error) is kind
    assert error.status == status
    assert (error.method, error.path) == (("POST", "/orders") if act == "buy" else ("GET", "/organisation"))


def test_the_text_says_what_happened_what_it_means_and_the_cure(client: EsimGoClient) -> None:
    refused = failure(client, "buy", status_code=400, json={"message": "unable to find esim profile"})
    assert str(refused).startswith("POST /orders answered 400: unable to find esim profile. ")
    assert "nothing was charged" in str(refused)
    unknown = failure(client, "buy", exc=requests.ReadTimeout)
    assert "outcome is unknown" in str(unknown)
    assert "Do not send it again" in str(unknown)
    assert "orders, balance" in str(unknown)
    not_sent = failure(client, "buy", exc=requests.ConnectTimeout)
    assert "nothing was charged" in str(not_sent)
    assert "later is safe" in str(not_sent)
    assert "Reading spends nothing" in str(failure(client, "read", status_code=404))
    limited = failure(client, "buy", status_code=429, headers={"Retry-After": "1"})
    assert limited.retry_after == 1.0
    assert "Wait 1 s" in str(limited)


def test_plain_text_errors_are_the_vendors_words_too(client: EsimGoClient) -> None:
    error = failure(
        client, "buy", status_code=401, text="access denied", headers={"Content-Type": "text/plain"}
    )
    assert isinstance(error, AuthenticationError)
    assert error.message == "access denied"


def test_the_request_id_is_kept(client: EsimGoClient) -> None:
    error = failure(client, "buy", status_code=500, headers={"x-amzn-requestid": "abc-1"})
    assert error.request_id == "abc-1"
    assert "abc-1" in str(error)


@pytest.mark.parametrize(
    "kind", [NotSentError, RateLimitedError, RefusedError, GoneError, UnknownOutcomeError]
)
@pytest.mark.parametrize("trip", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_an_error_survives_pickling(kind: type[ApiError], trip: Any) -> None:
    error = kind("words", method="POST", path="/orders", status=429, retry_after=2.0, request_id="r-1")
    back = trip(error)
    assert type(back) is kind
    assert str(back) == str(error)
    assert (back.outcome, back.__dict__) == (error.outcome, error.__dict__)
    assert back.args == error.args


def test_an_outcome_is_one_of_three() -> None:
    assert {kind.outcome for kind in (NotSentError, RateLimitedError)} == {Outcome.NOT_SENT}
    assert {kind.outcome for kind in (RefusedError, AuthenticationError, GoneError)} == {Outcome.REFUSED}
    assert {kind.outcome for kind in (ApiError, UnknownOutcomeError)} == {Outcome.UNKNOWN}


@pytest.mark.parametrize(
    "secret",
    [
        "LPA:1$rsp.example.com$XXXXX-YYYYY-ZZZZZ-00000",
        "lpa:1$rsp.example.com$A",
        "https://x/?carddata=LPA%3A1%24rsp.example.com%24JQ-123456-ABCDEPFX",
        "XXXXX-YYYYY-ZZZZZ-00000",
        "A1B2-C3D4-E5F6-G7H8",
        "JQ-123456-ABCDEPFX",
    ],
)
def test_activation_codes_are_scrubbed(secret: str) -> None:
    told = presentable(f"eSIM {secret} failed")
    assert "***" in told
    assert secret.rsplit("$", 1)[-1].rsplit("%24", 1)[-1] not in told
    assert presentable("order 3a6e2e40-c674-45e9-b289-b35027bf72a9 of esim_1GB_7D_GB_V2") == (
        "order 3a6e2e40-c674-45e9-b289-b35027bf72a9 of esim_1GB_7D_GB_V2"
    )


def test_a_message_is_one_short_line() -> None:
    assert presentable("a\r\n[forged] line\x1b[31m") == "a [forged] line [31m"
    assert len(presentable("x" * 5000)) == MESSAGE_LIMIT


@pytest.mark.parametrize(
    "reply", [{"status_code": 500}, {"status_code": 403}, {"exc": requests.ConnectionError}]
)
def test_the_key_is_nowhere(client: EsimGoClient, key: str, caplog: Any, reply: dict[str, Any]) -> None:
    caplog.set_level(logging.DEBUG)
    if "status_code" in reply:
        reply = {**reply, "json": {"message": f"key {key} is not known"}}
    else:
        reply = {"exc": requests.ConnectionError(f"sending X-API-Key: {key} failed")}
    for act in ("buy", "read"):
        error = failure(client, act, **reply)
        told = f"{error} {error!r} {error.__dict__} {client!r} {client._transport!r}"
        assert key not in told
        assert key.encode() not in pickle.dumps(error)
        assert error.__cause__ is error.__context__ is None
    assert key not in caplog.text
    assert key not in str(
        [record.__dict__ for record in caplog.records if record.name.startswith("airflow_prov")]
    )


def test_a_reply_is_never_quoted(client: EsimGoClient, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    body = '{"orderReference": "", "order": [{"esims": [{"matchingId": "s3cr3t", "pin": "9876"}]}]}'
    for reply in (body, body[:-3], f"<html>{body}</html>"):
        assert "s3cr3t" not in str(failure(client, "buy", text=reply))
    for reply in (body, body[:-3], f"<html>{body}</html>"):
        assert "s3cr3t" not in str(failure(client, "buy", text=reply, status_code=500))
    assert "s3cr3t" not in caplog.text


def test_secrets_are_not_in_reprs(client: EsimGoClient, sample: Any) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/esims/1", json=sample("esim"))
        vendor.get(f"{BASE}/esims/assignments", json=sample("install_details"))
        vendor.post(f"{BASE}/orders", json=sample("order_transaction"))
        shown = repr((client.get_esim("1"), client.get_install_details(["o"]), client.place_order(REQUEST)))
    for secret in ("JQ-123456", "123445678", "A1B2-C3D4", "55667788", "AAAAA-BBBBB", "esimsetup"):
        assert secret not in shown


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel"])
def test_an_impossible_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="API key must be") as caught:
        EsimGoClient(BASE, key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["api.esim-go.com/v2.5", "ftp://x/v2.5", "https://", "https://x/v2.5?api_key=k", "https://u:p4ss@x/v2.5"],
)
def test_an_impossible_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="API address") as caught:
        EsimGoClient(url, "k")
    assert "p4ss" not in str(caught.value)
