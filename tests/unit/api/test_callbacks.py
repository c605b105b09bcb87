"""Callbacks: only the vendor's own are believed, and every documented body is read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_esimgo.api import parse_callback, verify_signature

SECRET = "the-api-key"
BODY = (Path(__file__).parent / "data" / "callback_v3.json").read_bytes()
DIGEST = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()


@pytest.mark.parametrize(
    "signature", [base64.b64encode(DIGEST).decode(), DIGEST.hex(), DIGEST.hex().upper(), f" {DIGEST.hex()}\n"]
)
def test_a_signature_counts_in_base64_and_in_hex(signature: str) -> None:
    assert verify_signature(BODY, signature, SECRET)


@pytest.mark.parametrize(
    "signature", [None, "", "ü", DIGEST.hex()[:-1], base64.b64encode(DIGEST[:-1]).decode(), "0" * 64]
)
def test_any_other_signature_does_not(signature: str | None) -> None:
    assert not verify_signature(BODY, signature, SECRET)


def test_a_changed_body_or_key_is_noticed() -> None:
    assert not verify_signature(BODY + b" ", DIGEST.hex(), SECRET)
    assert not verify_signature(BODY, DIGEST.hex(), SECRET + "x")
    with pytest.raises(ValueError, match="empty secret"):
        verify_signature(BODY, DIGEST.hex(), "")


def test_a_utilisation_callback_is_read() -> None:
    callback = parse_callback(BODY)
    assert (callback.kind, callback.iccid, callback.iccid_exact) == (
        "Utilisation",
        "8944538532008160222",
        True,
    )
    assert callback.bundle is not None
    assert callback.bundle.remaining_quantity == 19_000_000_000
    assert callback.bundle.reference == "12345-12345-12345-12345-0"


@pytest.mark.parametrize("number", ["8944538532008160000", "8.94453853200816e18", "8944538532008160000.0"])
def test_an_iccid_sent_as_a_number_keeps_its_digits(number: str) -> None:
    callback = parse_callback(b'{"alertType": "FirstUse", "iccid": ' + number.encode() + b"}")
    assert callback.iccid == "8944538532008160000"
    assert not callback.iccid_exact


def test_the_other_bodies_are_read() -> None:
    def read(**body: object) -> object:
        return parse_callback(json.dumps(body).encode())

    low = read(
        alertType="LowBalance",
        balanceInfo={"balance": 75.5, "threshold": 100, "thresholdPercentRemaining": 75},
    )
    assert low.balance.balance == Decimal("75.5")  # type: ignore[attr-defined]
    moved = read(alertType="CountryChange", iccid="1", country={"code": "FR", "name": "France"})
    assert (moved.country.iso, moved.country.name) == ("FR", "France")  # type: ignore[attr-defined]
    gone = read(event="esim.deleted", iccid="1", date="2026-01-01T00:00:00Z")
    assert (gone.kind, gone.at.year) == ("esim.deleted", 2026)  # type: ignore[attr-defined]
    paid = read(alertType="Topup", bundle={"oldAmount": 1, "newAmount": "2.50"})
    assert paid.bundle.new_amount == Decimal("2.50")  # type: ignore[attr-defined]
    status = read(
        iccid="1", profileStatus="Installed", timestamp=1723541877280, device={"imei": "35", "make": "A"}
    )
    assert (status.profile, status.device.make) == ("installed", "A")  # type: ignore[attr-defined]
    assert "35" not in repr(status.device)  # type: ignore[attr-defined]
    assert read().kind == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff"])
def test_what_is_no_callback_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"the (callback|reply)"):
        parse_callback(body)
