"""Bytes to a table of text: encoding, delimiter, quoting and the number of fields in every row.

pandas reads the values, all as text, for its defaults turn an ICCID into another one through float64 and
Namibia into NaN. The csv module walks the same text first, because pandas quietly pads short rows.
Spreadsheet rows are counted in records, so a quoted line break does not shift the numbers that follow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from airflow_provider_esimgo.manifest.columns import known_column
from airflow_provider_esimgo.manifest.faults import Fault, Severity

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
SAVE_AS_UTF8 = "save the file as 'CSV UTF-8' and send it again"
_BINARY_STARTS = (
    (b"PK\x03\x04", "a spreadsheet (xlsx, ods) or zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (xls)"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


@dataclass(frozen=True)
class Table:
    """The records of a file. `cells` is indexed by spreadsheet row, its columns by position in the header."""

    header: tuple[str, ...]
    cells: pd.DataFrame
    blank_rows: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


class UnreadableError(Exception):
    """The file cannot be taken apart into rows. Carries the fault; never leaves this package."""

    def __init__(self, code: str, message: str, cure: str, row: int | None = None) -> None:
        super().__init__(message)
        self.fault = Fault(code, Severity.ERROR, row, None, None, message, cure)


def decode(data: bytes) -> str:
    """The text of a UTF-8 file, without its byte order mark."""
    if not data.strip():
        raise UnreadableError("empty_file", "the file is empty", "send a CSV file with a header and rows")
    for start, what in _BINARY_STARTS:
        if data.startswith(start):
            raise UnreadableError("not_csv", f"the file is {what}, not CSV in UTF-8", SAVE_AS_UTF8)
    nul = data.find(b"\0")
    if nul >= 0:
        raise UnreadableError(
            "nul_byte",
            f"the file has NUL bytes, the first at byte {nul + 1} (line {_line(data, nul)}): "
            "it is binary, damaged or UTF-16",
            SAVE_AS_UTF8,
        )
    try:
        return data.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            "not_utf8",
            f"byte {error.start + 1} (0x{data[error.start]:02x}, line {_line(data, error.start)}) "
            "is not UTF-8; the file is probably in a Windows or Mac encoding",
            SAVE_AS_UTF8,
        ) from None


def read_table(text: str) -> Table:
    """Every record of the text, its row number, and a fault for each row of the wrong width."""
    delimiter = _delimiter(text)
    notes = () if delimiter == "," else (f"read as {DELIMITERS[delimiter]}-separated",)
    widths, blanks = _measure(text, delimiter)
    if all(blanks):
        raise UnreadableError(
            "empty_file", "the file has only blank rows", "send a CSV file with a header and rows"
        )
    cells = _read_cells(text, delimiter, max(widths), len(widths))

    top = blanks.index(False)
    width = widths[top]
    header = tuple(str(cell) for cell in cells.iloc[top, :width])
    ragged = [at for at in range(top + 1, len(widths)) if not blanks[at] and widths[at] != width]
    sound = [at for at in range(top + 1, len(widths)) if not blanks[at] and widths[at] == width]
    faults = [_ragged(at + 1, widths[at], width) for at in ragged]
    if not sound and not ragged:
        faults.append(
            Fault(
                "no_rows",
                Severity.ERROR,
                None,
                None,
                None,
                "the file has a header but no rows",
                "add a row for each recipient",
            )
        )
    return Table(header, cells.iloc[sound, :width], sum(blanks), tuple(faults), notes)


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _delimiter(text: str) -> str:
    """The separator under which the header has the most known columns; a comma unless another has more."""
    best, most = ",", 0
    for delimiter in DELIMITERS:
        try:
            names = {known_column(cell) for cell in _first_record(text, delimiter)}
        except csv.Error:
            continue
        if len(names - {None}) > most:
            best, most = delimiter, len(names - {None})
    return best


def _first_record(text: str, delimiter: str) -> Sequence[str]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return next((record for record in records if any(cell.strip() for cell in record)), ())


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


def _ragged(row: int, found: int, expected: int) -> Fault:
    more = found > expected
    return Fault(
        "too_many_fields" if more else "too_few_fields",
        Severity.ERROR,
        row,
        None,
        None,
        f"the row has {found} fields but the header has {expected}",
        "put quotation marks around values that contain the separator, or remove the surplus"
        if more
        else "add the missing separators, so that each value stands under its column",
    )
