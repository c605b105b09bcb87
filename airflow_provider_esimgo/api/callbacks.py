"""Callbacks (webhooks) that eSIM Go posts to a URL of ours: check the signature, read the body.

Must stay true: the signature is checked over the raw bytes and in constant time, before anything is parsed;
V2 callbacks are unsigned and prove nothing; big numbers become text, for the vendor sends ICCIDs as numbers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from airflow_provider_esimgo.api.models.bundles import Country
from airflow_provider_esimgo.api.models.parse import Fields, instant, load_json
from airflow_provider_esimgo.api.models.states import ProfileStatus

SIGNATURE_HEADER = "X-Signature-SHA256"


def verify_signature(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether `signature` is HMAC-SHA256 of the raw `body`, in base64 [D24][D25] or hex [G:webhooks].

    `secret` is the API key, so a rotated key rejects older callbacks. An empty secret is a ValueError:
    everybody could sign with it.
    """
    if not secret:
        raise ValueError("callbacks cannot be verified with an empty secret")
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    told = (signature or "").strip()
    as_base64 = hmac.compare_digest(told.encode(), base64.b64encode(digest))
    as_hex = hmac.compare_digest(told.lower().encode(), digest.hex().encode())
    return as_base64 | as_hex


@dataclass(frozen=True)
class CallbackBundle:
    """The bundle a callback is about; quantities in bytes. `id` and `reference` come with V3 only [D25].

    `old_amount` and `new_amount` are of a balance top-up: the vendor puts them here.
    """

    id: str
    name: str
    description: str
    reference: str
    initial_quantity: int | None
    remaining_quantity: int | None
    unlimited: bool
    unit: str
    started: str
    ended: str
    old_amount: Decimal | None
    new_amount: Decimal | None

    @property
    def started_at(self) -> datetime | None:
        return instant(self.started)

    @property
    def ends_at(self) -> datetime | None:
        return instant(self.ended)


@dataclass(frozen=True)
class BalanceInfo:
    """Of LowBalance and InsufficientBalance, in the account's currency; the threshold also in percent."""

    balance: Decimal | None
    threshold: Decimal | None
    threshold_percent_remaining: Decimal | None


@dataclass(frozen=True)
class Device:
    """The device an eSIM was installed on."""

    imei: str = field(repr=False)
    eid: str = field(repr=False)
    tac: str
    make: str
    model: str


@dataclass(frozen=True)
class Callback:
    """One callback [CB][D24][D25]. `kind` is `alertType` or `event` as sent, "" for a profile status.

    May come late, twice, out of order or never. An `iccid` that came as a number may have lost its last
    digits on the vendor's side: `iccid_exact` tells.
    """

    kind: str
    iccid: str
    iccid_exact: bool
    bundle: CallbackBundle | None
    country: Country | None
    balance: BalanceInfo | None
    device: Device | None
    profile_status: str
    msisdn: str
    reason: str
    timestamp: str

    @property
    def at(self) -> datetime | None:
        return instant(self.timestamp)

    @property
    def profile(self) -> ProfileStatus:
        return ProfileStatus.read(self.profile_status)


def parse_callback(body: bytes) -> Callback:
    """A callback's body, V2 or V3. Raises MalformedError (a ValueError) unless it is a JSON object."""
    fields = Fields(load_json(body), "the callback")
    return Callback(
        kind=fields.text("alertType", "event"),
        iccid=fields.text("iccid"),
        iccid_exact=isinstance(fields.raw("iccid"), str),
        bundle=next(map(_bundle, fields.objects("bundle")), None),
        country=next(map(_country, fields.objects("country")), None),
        balance=next(map(_balance, fields.objects("balanceInfo")), None),
        device=next(map(_device, fields.objects("device")), None),
        profile_status=fields.text("profileStatus"),
        msisdn=fields.text("msisdn"),
        reason=fields.text("reason"),
        timestamp=fields.text("timestamp", "date"),
    )


def _bundle(fields: Fields) -> CallbackBundle:
    return CallbackBundle(
        id=fields.text("id"),
        name=fields.text("name"),
        description=fields.text("description"),
        reference=fields.text("reference"),
        initial_quantity=fields.integer("initialQuantity"),
        remaining_quantity=fields.integer("remainingQuantity"),
        unlimited=fields.flag("unlimited") or False,
        unit=fields.text("unit"),
        started=fields.text("startTime"),
        ended=fields.text("endTime"),
        old_amount=fields.money("oldAmount"),
        new_amount=fields.money("newAmount"),
    )


def _country(fields: Fields) -> Country:
    return Country(iso=fields.text("code", "iso"), name=fields.text("name"))


def _balance(fields: Fields) -> BalanceInfo:
    return BalanceInfo(
        fields.money("balance"), fields.money("threshold"), fields.money("thresholdPercentRemaining")
    )


def _device(fields: Fields) -> Device:
    return Device(*(fields.text(name) for name in ("imei", "eid", "tac", "make", "model")))
