"""An Excel workbook to the same table as a CSV: every cell as the text it holds, formulas as formulas.

A cell that holds a number has at most 15 digits of what was typed into it. So a number where an ICCID belongs
is a fault, and so is one that is shown otherwise than it is stored.
"""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pandas as pd

from airflow_provider_esimgo.manifest.columns import known_column
from airflow_provider_esimgo.manifest.encoding import SAVE_AS_UTF8
from airflow_provider_esimgo.manifest.faults import Finding, Severity, UnreadableError
from airflow_provider_esimgo.manifest.header import HEADER_DEPTH, Record, find_header
from airflow_provider_esimgo.manifest.iccid import FROM_SOURCE
from airflow_provider_esimgo.manifest.structure import Table, no_rows, no_rows_at_all

LARGEST = 500_000_000  # bytes of XML: a workbook of a megabyte can unpack to more than there is memory
_PLAIN_FORMATS = {"General", "0", "@"}
_EXACT = 10**15

Numbers = dict[int, list[tuple[int, bool]]]  # by column: row, and whether it is shown as it is stored


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are an Excel workbook (xlsx, xlsm)."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read_workbook(data: bytes) -> Table:
    """The first worksheet that has anything in it."""
    _check_size(data)
    try:
        from openpyxl import load_workbook  # noqa: PLC0415 - an extra
    except ImportError:
        raise UnreadableError(
            "xlsx_extra",
            "the file is an Excel workbook (xlsx), which this installation cannot read",
            "install airflow-provider-esimgo[xlsx], or save the file as 'CSV UTF-8'",
        ) from None
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        names: list[str] = []
        found: tuple[str, list[list[str]], Numbers] | None = None
        for sheet in book.worksheets:
            names.append(sheet.title)
            if found is None:
                records, numbers = _texts(sheet)
                if any(map(any, records)):
                    found = (sheet.title, records, numbers)
        book.close()
    except Exception as error:  # openpyxl meets a damaged file with whatever its XML reader or zip met
        raise UnreadableError(
            "damaged_workbook",
            f"the file is an Excel workbook (xlsx) that cannot be read ({type(error).__name__})",
            f"open it in Excel, and {SAVE_AS_UTF8}",
        ) from None
    if found is None:
        raise no_rows_at_all()
    title, records, numbers = found
    others = len(names) - 1
    rest = {0: "", 1: "; the other one was not"}.get(others, f"; the {others} others were not")
    note = f"worksheet {title!r} was read{rest}"
    return _table(records, numbers, note)


def _check_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST:
        raise UnreadableError(
            "too_large",
            f"the workbook unpacks to {size // 1_000_000} MB, more than {LARGEST // 1_000_000}",
            "save only the worksheet with the rows as 'CSV UTF-8'",
        )


def _texts(sheet: Any) -> tuple[list[list[str]], Numbers]:
    """Every row up to the last that has something, each up to its last cell that has something."""
    sheet.reset_dimensions()  # what a file says of its own size is not always so
    records: list[list[str]] = []
    numbers: Numbers = defaultdict(list)
    last = 0
    for at, row in enumerate(sheet.iter_rows()):
        cells: list[str] = []
        width = 0
        for position, cell in enumerate(row):
            value = cell.value
            text = "" if value is None else _text(value)
            cells.append(text)
            if text.strip():
                width = position + 1
            if isinstance(value, int | float) and not isinstance(value, bool):
                exact = abs(value) < _EXACT and (cell.number_format or "General") in _PLAIN_FORMATS
                numbers[position].append((at + 1, exact))
        records.append(cells[:width])
        last = at + 1 if width else last
    return records[:last], numbers


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(getattr(value, "text", value))  # an array formula keeps its text aside


def _table(records: list[list[str]], numbers: Numbers, note: str) -> Table:
    header = find_header(list(_top(records)))
    wide = max(map(len, records))
    width = len(header.names)
    cells = pd.DataFrame(
        [row + [""] * (wide - len(row)) for row in records],
        index=pd.RangeIndex(1, len(records) + 1),
        columns=range(wide),
        dtype=object,
    )
    given = np.array([bool(row) for row in records])
    blank_rows = int((~given).sum())
    given[: header.last + 1] = False
    names = (*header.names, *[""] * (wide - width))  # values beyond the header are told as nameless
    every = cells.iloc[np.flatnonzero(given)]
    return Table(
        names,
        every,
        every,
        blank_rows,
        (*_number_faults(names, numbers, every), *no_rows(given)),
        (note, *header.notes),
    )


def _top(records: list[list[str]]) -> Iterator[Record]:
    given = ((at, row) for at, row in enumerate(records) if row)
    return (record for record, _ in zip(given, range(HEADER_DEPTH), strict=False))


def _number_faults(names: tuple[str, ...], numbers: Numbers, cells: pd.DataFrame) -> Iterator[Finding]:
    for position, name in enumerate(names):
        column = known_column(name)
        held = [(row, exact) for row, exact in numbers.get(position, ()) if row in cells.index]
        if column == "iccid" and held:
            yield _numbers_in(
                column,
                [row for row, _ in held],
                cells[position],
                "iccid_number_cell",
                "the cell holds a number, of which Excel keeps 15 digits: the ICCID's last ones may be lost",
                FROM_SOURCE,
            )
        elif column in ("recipient_ref", "cost_centre") and (
            odd := [row for row, exact in held if not exact]
        ):
            yield _numbers_in(
                column,
                odd,
                cells[position],
                "number_cell",
                "the cell holds a number that is shown otherwise than it is stored",
                "set the column to text and type the value again",
            )


def _numbers_in(
    column: str, rows: list[int], cells: pd.Series[str], code: str, message: str, cure: str
) -> Finding:
    return Finding(
        code, Severity.ERROR, column, np.array(rows, dtype=np.int64), cells.loc[rows].tolist(), message, cure
    )
