"""Text to a table: delimiter, header, quoting and the number of fields in every row.

pandas reads the values, all as text, for its defaults turn an ICCID into another one through float64 and
Namibia into NaN. The csv module walks the same text first, because pandas quietly pads short rows.
Spreadsheet rows are counted in records, so a quoted line break does not shift the numbers that follow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from airflow_provider_esimgo.manifest.encoding import SAVE_AS_UTF8
from airflow_provider_esimgo.manifest.faults import Fault, Finding, Severity, UnreadableError
from airflow_provider_esimgo.manifest.header import HEADER_DEPTH, Record, find_header, known_count

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


@dataclass(frozen=True)
class Table:
    """The records of a file. Cells are indexed by spreadsheet row, their columns by position in the header."""

    header: tuple[str, ...]
    cells: pd.DataFrame  # the rows as wide as the header
    every: pd.DataFrame  # all rows that are not blank, as wide as the widest
    blank_rows: int
    faults: tuple[Finding | Fault, ...]
    notes: tuple[str, ...]
    delimiter: str = ","


def read_table(text: str, notes: tuple[str, ...] = ()) -> Table:
    """Every record of the text, its row number, and a fault for each row of the wrong width."""
    delimiter = _delimiter(text)
    if delimiter != ",":
        notes = (*notes, f"read as {DELIMITERS[delimiter]}-separated")
    widths, blanks = _measure(text, delimiter)
    if all(blanks):
        raise no_rows_at_all()
    header = find_header(list(islice(_records(text, delimiter), HEADER_DEPTH)))
    cells = _read_cells(text, delimiter, max(widths), len(widths))
    width = len(header.names)
    given = ~np.array(blanks)
    given[: header.last + 1] = False
    fits = given & (np.array(widths) == width)
    return Table(
        header.names,
        cells.iloc[np.flatnonzero(fits), :width],
        cells.iloc[np.flatnonzero(given)],
        sum(blanks),
        (*_ragged(widths, given, width), *no_rows(given)),
        (*notes, *header.notes),
        delimiter,
    )


def no_rows_at_all() -> UnreadableError:
    return UnreadableError(
        "empty_file", "the file has only blank rows", "send a CSV file with a header and rows"
    )


def no_rows(given: np.typing.NDArray[np.bool_]) -> tuple[Fault, ...]:
    """The fault of a header with nothing below it."""
    if given.any():
        return ()
    message, cure = "the file has a header but no rows", "add a row for each recipient"
    return (Fault("no_rows", Severity.ERROR, None, None, None, message, cure),)


def _delimiter(text: str) -> str:
    """The separator under which a row at the top has the most known columns; a comma unless another has more."""
    best, most = ",", 0
    for delimiter in DELIMITERS:
        found = max(
            (known_count(cells) for _, cells in islice(_records(text, delimiter), HEADER_DEPTH)), default=0
        )
        if found > most:
            best, most = delimiter, found
    return best


def _records(text: str, delimiter: str) -> Iterator[Record]:
    """The records that are not blank, up to one that cannot be read."""
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for at, record in enumerate(records):
            if any(cell.strip() for cell in record):
                yield at, record
    except csv.Error:
        return


def _measure(text: str, delimiter: str) -> tuple[list[int], list[bool]]:
    """The number of fields of each record, and whether it is blank."""
    widths: list[int] = []
    blanks: list[bool] = []
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for record in records:
            widths.append(len(record))
            blanks.append(not "".join(record).strip())
    except csv.Error as error:
        row = len(widths) + 1
        if "end of data" in str(error):
            code, message = "unclosed_quote", "a quotation mark opens here and is never closed"
        elif "expected after" in str(error):
            code, message = "stray_quote", "a quoted value has something after its closing quotation mark"
        else:
            code, message = "unreadable_row", f"the row cannot be read ({error})"
        raise UnreadableError(
            code,
            message,
            'close the quotation mark, or double it ("") where it belongs to the value; '
            "rows below could not be read",
            row,
        ) from None
    return widths, blanks


def _read_cells(text: str, delimiter: str, width: int, records: int) -> pd.DataFrame:
    try:
        cells = pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            header=None,
            names=range(width),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UnreadableError("unreadable", f"the file cannot be read ({error})", SAVE_AS_UTF8) from None
    if len(cells) != records:
        raise UnreadableError(
            "ambiguous_rows",
            f"the file can be read as {records} or as {len(cells)} rows, depending on the reader",
            "save it again from a spreadsheet as 'CSV UTF-8'",
        )
    cells.index = pd.RangeIndex(1, records + 1)
    return cells.astype(object)  # one behaviour, whichever text storage this pandas prefers


def _ragged(widths: list[int], given: np.typing.NDArray[np.bool_], expected: int) -> Iterator[Finding]:
    found = np.array(widths)
    for code, where, cure in (
        (
            "too_many_fields",
            given & (found > expected),
            "put quotation marks around values that contain the separator, or remove the surplus",
        ),
        (
            "too_few_fields",
            given & (found < expected),
            "add the missing separators, so that each value stands under its column",
        ),
    ):
        at = np.flatnonzero(where)
        messages = [f"the row has {width} fields but the header has {expected}" for width in found[at]]
        if len(at):
            yield Finding(code, Severity.ERROR, None, at + 1, None, messages, cure)
