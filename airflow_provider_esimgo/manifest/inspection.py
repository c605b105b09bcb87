"""What is in a file and what is wrong with it: the ground for buying it, for refusing it, and for the reports."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from airflow_provider_esimgo.manifest.checks import parse_day
from airflow_provider_esimgo.manifest.faults import Fault, Faults, Finding, ManifestError
from airflow_provider_esimgo.manifest.hashing import content_hash
from airflow_provider_esimgo.manifest.model import Manifest, Row
from airflow_provider_esimgo.manifest.sheet import Sheet
from airflow_provider_esimgo.manifest.structure import Table


class OnFaults(enum.StrEnum):
    """What becomes of a file in which some rows have errors. An error of the file itself always fails."""

    FAIL = "fail"  # nothing of it is bought
    QUARANTINE = "quarantine"  # the good rows are; the others are put aside


@dataclass(frozen=True, eq=False)
class Inspection:
    """A file that was read. `table` and `sheet` are None where it could not be taken apart into rows."""

    name: str
    faults: Faults
    notes: tuple[str, ...] = ()
    table: Table | None = field(default=None, repr=False)
    sheet: Sheet | None = field(default=None, repr=False)
    extra_columns: tuple[str, ...] = ()

    def with_faults(self, more: Iterable[Finding | Fault]) -> Inspection:
        """The same with what was found out elsewhere: in the ledger, at the vendor."""
        return replace(self, faults=Faults([*self.faults.parts, *more]))

    @cached_property
    def faulty_rows(self) -> npt.NDArray[np.int64]:
        """The rows that have an error, in order; none where the file could not be taken apart into rows."""
        return Faults().rows if self.table is None else self.faults.errors.rows

    @property
    def file_faults(self) -> Faults:
        """The faults that are not of a row that could be read."""
        return self.faults if self.table is None else self.faults.of_file

    @property
    def row_count(self) -> int:
        """How many rows the file has, good and faulty; blank ones are none."""
        return 0 if self.table is None else len(self.table.every)

    @property
    def unit_count(self) -> int | None:
        """How many units the whole file asks for; None where a quantity cannot be read."""
        if self.sheet is None or len(self.sheet.cells) != self.row_count:
            return None
        quantities = self.sheet.column("quantity").replace("", "1")
        if not quantities.str.fullmatch("[0-9]{1,18}").all():
            return None
        return int(quantities.astype("int64").sum())

    def manifest(self, on_faults: OnFaults = OnFaults.FAIL) -> Manifest:
        """What may be bought.

        Raises:
            ManifestError: there is an error; with `QUARANTINE`, one of the file itself, or in every row.
        """
        errors = self.faults.errors
        sheet, faults = self.sheet, self.faults
        if len(errors):
            if on_faults is OnFaults.FAIL or len(errors.of_file) or self.table is None:
                raise ManifestError(faults, self.name)
            faults = faults.outside(self.faulty_rows)
            sheet = None if sheet is None else sheet.without(self.faulty_rows)
        if sheet is None or self.table is None or sheet.cells.empty:
            raise ManifestError(self.faults, self.name)
        rows = tuple(_rows(sheet))
        return Manifest(
            name=self.name,
            rows=rows,
            blank_rows=self.table.blank_rows,
            warnings=faults,
            notes=self.notes,
            extra_columns=self.extra_columns,
            content_hash=content_hash(rows),
        )


def _rows(sheet: Sheet) -> Iterator[Row]:
    """The rows of a sheet that has no errors."""
    texts = {
        column: sheet.column(column).tolist()
        for column in ("recipient_ref", "bundle", "quantity", "iccid", "cost_centre", "name", "email")
    }
    countries = sheet.column("country").str.upper().tolist()
    given_days = sheet.column("install_by")
    days = {value: parse_day(value) for value in given_days.drop_duplicates()}
    extras = [] if sheet.extra is None else sheet.extra.to_dict("records")
    for at, (number, day) in enumerate(zip(sheet.cells.index, given_days, strict=True)):
        yield Row(
            number=int(number),
            recipient_ref=texts["recipient_ref"][at],
            bundle=texts["bundle"][at],
            quantity=int(texts["quantity"][at] or 1),
            iccid=texts["iccid"][at] or None,
            cost_centre=texts["cost_centre"][at] or None,
            country=countries[at] or None,
            install_by=days[day],
            name=texts["name"][at] or None,
            email=texts["email"][at] or None,
            extra={str(key): value for key, value in extras[at].items()} if extras else {},
        )
