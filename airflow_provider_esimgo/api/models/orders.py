"""Orders: what is asked of POST /orders, and what it and the order lists answer.

Must stay true: money is Decimal, time stamps are kept as sent (they carry nanoseconds), and a request that
the vendor's own rules forbid cannot be built. Counts and totals are compared by the ledger, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from airflow_provider_esimgo.api.models.install import InstallDetails
from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, instant, rows
from airflow_provider_esimgo.api.models.states import OrderStatus

OrderType = Literal["validate", "transaction"]


@dataclass(frozen=True)
class OrderLine:
    """`quantity` times the bundle `item`: on new eSIMs, or on those of `iccids` (one each) as a top-up."""

    item: str
    quantity: int
    iccids: tuple[str, ...] = ()
    allow_reassign: bool = False

    def __post_init__(self) -> None:
        if not self.item:
            raise ValueError("an order line needs a bundle name")
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int) or self.quantity < 1:
            raise ValueError(f"{self.item}: quantity must be a whole number from 1 on, not {self.quantity!r}")
        if isinstance(self.iccids, str) or not all(isinstance(iccid, str) and iccid for iccid in self.iccids):
            raise ValueError(f"{self.item}: iccids must be a tuple of ICCIDs as text")
        if self.iccids and len(self.iccids) != self.quantity:
            raise ValueError(f"{self.item}: {len(self.iccids)} ICCIDs for a quantity of {self.quantity}")

    def to_json(self) -> dict[str, object]:
        line: dict[str, object] = {"type": "bundle", "quantity": self.quantity, "item": self.item}
        if self.iccids:
            line["iccids"] = list(self.iccids)
        line["allowReassign"] = self.allow_reassign
        return line


@dataclass(frozen=True)
class OrderRequest:
    """One order. `assign=False` buys into inventory; `profile_id` is a branding profile's UUID [D25]."""

    lines: tuple[OrderLine, ...]
    assign: bool = True
    profile_id: str | None = None

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("an order needs at least one line")
        if not self.assign and (self.profile_id or any(line.iccids for line in self.lines)):
            raise ValueError("ICCIDs and a profile_id need assign=True")
        if self.profile_id is not None:
            try:
                UUID(self.profile_id)
            except ValueError:
                raise ValueError(f"profile_id must be a UUID, not {self.profile_id!r}") from None

    def to_json(self, type: OrderType) -> dict[str, object]:
        body: dict[str, object] = {
            "type": type,
            "assign": self.assign,
            "order": [line.to_json() for line in self.lines],
        }
        if self.profile_id is not None:
            body["profileID"] = self.profile_id
        return body


@dataclass(frozen=True)
class PlacedLine:
    """A line as answered. `iccids` joins the reply's two places for them; `esims` may be missing at first."""

    type: str
    item: str
    quantity: int
    sub_total: Decimal | None
    price_per_unit: Decimal | None
    iccids: tuple[str, ...]
    esims: tuple[InstallDetails, ...]
    allow_reassign: bool

    @classmethod
    def parse(cls, fields: Fields) -> PlacedLine:
        esims = tuple(map(InstallDetails.parse, fields.objects("esims")))
        iccids = fields.texts("iccids")
        unlisted = tuple(esim.iccid for esim in esims if esim.iccid and esim.iccid not in iccids)
        return cls(
            type=fields.text("type"),
            item=fields.text("item"),
            quantity=fields.integer("quantity") or 0,
            sub_total=fields.money("subTotal"),
            price_per_unit=fields.money("pricePerUnit"),
            iccids=iccids + unlisted,
            esims=esims,
            allow_reassign=fields.flag("allowReassign") or False,
        )


@dataclass(frozen=True)
class Order:
    """An order as the vendor keeps it [D24][D25][STG]. `created` is RFC 3339 with nanoseconds, as sent."""

    reference: str
    lines: tuple[PlacedLine, ...]
    total: Decimal | None
    currency: str | None
    status: str
    status_message: str = ""
    created: str = ""
    assigned: bool | None = None
    source_ip: str | None = None
    running_balance: Decimal | None = None

    @property
    def created_at(self) -> datetime | None:
        """UTC, cut to the microsecond."""
        return instant(self.created)

    @property
    def state(self) -> OrderStatus:
        return OrderStatus.read(self.status)

    @property
    def iccids(self) -> tuple[str, ...]:
        return tuple(iccid for line in self.lines for iccid in line.iccids)

    @property
    def bundle_lines(self) -> tuple[PlacedLine, ...]:
        """Lines that were bought: not refunds, applies or top-ups of the balance."""
        return tuple(line for line in self.lines if line.type == "bundle")

    @classmethod
    def parse(cls, fields: Fields) -> Order:
        return cls(
            reference=fields.text("orderReference"),
            lines=tuple(map(PlacedLine.parse, fields.objects("order"))),
            total=fields.money("total"),
            currency=fields.text("currency") or None,
            status=fields.text("status"),
            status_message=fields.text("statusMessage"),
            created=fields.text("createdDate", "createDate"),
            assigned=fields.flag("assigned"),
            source_ip=fields.text("sourceIP") or None,
            running_balance=fields.money("runningBalance"),
        )


@dataclass(frozen=True)
class OrderQuote:
    """The answer to a validation: prices, and whether the order would be taken. Nothing is reserved."""

    lines: tuple[PlacedLine, ...]
    total: Decimal
    currency: str
    valid: bool


def placed_order(payload: object) -> Order:
    """A bought order. Without an orderReference nobody can say what was bought: MalformedError."""
    fields = Fields(payload, "the reply to the order")
    fields.required("orderReference")
    return Order.parse(fields)


def quote(payload: object) -> OrderQuote:
    """A validation's reply. One that carries an orderReference is a contradiction: MalformedError."""
    fields = Fields(payload, "the reply to the validation")
    if fields.text("orderReference"):
        raise MalformedError("the reply to a validation names an order: look for it in the order list")
    total = fields.money("total")
    if total is None:
        raise MalformedError("the reply to the validation lacks a total")
    return OrderQuote(
        lines=tuple(map(PlacedLine.parse, fields.objects("order"))),
        total=total,
        currency=fields.text("currency"),
        valid=fields.flag("valid") or False,
    )


def single_order(payload: object) -> Order:
    """GET /orders/{reference}: one object, or a list of one."""
    found = rows(payload, "orders", identity="orderReference")
    if len(found) != 1:
        raise MalformedError(f"the reply holds {len(found)} orders instead of one")
    found[0].required("orderReference")
    return Order.parse(found[0])
