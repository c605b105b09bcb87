"""What the sandbox remembers: orders, eSIMs with their bundles, inventory, money, jobs still to come.

Records are frozen and go to disk as JSON; times are nanoseconds since the epoch, money is Decimal, text at rest.
Invariant: `decode(kind, encode(record))` equals the record.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_esimgo.sandbox.clock import DAY

LAPSE_AFTER = 365 * DAY


@dataclass(frozen=True)
class Assignment:
    """One bundle on one eSIM."""

    id: str
    bundle: str
    reference: str
    at: int
    price: Decimal
    initial: int
    remaining: int
    unlimited: bool
    days: int
    state: str = "queued"
    start: int | None = None
    end: int | None = None
    ready_at: int = 0

    def state_at(self, now: int) -> str:
        if self.state in ("active", "depleted") and self.end is not None and self.end <= now:
            return "expired"
        if self.state == "queued":
            if self.at + LAPSE_AFTER <= now:
                return "lapsed"
            if self.ready_at > now:
                return "processing"
        return self.state


@dataclass(frozen=True)
class HistoryEvent:
    name: str
    at: int
    bundle: str = ""
    alert: str = ""


@dataclass(frozen=True)
class Esim:
    iccid: str
    serial: int
    matching_id: str
    smdp_address: str
    pin: str
    puk: str
    profile_name: str
    assigned_at: int
    order_reference: str
    visible_at: int
    branding_id: str
    profile_status: str = "Released"
    first_installed: int = 0
    customer_ref: str = ""
    state: str = "active"
    suspended_by: str = ""
    last_action: str = "Bundle Applied"
    action_at: int = 0
    last_seen: int = 0
    country: str = ""
    bundles: tuple[Assignment, ...] = ()
    history: tuple[HistoryEvent, ...] = ()

    @property
    def lpa(self) -> str:
        host = self.smdp_address.removeprefix("http://").removeprefix("https://")
        return f"LPA:1${host}${self.matching_id}"

    def told(self, name: str, at: int, bundle: str = "", alert: str = "") -> Esim:
        """This eSIM with one more event in its history."""
        return dataclasses.replace(
            self,
            last_action=name,
            action_at=at,
            history=(*self.history, HistoryEvent(name, at, bundle, alert)),
        )

    def with_assignment(self, changed: Assignment) -> Esim:
        bundles = tuple(changed if held.id == changed.id else held for held in self.bundles)
        return dataclasses.replace(self, bundles=bundles)


@dataclass(frozen=True)
class OrderLine:
    type: str
    item: str
    quantity: int
    price: Decimal
    allow_reassign: bool = False
    asked_iccids: tuple[str, ...] = ()
    iccids: tuple[str, ...] = ()

    @property
    def subtotal(self) -> Decimal:
        return self.price * self.quantity


@dataclass(frozen=True)
class Order:
    reference: str
    serial: int
    created: int
    lines: tuple[OrderLine, ...]
    total: Decimal
    charged: Decimal
    status: str
    message: str
    assigned: bool
    source_ip: str
    running_balance: Decimal
    by: str = "api"
    visible_at: int = 0
    ready_at: int = 0
    ready_answer: str = "503"
    withholds_iccids: bool = False

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def iccids(self) -> tuple[str, ...]:
        return tuple(iccid for line in self.lines for iccid in line.iccids)


@dataclass(frozen=True)
class Batch:
    """Inventory of one bundle, bought (or returned) at one time."""

    usage_id: int
    bundle: str
    total: int
    remaining: int
    price: Decimal
    purchased: int
    expires: int


@dataclass(frozen=True)
class MoneyEntry:
    serial: int
    at: int
    kind: str  # charge, refund, topup, adjustment
    amount: Decimal  # signed: what it did to the balance
    reference: str


@dataclass(frozen=True)
class Job:
    """Something that happens by itself at a time: an order that takes effect late, or that fails later."""

    serial: int
    due: int
    kind: str
    reference: str = ""
    payload: str = ""


@dataclass(frozen=True)
class Apply:
    """One POST /esims/apply: which eSIMs its reference stands for."""

    reference: str
    iccids: tuple[str, ...]
    visible_at: int = 0


Record = Esim | Order | Batch | MoneyEntry | Job | Apply


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if dataclasses.is_dataclass(value):
        return vars(value)
    raise TypeError(f"cannot store {value!r}")


def encode(record: Record) -> str:
    return json.dumps(record, default=_plain)


def _assignment(doc: Mapping[str, Any]) -> Assignment:
    return Assignment(**{**doc, "price": Decimal(doc["price"])})


def _esim(doc: Mapping[str, Any]) -> Esim:
    bundles = tuple(_assignment(held) for held in doc["bundles"])
    history = tuple(HistoryEvent(**event) for event in doc["history"])
    return Esim(**{**doc, "bundles": bundles, "history": history})


def _line(doc: Mapping[str, Any]) -> OrderLine:
    iccids = {"asked_iccids": tuple(doc["asked_iccids"]), "iccids": tuple(doc["iccids"])}
    return OrderLine(**{**doc, **iccids, "price": Decimal(doc["price"])})


def _order(doc: Mapping[str, Any]) -> Order:
    money = {name: Decimal(doc[name]) for name in ("total", "charged", "running_balance")}
    return Order(**{**doc, **money, "lines": tuple(_line(line) for line in doc["lines"])})


def _batch(doc: Mapping[str, Any]) -> Batch:
    return Batch(**{**doc, "price": Decimal(doc["price"])})


def _money(doc: Mapping[str, Any]) -> MoneyEntry:
    return MoneyEntry(**{**doc, "amount": Decimal(doc["amount"])})


def _apply(doc: Mapping[str, Any]) -> Apply:
    return Apply(**{**doc, "iccids": tuple(doc["iccids"])})


_DECODERS: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "esim": _esim,
    "order": _order,
    "batch": _batch,
    "money": _money,
    "job": lambda doc: Job(**doc),
    "apply": _apply,
}


def decode(kind: str, text: str) -> Record:
    return _DECODERS[kind](json.loads(text))
