"""Which row is the header: spreadsheets put titles above it, and merge cells over two rows of it.

Only exact names count here. Where no row has the required columns, the first one is taken, and told what it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_provider_esimgo.manifest.columns import REQUIRED_COLUMNS, known_column

HEADER_DEPTH = 10  # non-blank rows among which the header is looked for

Record = tuple[int, Sequence[str]]  # position in the file from 0, cells


@dataclass(frozen=True)
class Header:
    """The names of the columns, and the positions of the first and last row they stand in."""

    names: tuple[str, ...]
    first: int
    last: int
    notes: tuple[str, ...]


def find_header(top: Sequence[Record]) -> Header:
    """Find the header among the first non-blank records of a file; there is at least one."""
    for (at, names), (below, lower) in pairwise([*top, (top[-1][0] + 1, ())]):
        joined = _joined(names, lower)
        for cells, last in ((joined, below), (names, at)):
            if cells is not None and set(REQUIRED_COLUMNS) <= {known_column(cell) for cell in cells}:
                return Header(tuple(cells), at, last, _notes(top[0][0], at, last))
    at, names = top[0]
    return Header(tuple(names), at, at, ())


def known_count(cells: Sequence[str]) -> int:
    """How many known columns a row names."""
    return len({known_column(cell) for cell in cells} - {None})


def _joined(upper: Sequence[str], lower: Sequence[str]) -> Sequence[str] | None:
    """Both rows as one header, if the lower one does nothing but name columns that the upper one does not."""
    width = max(len(upper), len(lower))
    above, below = ([*row, *[""] * (width - len(row))] for row in (upper, lower))
    meanings = [known_column(cell) for cell in above]
    added = [known_column(cell) for cell in below if cell.strip()]
    if not added or None in added or not any(meanings) or set(added) & set(meanings):
        return None
    if any(meaning and cell.strip() for meaning, cell in zip(meanings, below, strict=True)):
        return None
    return [low if low.strip() else up for up, low in zip(above, below, strict=True)]


def _notes(top: int, first: int, last: int) -> tuple[str, ...]:
    notes = []
    if first > top:
        above = f"row {first} was" if first == top + 1 else f"rows {top + 1} to {first} were"
        notes.append(f"{above} taken for a title above the header and not read")
    if last > first:
        notes.append(f"the header was read from rows {first + 1} and {last + 1}")
    return tuple(notes)
