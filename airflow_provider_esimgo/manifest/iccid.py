"""What spreadsheets do to ICCIDs, and how it shows.

An ICCID has 18 to 20 digits; a float64 holds 15 to 17. So a spreadsheet writes `8.94E+18`, or zeros from the
16th digit on, or digits that are merely near. A damaged ICCID may be somebody else's eSIM: it never passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd

from airflow_provider_esimgo.manifest.faults import Finding, Severity
from airflow_provider_esimgo.manifest.sheet import Sheet, faults_where, first_rows, matching

SHORTEST, LONGEST = 18, 20
SHEET_DIGITS = 15  # what a spreadsheet cell keeps of a number
FROM_SOURCE = "take the ICCID from its source again, with the column set to text"

_DIGITS = re.compile("[0-9]+")
# Most telling first; each is (code, pattern of the whole value, message, cure).
_GAP = "\\s\\-\u00a0\u200b\ufeff"
DAMAGE: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    (
        "iccid_scientific",
        re.compile(r"\s*[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+\s*"),
        "a spreadsheet turned the ICCID into scientific notation and lost its digits for good",
        FROM_SOURCE,
    ),
    (
        "iccid_decimal",
        re.compile(r"\s*[0-9]+[.,][0-9]*\s*"),
        "the ICCID was handled as a decimal number, so its last digits may be wrong",
        FROM_SOURCE,
    ),
    (
        "iccid_spaces",
        re.compile(f"[{_GAP}0-9]*[{_GAP}][{_GAP}0-9]*"),
        "the ICCID has spaces or hyphens in or around it",
        "write the digits only",
    ),
)


def check_iccid(sheet: Sheet) -> Iterator[Finding]:
    values = sheet.column("iccid")
    unexplained = values != ""
    for code, pattern, message, cure in DAMAGE:
        found = unexplained & matching(values, pattern.fullmatch)
        yield from faults_where(found, sheet, "iccid", code=code, message=message, cure=cure)
        unexplained &= ~found
    digits = matching(values, _DIGITS.fullmatch)
    yield from faults_where(
        unexplained & ~digits,
        sheet,
        "iccid",
        code="iccid_not_digits",
        message="the ICCID has something other than digits in it",
        cure=f"write its {SHORTEST} to {LONGEST} digits only",
    )
    length = values.str.len()
    sized = (length >= SHORTEST) & (length <= LONGEST)
    yield from faults_where(
        unexplained & digits & ~sized,
        sheet,
        "iccid",
        code="iccid_length",
        message=f"an ICCID has {SHORTEST} to {LONGEST} digits: some were lost or added",
        cure=FROM_SOURCE,
    )
    whole = unexplained & digits & sized
    luhn = luhn_valid(values[whole].tolist())
    rounded = [looks_rounded(value, luhn=ok) for value, ok in zip(values[whole], luhn.tolist(), strict=True)]
    yield from faults_where(
        _marked(whole, np.array(rounded, dtype=bool)),
        sheet,
        "iccid",
        code="iccid_rounded",
        message="the ICCID's last digits look rounded, as spreadsheets do to long numbers",
        cure=FROM_SOURCE,
    )
    yield from faults_where(
        _marked(whole, ~luhn & ~np.array(rounded, dtype=bool)),
        sheet,
        "iccid",
        code="iccid_check_digit",
        message="the ICCID's check digit does not fit",
        cure="compare it with its source; some vendors' eSIMs are like this",
        severity=Severity.WARNING,
    )


def check_duplicate_iccids(sheet: Sheet) -> Iterator[Finding]:
    keys = pd.DataFrame({"iccid": sheet.column("iccid"), "bundle": sheet.column("bundle")})
    first = first_rows(keys[(keys["iccid"] != "") & (keys["bundle"] != "")])
    earlier = {
        row: before for row, before in zip(first.index.tolist(), first.tolist(), strict=True) if row != before
    }
    yield from faults_where(
        pd.Series(np.isin(keys.index, list(earlier)), index=keys.index),
        sheet,
        "iccid",
        code="duplicate_iccid",
        message=[f"row {before} already puts this bundle on this eSIM" for before in earlier.values()],
        cure="remove one of the rows",
    )


def luhn_valid(iccids: list[str]) -> npt.NDArray[np.bool_]:
    """Whether each ICCID (18 to 20 ASCII digits) satisfies its check digit."""
    if not iccids:
        return np.zeros(0, dtype=bool)
    padded = np.array([iccid.rjust(LONGEST, "0") for iccid in iccids], dtype=f"U{LONGEST}")
    digits = padded.view(np.uint32).reshape(-1, LONGEST).astype(np.int16) - ord("0")
    doubled = digits[:, -2::-2] * 2
    total = digits[:, -1::-2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return np.asarray(total % 10 == 0)


def looks_rounded(iccid: str, *, luhn: bool) -> bool:
    """Whether the digits look as if a float had swallowed the last ones.

    Zeros after the 15th digit are a spreadsheet's mark. A failed check digit on a number that a float64
    holds exactly, or that is the shortest text of one, is the mark of a program.
    """
    if not iccid[SHEET_DIGITS:].strip("0"):
        return True
    if luhn:
        return False
    number = int(iccid)
    exact = int(float(number)) == number
    return exact or (iccid.endswith("000") and int(Decimal(repr(float(number)))) == number)


def _marked(where: pd.Series[bool], verdicts: npt.NDArray[np.bool_]) -> pd.Series[bool]:
    """The verdicts on the rows marked, put back among all rows."""
    marks = np.zeros(len(where), dtype=bool)
    marks[where.to_numpy(dtype=bool)] = verdicts
    return pd.Series(marks, index=where.index, dtype=bool)
