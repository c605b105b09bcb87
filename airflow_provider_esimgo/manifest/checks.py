"""What is looked for in the rows: a table of checks, each a small vectorised look at one question.

A check takes the sheet and yields faults. Checks do not stop one another: every fault of every row is
reported at once. To add one, write the function and put it into `CHECKS`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import numpy as np
import pandas as pd

from airflow_provider_esimgo.manifest.faults import Fault, Finding, Severity
from airflow_provider_esimgo.manifest.iccid import check_duplicate_iccids, check_iccid
from airflow_provider_esimgo.manifest.sheet import (
    BundleFacts,
    Check,
    Sheet,
    faults_where,
    first_rows,
    matching,
)

MAX_QUANTITY = 1000
MAX_LENGTH = {"recipient_ref": 64, "bundle": 128, "cost_centre": 64}
TEXT_COLUMNS = ("recipient_ref", "bundle", "cost_centre", "country", "name", "email")
SUGGESTIONS = 20  # distinct unknown bundles that get a fuzzy suggestion: each costs milliseconds

_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # and their full-width forms
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_LINE_BREAK = re.compile("[\r\n]")
_WHOLE = re.compile("[0-9]{1,18}")
_COUNTRY = re.compile("[A-Za-z]{2}")
_SHEET_ERROR = re.compile("#(?:N/A|NV|[A-Z0-9/_]{2,20}[!?])", re.IGNORECASE)
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def check_required(sheet: Sheet) -> Iterator[Finding]:
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


def check_length(sheet: Sheet) -> Iterator[Finding]:
    for column, longest in MAX_LENGTH.items():
        yield from faults_where(
            sheet.column(column).str.len() > longest,
            sheet,
            column,
            code="too_long",
            message=f"the value is longer than {longest} characters",
            cure="shorten it",
        )


def check_control_characters(sheet: Sheet) -> Iterator[Finding]:
    for column in MAX_LENGTH:
        yield from faults_where(
            matching(sheet.column(column), _CONTROL.search),
            sheet,
            column,
            code="control_character",
            message="the value has a line break or another invisible character",
            cure="type it again by hand",
        )


def check_line_breaks(sheet: Sheet) -> Iterator[Finding]:
    """A quotation mark that was never meant to open a value swallows whole rows into it."""
    personal = pd.DataFrame({column: sheet.column(column) for column in ("name", "email")})
    free_text = personal if sheet.extra is None else pd.concat([personal, sheet.extra], axis=1)
    broken = pd.Series(False, index=sheet.cells.index)
    for position in range(free_text.shape[1]):
        broken |= matching(free_text.iloc[:, position], _LINE_BREAK.search)
    yield from faults_where(
        broken,
        sheet,
        None,
        code="line_break",
        message="a cell of this row goes over several lines",
        cure="if that is not meant, a quotation mark opens here by mistake and hides the rows below",
        severity=Severity.WARNING,
    )


def check_formula(sheet: Sheet) -> Iterator[Finding]:
    for column in TEXT_COLUMNS:
        yield from faults_where(
            matching(sheet.column(column), _FORMULA.match),
            sheet,
            column,
            code="formula",
            message="the value starts like a spreadsheet formula (=, +, -, @, tab or line break)",
            cure="remove the first character",
        )


def check_sheet_errors(sheet: Sheet) -> Iterator[Finding]:
    """What a spreadsheet writes where its formula failed; `#NV` is German Excel's `#N/A`."""
    for column in TEXT_COLUMNS:
        yield from faults_where(
            matching(sheet.column(column), _SHEET_ERROR.fullmatch),
            sheet,
            column,
            code="sheet_error",
            message="the value is a spreadsheet's error message: a formula failed here",
            cure="write the value itself",
        )


