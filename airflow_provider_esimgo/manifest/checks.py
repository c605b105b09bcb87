"""What is looked for in the rows: a table of checks, each a small vectorised look at one question.

A check takes the sheet and yields faults. Checks do not stop one another: every fault of every row is
reported at once. To add one, write the function and put it into `CHECKS`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from datetime import date

import pandas as pd

from airflow_provider_esimgo.manifest.faults import Fault, Severity, shown
from airflow_provider_esimgo.manifest.iccid import check_duplicate_iccids, check_iccid
from airflow_provider_esimgo.manifest.sheet import Check, Sheet, faults_where, first_rows

MAX_QUANTITY = 1000
MAX_LENGTH = {"recipient_ref": 64, "bundle": 128, "cost_centre": 64}
TEXT_COLUMNS = ("recipient_ref", "bundle", "cost_centre", "country", "name", "email")
SUGGESTIONS = 20  # distinct unknown bundles that get a fuzzy suggestion: each costs milliseconds

_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # and their full-width forms
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_LINE_BREAK = re.compile("[\r\n]")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def check_required(sheet: Sheet) -> Iterator[Fault]:
    for column, what in (("recipient_ref", "whom the eSIM is for"), ("bundle", "what to buy")):
        if column in sheet.cells:
            yield from faults_where(
                sheet.cells[column] == "",
                sheet,
                column,
                code="missing_value",
                message="the cell is empty",
                cure=f"say {what}",
            )


def check_length(sheet: Sheet) -> Iterator[Fault]:
    for column, longest in MAX_LENGTH.items():
        yield from faults_where(
            sheet.column(column).str.len() > longest,
            sheet,
            column,
            code="too_long",
            message=f"the value is longer than {longest} characters",
            cure="shorten it",
        )


def check_control_characters(sheet: Sheet) -> Iterator[Fault]:
    for column in MAX_LENGTH:
        yield from faults_where(
            sheet.column(column).str.contains(_CONTROL),
            sheet,
            column,
            code="control_character",
            message="the value has a line break or another invisible character",
            cure="type it again by hand",
        )


def check_line_breaks(sheet: Sheet) -> Iterator[Fault]:
    """A quotation mark that was never meant to open a value swallows whole rows into it."""
    personal = pd.DataFrame({column: sheet.column(column) for column in ("name", "email")})
    free_text = personal if sheet.extra is None else pd.concat([personal, sheet.extra], axis=1)
    broken = pd.Series(False, index=sheet.cells.index)
    for position in range(free_text.shape[1]):
        broken |= free_text.iloc[:, position].str.contains(_LINE_BREAK)
    for row in sheet.cells.index[broken]:
        yield Fault(
            "line_break",
            Severity.WARNING,
            int(row),
            None,
            None,
            "a cell of this row goes over several lines",
            "if that is not meant, a quotation mark opens here by mistake and hides the rows below",
        )


def check_formula(sheet: Sheet) -> Iterator[Fault]:
    for column in TEXT_COLUMNS:
        yield from faults_where(
            sheet.column(column).str.match(_FORMULA),
            sheet,
            column,
            code="formula",
            message="the value starts like a spreadsheet formula (=, +, -, @, tab or line break)",
            cure="remove the first character",
        )


def check_bundle(sheet: Sheet) -> Iterator[Fault]:
    if sheet.bundles is None:
        return
    asked = sheet.column("bundle")
    unknown = asked[(asked != "") & ~asked.isin(sheet.bundles)]
    verdicts = judge_bundles(unknown.drop_duplicates().tolist(), sheet.bundles)
    for row, value in zip(unknown.index.tolist(), unknown.tolist(), strict=True):
        code, message, cure = verdicts[value]
        yield Fault(code, Severity.ERROR, row, "bundle", shown("bundle", value), message, cure)


def judge_bundles(unknown: list[str], catalogue: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """Code, message and cure for each name that is not in the catalogue."""
    right_case = {name.casefold(): name for name in sorted(catalogue)}
    verdicts = {}
    guesses = 0
    for value in unknown:
        cure = "take a name from the catalogue"
        if right := right_case.get(value.casefold()):
            verdicts[value] = ("bundle_case", "the bundle's name has the wrong case", f"write {right}")
            continue
        if guesses < SUGGESTIONS and len(value) <= MAX_LENGTH["bundle"]:
            guesses += 1
            if near := difflib.get_close_matches(value.casefold(), right_case, n=1, cutoff=0.7):
                cure = f"did you mean {right_case[near[0]]}?"
        verdicts[value] = ("unknown_bundle", "the catalogue has no such bundle", cure)
    return verdicts


def check_quantity(sheet: Sheet) -> Iterator[Fault]:
    quantity = sheet.column("quantity")
    given = quantity != ""
    whole = given & quantity.str.fullmatch("[0-9]{1,18}")
    yield from faults_where(
        given & ~whole,
        sheet,
        "quantity",
        code="quantity_not_integer",
        message="the quantity is not a whole number",
        cure="write digits only, such as 2; leave the cell empty for 1",
    )
    number = quantity.where(whole, "1").astype("int64")
    yield from faults_where(
        (number < 1) | (number > MAX_QUANTITY),
        sheet,
        "quantity",
        code="quantity_out_of_range",
        message=f"the quantity is not between 1 and {MAX_QUANTITY}",
        cure="remove the row, or split it over several recipients",
    )
    yield from faults_where(
        (sheet.column("iccid") != "") & (number > 1),
        sheet,
        "quantity",
        code="quantity_with_iccid",
        message="a row with an ICCID tops up one eSIM, so its quantity is 1",
        cure="write 1, or remove the ICCID to buy new eSIMs",
    )


def check_duplicate_recipients(sheet: Sheet) -> Iterator[Fault]:
    """A recipient twice with one bundle is most likely an accident, unless both rows top up an eSIM each."""
    keys = pd.DataFrame({"ref": sheet.column("recipient_ref"), "bundle": sheet.column("bundle")})
    first = first_rows(keys[(keys["ref"] != "") & (keys["bundle"] != "")])
    new = set(first.index[sheet.column("iccid").loc[first.index] == ""])
    for row, earlier in zip(first.index.tolist(), first.tolist(), strict=True):
        if row != earlier and (row in new or earlier in new):
            yield Fault(
                "duplicate_recipient",
                Severity.ERROR,
                row,
                "recipient_ref",
                shown("recipient_ref", str(keys.at[row, "ref"])),
                f"row {earlier} already asks for this bundle for this recipient",
                "use quantity in one row for several eSIMs, or give each device its own recipient_ref",
            )


def check_country(sheet: Sheet) -> Iterator[Fault]:
    country = sheet.column("country")
    yield from faults_where(
        (country != "") & ~country.str.fullmatch("[A-Za-z]{2}"),
        sheet,
        "country",
        code="country_not_iso",
        message="the country is not a two-letter code",
        cure="write its ISO 3166 code, such as DE",
    )


def check_install_by(sheet: Sheet) -> Iterator[Fault]:
    days = sheet.column("install_by")
    wrong = {text for text in days.drop_duplicates() if text and parse_day(text) is None}
    yield from faults_where(
        days.isin(wrong),
        sheet,
        "install_by",
        code="install_by_not_date",
        message="the date is not in the calendar, or not of the form YYYY-MM-DD",
        cure="write it like 2026-03-31",
    )


def parse_day(text: str) -> date | None:
    """The day, if the text is a calendar date of the form YYYY-MM-DD."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


CHECKS: tuple[Check, ...] = (
    check_required,
    check_length,
    check_control_characters,
    check_line_breaks,
    check_formula,
    check_bundle,
    check_quantity,
    check_iccid,
    check_duplicate_recipients,
    check_duplicate_iccids,
    check_country,
    check_install_by,
)


def run_checks(sheet: Sheet, checks: Collection[Check] = CHECKS) -> list[Fault]:
    """Every fault of every row, in the order of the rows."""
    faults = [fault for check in checks for fault in check(sheet)]
    return sorted(faults, key=lambda fault: fault.row or 0)
