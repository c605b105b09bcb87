"""What can be wrong with a manifest, said so that the person who wrote the file can put it right.

A fault names the row as the spreadsheet shows it (header = 1), and never repeats a person's data:
values of `name`, `email` and of columns this package does not know are withheld here, centrally.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_COLUMNS = frozenset(
    {"recipient_ref", "bundle", "quantity", "iccid", "cost_centre", "country", "install_by"}
)
SHOWN_LENGTH = 40
TABLE_ROWS = 20


class Severity(enum.StrEnum):
    """An error stops the batch; a warning is reported and the row goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place. `row` and `column` are None when the whole file is meant."""

    code: str
    severity: Severity
    row: int | None
    column: str | None
    value: str | None
    message: str
    cure: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"row {self.row}" if self.row else "", self.column or "") if part)
        seen = f" '{self.value}'" if self.value is not None else ""
        return f"{place or 'file'}:{seen} {self.message}; {self.cure}"


def shown(column: str | None, value: str | None) -> str | None:
    """The value as seen: escaped, truncated, and None where it could say something about a person."""
    if value is None or column not in SHOWN_COLUMNS:
        return None
    escaped = repr(value[:SHOWN_LENGTH])[1:-1]
    return escaped + "…" if len(value) > SHOWN_LENGTH else escaped


class ManifestError(ValueError):
    """The manifest has errors, so nothing was bought. `faults` has all of them, errors before warnings."""

    def __init__(self, faults: Iterable[Fault], name: str = "manifest") -> None:
        self.faults = tuple(
            sorted(faults, key=lambda fault: (fault.severity is Severity.WARNING, fault.row or 0))
        )
        self.name = name
        super().__init__(self.faults, name)  # the same arguments again, so that it survives pickling

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.severity is Severity.WARNING)

    def __repr__(self) -> str:
        return f"ManifestError({self.name!r}, {len(self.faults)} faults)"

    def __str__(self) -> str:
        errors, warnings = len(self.errors), len(self.warnings)
        title = f"{self.name}: {_count(errors, 'error')}"
        if warnings:
            title += f" and {_count(warnings, 'warning')}"
        lines = [f"{title}. Nothing was bought.", *_table(self.faults[:TABLE_ROWS])]
        if len(self.faults) > TABLE_ROWS:
            lines.append(f"… and {len(self.faults) - TABLE_ROWS} more.")
        return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(faults: Iterable[Fault]) -> list[str]:
    cells = [("row", "column", "value", "what is wrong, and the cure")]
    for fault in faults:
        note = "warning: " if fault.severity is Severity.WARNING else ""
        cells.append(
            (
                str(fault.row or "-"),
                fault.column or "-",
                "-" if fault.value is None else f"'{fault.value}'",
                f"{note}{fault.message}; {fault.cure}",
            )
        )
    wide = [max(len(line[at]) for line in cells) for at in range(3)]
    return [f"{a:>{wide[0]}}  {b:<{wide[1]}}  {c:<{wide[2]}}  {d}" for a, b, c, d in cells]
