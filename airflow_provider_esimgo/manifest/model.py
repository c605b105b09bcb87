"""The words of the manifest: a row asks for a bundle for a recipient, a unit is the atom that is bought once.

A unit carries no personal data: `name`, `email` and unknown columns stay on the row, for the kit only,
and out of every repr. Everything here is immutable; a changed order is another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from airflow_provider_esimgo.manifest.faults import Fault


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the manifest, checked. `number` is the row as the spreadsheet shows it (header = 1)."""

    number: int
    recipient_ref: str
    bundle: str
    quantity: int = 1
    iccid: str | None = None
    cost_centre: str | None = None
    country: str | None = None
    install_by: date | None = None
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Unit:
    """One bundle on one eSIM for one recipient. `number` counts from 1 through the batch, in row order."""

    number: int
    row: int
    recipient_ref: str
    bundle: str
    iccid: str | None = None
    cost_centre: str | None = None
    country: str | None = None
    install_by: date | None = None


@dataclass(frozen=True)
class Manifest:
    """A manifest without errors. `warnings` did not stop it; `notes` say what was tolerated in reading it."""

    name: str
    rows: tuple[Row, ...] = field(repr=False)
    blank_rows: int
    warnings: Sequence[Fault] = field(repr=False)
    notes: tuple[str, ...]
    extra_columns: tuple[str, ...]
    content_hash: str

    @property
    def row_count(self) -> int:
        return len(self.rows)

    @property
    def unit_count(self) -> int:
        return sum(row.quantity for row in self.rows)


def expand_units(manifest: Manifest) -> tuple[Unit, ...]:
    """Every unit the manifest asks for, numbered from 1 in row order."""
    units: list[Unit] = []
    for row in manifest.rows:
        for _ in range(row.quantity):
            units.append(
                Unit(
                    number=len(units) + 1,
                    row=row.number,
                    recipient_ref=row.recipient_ref,
                    bundle=row.bundle,
                    iccid=row.iccid,
                    cost_centre=row.cost_centre,
                    country=row.country,
                    install_by=row.install_by,
                )
            )
    return tuple(units)
