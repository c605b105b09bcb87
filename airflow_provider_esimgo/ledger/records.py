"""What the ledger's rows are outside SQL: frozen values, money as Decimal, states as enums."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from airflow_provider_esimgo.api import OrderLine, OrderRequest
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.manifest.card import CostCard


class _FromRow:
    """Built from a database row whose columns bear the field names; what needs converting is given apart."""

    @classmethod
    def _read(cls, row: Mapping[Any, Any], **converted: Any) -> Self:
        plain = {known.name for known in fields(cls)} - converted.keys()  # type: ignore[arg-type]
        return cls(**{name: row[name] for name in plain}, **converted)


class Milestone(StrEnum):
    """How far a unit is (design §2)."""

    ASSIGNED = "assigned"
    INSTALLED = "installed"
    ACTIVE = "active"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Actor:
    """Who acts: the Airflow task try, or a person at the command line. All of it may be absent."""

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    user: str | None = None
    host: str | None = None

    def to_json(self) -> str:
        """Only what is known, as canonical JSON."""
        return canonical_json({key: value for key, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class Batch(_FromRow):
    """One accepted manifest and its plan, as the ledger holds it."""

    key: int
    account: str
    batch_id: str
    manifest: str
    content_hash: str
    plan_hash: str
    currency: str
    total: Decimal
    row_count: int
    unit_count: int
    order_count: int
    planned_at: int
    valid_until: int | None = field(compare=False)  # a plan renewed unchanged is the same plan
    card: str | None = field(compare=False, repr=False)

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_batches`."""
        return cls._read(row, key=row["id"], total=Decimal(row["total"]))

    @property
    def expires(self) -> datetime | None:
        """The last moment to begin buying it, in UTC."""
        return None if self.valid_until is None else datetime.fromtimestamp(self.valid_until / 1000, UTC)

    def expired(self, now: int) -> bool:
        """Whether it is too late to begin buying it."""
        return self.valid_until is not None and now > self.valid_until

    def cost_card(self) -> CostCard | None:
        """What the approver is shown; plans of older packages have none."""
        return None if self.card is None else CostCard.from_json(self.card)


@dataclass(frozen=True)
class Order(_FromRow):
    """One order of a batch, as the ledger holds it.

    `total` is the planned price, `due` the price last quoted: what the vendor is expected to charge.
    """

    key: int
    batch_key: int
    account: str
    number: int
    state: OrderState
    attempt: int
    owner: str | None
    request: OrderRequest
    total: Decimal
    due: Decimal
    balance_before: Decimal | None
    sent_at: int | None
    unknown_at: int | None
    looks: int
    reference: str | None
    message: str | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_orders`."""
        before = row["balance_before"]
        return cls._read(
            row,
            key=row["id"],
            state=OrderState(row["state"]),
            request=request_from_json(row["lines"]),
            total=Decimal(row["total"]),
            due=Decimal(row["due"]),
            balance_before=None if before is None else Decimal(before),
        )

    @property
    def unit_count(self) -> int:
        """How many units it buys."""
        return sum(line.quantity for line in self.request.lines)


@dataclass(frozen=True)
class Unit(_FromRow):
    """One unit of a batch, as the ledger holds it: no name, no e-mail address, no code."""

    key: int
    number: int
    order_key: int
    manifest_row: int
    recipient_ref: str
    bundle: str
    topped_up: str | None
    cost_centre: str | None
    price: Decimal
    iccid: str | None
    milestone: Milestone | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_units`."""
        milestone = row["milestone"]
        return cls._read(
            row,
            key=row["id"],
            price=Decimal(row["price"]),
            milestone=None if milestone is None else Milestone(milestone),
        )


class StrayKind(StrEnum):
    """Why a vendor order belongs to none of ours."""

    FOREIGN = "foreign"  # somebody else bought it
    DUPLICATE = "duplicate"  # ours, bought a second time


@dataclass(frozen=True)
class Stray(_FromRow):
    """A vendor order that no order of ours may adopt."""

    reference: str
    kind: StrayKind
    order_key: int
    at: int

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_strays`."""
        return cls._read(row, kind=StrayKind(row["kind"]))


class Choice(StrEnum):
    """What became of a question."""

    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"  # answered, but it does not count; the note says why
    LAPSED = "lapsed"  # not an answer: earlier approvals of the batch ended with the plan's term


@dataclass(frozen=True)
class Approval(_FromRow):
    """One time that a person was asked about a plan, and the answer."""

    key: int
    batch_key: int
    request: str
    plan_hash: str
    requester: str | None
    asked_at: int
    choice: Choice | None
    user_id: str | None
    user_name: str | None
    at: int | None
    note: str | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_approvals`."""
        choice = row["choice"]
        return cls._read(row, key=row["id"], choice=None if choice is None else Choice(choice))

    @property
    def by(self) -> str:
        """Who answered, for people."""
        return self.user_name or self.user_id or "nobody"


@dataclass(frozen=True)
class Event(_FromRow):
    """One line of the append-only history."""

    at: int
    kind: str
    batch_key: int | None
    order_key: int | None
    from_state: str | None
    to_state: str | None
    attempt: int | None
    actor: Mapping[str, Any]
    evidence: Mapping[str, Any]

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of `esimgo_events`."""
        return cls._read(row, actor=json.loads(row["actor"]), evidence=json.loads(row["evidence"]))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; money must already be text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def lines_to_json(request: OrderRequest) -> str:
    """An order's lines as canonical JSON, the form in which the ledger keeps what it asks for."""
    return canonical_json(
        [
            {"item": line.item, "quantity": line.quantity, "iccids": list(line.iccids)}
            for line in request.lines
        ]
    )


def request_from_json(text: str) -> OrderRequest:
    """The order request that `lines_to_json` wrote."""
    return OrderRequest(
        lines=tuple(
            OrderLine(item=line["item"], quantity=line["quantity"], iccids=tuple(line["iccids"]))
            for line in json.loads(text)
        ),
        assign=True,
    )
