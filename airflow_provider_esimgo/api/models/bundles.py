"""Bundles: on an eSIM, applied from inventory, lying in inventory, and for sale in the catalogue.

Must stay true: names are case-sensitive and kept as sent; quantities are whole bytes on an eSIM and whole
megabytes (1 GB = 1000) in catalogue and inventory; `remaining` may grow again on unlimited bundles.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, instant
from airflow_provider_esimgo.api.models.states import BundleState


@dataclass(frozen=True)
class Allowance:
    """A data, voice or text allowance [D25]. `unit`: BYTES, MB, SMS, MINS; `remaining` only on an eSIM."""

    type: str
    service: str
    description: str
    amount: int | None
    remaining: int | None
    unit: str
    unlimited: bool

    @classmethod
    def parse(cls, fields: Fields) -> Allowance:
        return cls(
            type=fields.text("type"),
            service=fields.text("service"),
            description=fields.text("description"),
            amount=fields.integer("amount", "initialAmount"),
            remaining=fields.integer("remainingAmount"),
            unit=fields.text("unit"),
            unlimited=fields.flag("unlimited") or False,
        )


@dataclass(frozen=True)
class Assignment:
    """One bundle on one eSIM [D24][D25]. Quantities in bytes; `reference` is the order's, then `-index`."""

    id: str
    reference: str
    state: str
    call_type_group: str = ""
    initial_quantity: int | None = None
    remaining_quantity: int | None = None
    unlimited: bool = False
    assigned: str = ""
    started: str = ""
    ended: str = ""
    allowances: tuple[Allowance, ...] = ()

    @property
    def bundle_state(self) -> BundleState:
        return BundleState.read(self.state)

    @property
    def assigned_at(self) -> datetime | None:
        return instant(self.assigned)

    @property
    def started_at(self) -> datetime | None:
        """None before first use."""
        return instant(self.started)

    @property
    def ends_at(self) -> datetime | None:
        """None before first use."""
        return instant(self.ended)

    @classmethod
    def parse(cls, fields: Fields) -> Assignment:
        return cls(
            id=fields.text("id"),
            reference=fields.text("assignmentReference"),
            state=fields.text("bundleState"),
            call_type_group=fields.text("callTypeGroup"),
            initial_quantity=fields.integer("initialQuantity"),
            remaining_quantity=fields.integer("remainingQuantity"),
            unlimited=fields.flag("unlimited") or False,
            assigned=fields.text("assignmentDateTime"),
            started=fields.text("startTime"),
            ended=fields.text("endTime"),
            allowances=tuple(map(Allowance.parse, fields.objects("allowances"))),
        )


@dataclass(frozen=True)
class EsimBundle:
    """A bundle name on an eSIM with its assignments."""

    name: str
    description: str
    assignments: tuple[Assignment, ...]

    @classmethod
    def parse(cls, fields: Fields) -> EsimBundle:
        return cls(
            name=fields.text("name"),
            description=fields.text("description"),
            assignments=tuple(map(Assignment.parse, fields.objects("assignments"))),
        )


@dataclass(frozen=True)
class ApplyLine:
    """`repeat` new eSIMs (default 1), each with the bundle `name` from inventory."""

    name: str
    repeat: int | None = None
    allow_reassign: bool = False

    def to_json(self) -> dict[str, object]:
        line: dict[str, object] = {"name": self.name, "allowReassign": self.allow_reassign}
        if self.repeat is not None:
            line["repeat"] = self.repeat
        return line


@dataclass(frozen=True)
class AppliedEsim:
    """`status` is the vendor's free text; never decide by it."""

    iccid: str
    bundle: str
    status: str


@dataclass(frozen=True)
class Applied:
    """The answer to an apply; `reference` asks for install details like an order's [D24]."""

    reference: str
    esims: tuple[AppliedEsim, ...]

    @classmethod
    def parse(cls, fields: Fields) -> Applied:
        esims = (
            AppliedEsim(one.text("iccid"), one.text("bundle"), one.text("status"))
            for one in fields.objects("esims")
        )
        return cls(reference=fields.required("applyReference"), esims=tuple(esims))


