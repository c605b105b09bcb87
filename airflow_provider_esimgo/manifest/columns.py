"""Which column of the file is which, from a header that people and spreadsheets have handled.

Case, spaces, hyphens and underscores are forgiven, with a note, where only one reading is possible. A column
that merely looks like a known one is an error: ignoring a misspelt `iccid` would buy a new eSIM.
Unrecognised header cells are never quoted: in a file without a header they are somebody's data.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airflow_provider_esimgo.manifest.faults import Fault, Severity

REQUIRED_COLUMNS = ("recipient_ref", "bundle")
KNOWN_COLUMNS = (
    *REQUIRED_COLUMNS,
    "quantity",
    "iccid",
    "cost_centre",
    "country",
    "install_by",
    "name",
    "email",
)
LOOKALIKE = 0.85  # `quantiy`, `iccids`, `cost_center`; not `surname` or `country_code`


@dataclass(frozen=True)
class Columns:
    """Positions in the file by known name, positions of the others by their own name, and what was wrong."""

    known: dict[str, int]
    extra: dict[str, int]
    nameless: tuple[int, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def _plain(cell: str) -> str:
    return re.sub(r"[\s_\-\ufeff]+", "", cell).casefold()


_BY_PLAIN_NAME = {_plain(name): name for name in KNOWN_COLUMNS}


def known_column(cell: str) -> str | None:
    """The known column that this header cell means, forgiving case, spaces, hyphens and underscores."""
    return _BY_PLAIN_NAME.get(_plain(cell))


def recognise_columns(header: Sequence[str], *, without: Collection[str] = ()) -> Columns:
    """Read a header: every column's meaning, and every fault at once; it may do `without` some columns."""
    known: dict[str, int] = {}
    extra: dict[str, int] = {}
    nameless: list[int] = []
    notes: list[str] = []
    meanings = [known_column(cell) for cell in header]
    times = Counter(meaning or cell.strip() for meaning, cell in zip(meanings, header, strict=True))
    repeated: list[tuple[int, str | None]] = []
    for position, (meaning, cell) in enumerate(zip(meanings, header, strict=True)):
        own = cell.strip()
        if meaning is None and not own:
            nameless.append(position)
        elif times[meaning or own] > 1 and (meaning or own) in (known if meaning else extra):
            repeated.append((position, meaning))
        elif meaning:
            known[meaning] = position
            if cell != meaning:
                notes.append(f"column {position + 1} {cell!r} was read as {meaning}")
        else:
            extra[own] = position
    faults = [
        *(_duplicate(position, meaning) for position, meaning in repeated),
        *_missing({*known, *without}, known, len(header)),
        *_lookalikes(known, extra),
    ]
    return Columns(known, extra, tuple(nameless), tuple(faults), tuple(notes))


def _duplicate(position: int, meaning: str | None) -> Fault:
    named = f"the name {meaning}" if meaning else "the name of an earlier column"
    return Fault(
        "duplicate_column",
        Severity.ERROR,
        None,
        meaning,
        None,
        f"column {position + 1} has {named} again",
        "keep one of them, or rename one",
    )


def _missing(had: Collection[str], known: dict[str, int], width: int) -> list[Fault]:
    absent = [name for name in REQUIRED_COLUMNS if name not in had]
    found = ", ".join(known) or "none of the known columns"
    return [
        Fault(
            "missing_column",
            Severity.ERROR,
            None,
            name,
            None,
            f"the header has no column {name} (it has {width} columns: {found})",
            f"name the columns in the first row; {' and '.join(REQUIRED_COLUMNS)} are required",
        )
        for name in absent
    ]


def _lookalikes(known: dict[str, int], extra: dict[str, int]) -> list[Fault]:
    faults = []
    absent = {_plain(name): name for name in KNOWN_COLUMNS if name not in known}
    for own, position in extra.items():
        close = difflib.get_close_matches(_plain(own)[:64], list(absent), n=1, cutoff=LOOKALIKE)
        if close:
            name = absent[close[0]]
            faults.append(
                Fault(
                    "misspelt_column",
                    Severity.ERROR,
                    None,
                    name,
                    None,
                    f"column {position + 1} looks like {name} but is not quite",
                    f"rename it to {name}, or give it a clearly different name",
                )
            )
    return faults
