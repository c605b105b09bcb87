"""What can be wrong with a manifest, said so that the person who wrote the file can put it right.

A fault names the row as the spreadsheet shows it (header = 1), and never repeats a person's data:
values of `name`, `email` and of columns this package does not know are withheld here, centrally.
A ruined file has millions of faults and few are looked at: checks report them as findings, by the column.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import overload

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, eq=False)
class Finding:
    """The same thing wrong in many rows. `values` are as they stand in the file; `fault` shows them safely."""

    code: str
    severity: Severity
    column: str | None
    rows: npt.NDArray[np.int64]
    values: Sequence[str] | None
    message: str | Sequence[str]  # one for all rows, or one for each
    cure: str | Sequence[str]

    def fault(self, at: int) -> Fault:
        return Fault(
            self.code,
            self.severity,
            int(self.rows[at]),
            self.column,
            None if self.values is None else shown(self.column, self.values[at]),
            *self.told(at),
        )

    def told(self, at: int) -> tuple[str, str]:
        """Message and cure."""
        return (
            self.message if isinstance(self.message, str) else self.message[at],
            self.cure if isinstance(self.cure, str) else self.cure[at],
        )


class Faults(Sequence[Fault]):
    """All faults of a file, errors before warnings, each by row. Counting is cheap; faults are made when read."""

    def __init__(self, parts: Iterable[Finding | Fault] = ()) -> None:
        self.parts = tuple(parts)

    @cached_property
    def _order(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Of each fault, in order: which part it is from, and where in that part."""
        sizes = [_size(part) for part in self.parts]
        part = np.repeat(np.arange(len(sizes)), sizes)
        at = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, dtype=np.int64)])
        rows = np.concatenate([part_rows(part) for part in self.parts] or [np.zeros(0, dtype=np.int64)])
        late = np.repeat([part.severity is Severity.WARNING for part in self.parts], sizes)
        order = np.lexsort((rows, late)) if self.parts else np.zeros(0, dtype=np.int64)
        return part[order].astype(np.int64), at[order].astype(np.int64)

    def __len__(self) -> int:
        return sum(map(_size, self.parts))

    @overload
    def __getitem__(self, at: int) -> Fault: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Fault]: ...
    def __getitem__(self, at: int | slice) -> Fault | Sequence[Fault]:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(len(self))))
        part, position = self._order
        return self._fault(int(part[at]), int(position[at]))

    def __iter__(self) -> Iterator[Fault]:
        for part, position in zip(*self._order, strict=True):
            yield self._fault(int(part), int(position))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    def __hash__(self) -> int:
        return hash(len(self))

    def __repr__(self) -> str:
        return f"<{len(self)} faults: {[str(fault) for fault in islice(self, TABLE_ROWS)]}>"

    def _fault(self, part: int, position: int) -> Fault:
        found = self.parts[part]
        return found if isinstance(found, Fault) else found.fault(position)

    @property
    def errors(self) -> Faults:
        return Faults(part for part in self.parts if part.severity is Severity.ERROR)

    @property
    def warnings(self) -> Faults:
        return Faults(part for part in self.parts if part.severity is Severity.WARNING)

    @property
    def of_file(self) -> Faults:
        """Those that are about the file, not about a row."""
        return Faults(part for part in self.parts if isinstance(part, Fault) and part.row is None)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The rows that have a fault, each once, in order."""
        found = [part_rows(part) for part in self.parts]
        every = np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
        return every[every > 0]

    def outside(self, rows: npt.NDArray[np.int64]) -> Faults:
        """The faults of other rows than these."""
        kept: list[Finding | Fault] = []
        for part in self.parts:
            stays = np.flatnonzero(~np.isin(part_rows(part), rows)).tolist()
            if len(stays) == _size(part):
                kept.append(part)
            else:
                kept.extend(part if isinstance(part, Fault) else part.fault(at) for at in stays)
        return Faults(kept)

    def table(self, most: int = TABLE_ROWS) -> str:
        """The first faults as lines of text, and how many there are more."""
        lines = _table(self[:most])
        if len(self) > most:
            lines.append(f"… and {len(self) - most} more.")
        return "\n".join(lines)


def part_rows(part: Finding | Fault) -> npt.NDArray[np.int64]:
    """The rows of a part; 0 stands for the whole file."""
    return np.array([part.row or 0], dtype=np.int64) if isinstance(part, Fault) else part.rows


def _size(part: Finding | Fault) -> int:
    return 1 if isinstance(part, Fault) else len(part.rows)


def shown(column: str | None, value: str | None) -> str | None:
    """The value as seen: escaped, truncated, and None where it could say something about a person."""
    if value is None or column not in SHOWN_COLUMNS:
        return None
    escaped = repr(value[:SHOWN_LENGTH])[1:-1]
    return escaped + "…" if len(value) > SHOWN_LENGTH else escaped


class ManifestError(ValueError):
    """The manifest has errors, so nothing was bought. `faults` has all of them, errors before warnings."""

    def __init__(self, faults: Iterable[Finding | Fault], name: str = "manifest") -> None:
        self.faults = faults if isinstance(faults, Faults) else Faults(faults)
        self.name = name
        super().__init__(self.faults, name)  # the same arguments again, so that it survives pickling

    @property
    def errors(self) -> Faults:
        return self.faults.errors

    @property
    def warnings(self) -> Faults:
        return self.faults.warnings

    def __repr__(self) -> str:
        return f"ManifestError({self.name!r}, {len(self.faults)} faults)"

    def __str__(self) -> str:
        return f"{self.name}: {counted(self.faults)}. Nothing was bought.\n{self.faults.table()}"


class UnreadableError(Exception):
    """The file cannot be taken apart into rows. Carries the fault; never leaves this package."""

    def __init__(self, code: str, message: str, cure: str, row: int | None = None) -> None:
        super().__init__(message)
        self.fault = Fault(code, Severity.ERROR, row, None, None, message, cure)


def counted(faults: Faults) -> str:
    """Such as `2 errors and 1 warning`."""
    errors, warnings = len(faults.errors), len(faults.warnings)
    told = _count(errors, "error")
    return f"{told} and {_count(warnings, 'warning')}" if warnings else told


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