@dataclass(frozen=True)
class InventoryBatch:
    """One purchase lying in inventory; `usage_id` is what a refund names."""

    usage_id: int
    total: int | None
    remaining: int | None
    expiry: str

    @property
    def expires_on(self) -> date | None:
        moment = instant(self.expiry)
        return moment.date() if moment else None

    @classmethod
    def parse(cls, fields: Fields) -> InventoryBatch:
        usage_id = fields.integer("id")
        if usage_id is None:
            raise MalformedError("an inventory batch lacks its id")
        return cls(usage_id, fields.integer("total"), fields.integer("remaining"), fields.text("expiry"))


@dataclass(frozen=True)
class InventoryBundle:
    """A bundle in inventory [D24][D25]. `data_mb` in MB; `duration` in `duration_unit` (day, month)."""

    name: str
    description: str
    batches: tuple[InventoryBatch, ...]
    countries: tuple[str, ...]
    data_mb: int | None
    duration: int | None
    duration_unit: str
    autostart: bool
    unlimited: bool
    speeds: tuple[str, ...]
    allowances: tuple[Allowance, ...]

    @property
    def remaining(self) -> int:
        return sum(batch.remaining or 0 for batch in self.batches)

    @classmethod
    def parse(cls, fields: Fields) -> InventoryBundle:
        return cls(
            name=fields.text("name"),
            description=fields.text("desc", "description"),
            batches=tuple(map(InventoryBatch.parse, fields.objects("available"))),
            countries=fields.texts("countries"),
            data_mb=fields.integer("data"),
            duration=fields.integer("duration"),
            duration_unit=fields.text("durationUnit"),
            autostart=fields.flag("autostart") or False,
            unlimited=fields.flag("unlimited") or False,
            speeds=fields.texts("speed"),
            allowances=tuple(map(Allowance.parse, fields.objects("allowances"))),
        )


@dataclass(frozen=True)
class Country:
    """`iso` is the two-letter code."""

    iso: str
    name: str = ""
    region: str = ""


@dataclass(frozen=True)
class CatalogueBundle:
    """A bundle for sale [D24][D25]. `data_mb` in MB, -1 when unlimited; `price` in the account's currency."""

    name: str
    description: str
    price: Decimal | None
    countries: tuple[Country, ...]
    roaming: tuple[Country, ...]
    data_mb: int | None
    duration_days: int | None
    unlimited: bool
    autostart: bool
    groups: tuple[str, ...]
    speeds: tuple[str, ...]
    billing_type: str
    profile_name: str
    allowances: tuple[Allowance, ...]

    @classmethod
    def parse(cls, fields: Fields) -> CatalogueBundle:
        data_mb = fields.integer("dataAmount")
        return cls(
            name=fields.required("name"),
            description=fields.text("description", "desc"),
            price=fields.money("price"),
            countries=_countries(fields, "countries"),
            roaming=_countries(fields, "roamingEnabled"),
            data_mb=data_mb,
            duration_days=fields.integer("duration"),
            unlimited=fields.flag("unlimited") or data_mb == -1,
            autostart=fields.flag("autostart") or False,
            groups=fields.texts("groups", "group"),
            speeds=fields.texts("speed", "speeds"),
            billing_type=fields.text("billingType"),
            profile_name=fields.text("profileName"),
            allowances=tuple(map(Allowance.parse, fields.objects("allowances"))),
        )


def _countries(fields: Fields, name: str) -> tuple[Country, ...]:
    """Objects by the schema; bare texts in some copies."""
    listed = tuple(
        Country(one.text("iso"), one.text("name"), one.text("region")) for one in fields.objects(name)
    )
    bare = (Country(text) if len(text) == 2 else Country("", text) for text in fields.texts(name))
    return listed + tuple(bare)