def check_bundle(sheet: Sheet) -> Iterator[Finding]:
    if sheet.bundles is None:
        return
    asked = sheet.column("bundle")
    unknown = asked[(asked != "") & ~asked.isin(list(sheet.bundles))]
    verdicts = judge_bundles(unknown.drop_duplicates().tolist(), sheet.bundles)
    for code in ("bundle_case", "unknown_bundle"):
        here = asked.isin([value for value, verdict in verdicts.items() if verdict[0] == code])
        values = asked[here].tolist()
        yield from faults_where(
            here,
            sheet,
            "bundle",
            code=code,
            message=[verdicts[value][1] for value in values],
            cure=[verdicts[value][2] for value in values],
        )


def check_coverage(sheet: Sheet) -> Iterator[Finding]:
    """A bundle that does not work in the row's country is most likely the wrong bundle."""
    if sheet.bundles is None or "country" not in sheet.cells:
        return
    country = sheet.column("country").str.upper()
    pairs = pd.Series(list(zip(sheet.column("bundle"), country, strict=True)), index=country.index)
    cures: dict[tuple[str, str], str] = {}
    for name, iso in pairs.drop_duplicates():
        facts = sheet.bundles.get(name)
        if facts and facts.countries and _COUNTRY.fullmatch(iso) and iso not in facts.countries:
            cures[name, iso] = _covering(name, iso, sheet.bundles, guess=len(cures) < SUGGESTIONS)
    wrong = pd.Series([pair in cures for pair in pairs], index=pairs.index, dtype=bool)
    yield from faults_where(
        wrong,
        sheet,
        "country",
        code="country_not_covered",
        message=[f"the bundle {name} does not cover this country" for name, _ in pairs[wrong]],
        cure=[cures[pair] for pair in pairs[wrong]],
    )


def _covering(name: str, iso: str, bundles: Mapping[str, BundleFacts], *, guess: bool) -> str:
    if guess:
        covering = sorted(one.name for one in bundles.values() if iso in one.countries)
        if near := difflib.get_close_matches(name, covering, n=1, cutoff=0.7):
            return f"correct the country, or take a bundle that covers it, such as {near[0]}"
    return "correct the country, or take a bundle that covers it"


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


def check_quantity(sheet: Sheet) -> Iterator[Finding]:
    quantity = sheet.column("quantity")
    given = quantity != ""
    whole = given & matching(quantity, _WHOLE.fullmatch)
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


def check_duplicate_recipients(sheet: Sheet) -> Iterator[Finding]:
    """A recipient twice with one bundle is most likely an accident, unless both rows top up an eSIM each."""
    keys = pd.DataFrame({"ref": sheet.column("recipient_ref"), "bundle": sheet.column("bundle")})
    first = first_rows(keys[(keys["ref"] != "") & (keys["bundle"] != "")])
    new = set(first.index[sheet.column("iccid").loc[first.index] == ""])
    earlier = {
        row: before
        for row, before in zip(first.index.tolist(), first.tolist(), strict=True)
        if row != before and (row in new or before in new)
    }
    yield from faults_where(
        pd.Series(np.isin(keys.index, list(earlier)), index=keys.index),
        sheet,
        "recipient_ref",
        code="duplicate_recipient",
        message=[
            f"row {before} already asks for this bundle for this recipient" for before in earlier.values()
        ],
        cure="use quantity in one row for several eSIMs, or give each device its own recipient_ref",
    )


def check_country(sheet: Sheet) -> Iterator[Finding]:
    country = sheet.column("country")
    yield from faults_where(
        (country != "") & ~matching(country, _COUNTRY.fullmatch),
        sheet,
        "country",
        code="country_not_iso",
        message="the country is not a two-letter code",
        cure="write its ISO 3166 code, such as DE",
    )


def check_install_by(sheet: Sheet) -> Iterator[Finding]:
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
    check_sheet_errors,
    check_bundle,
    check_quantity,
    check_iccid,
    check_duplicate_recipients,
    check_duplicate_iccids,
    check_country,
    check_coverage,
    check_install_by,
)


def run_checks(sheet: Sheet, checks: Collection[Check] = CHECKS) -> list[Finding | Fault]:
    """Everything that is wrong with the rows."""
    return [found for check in checks for found in check(sheet)]
