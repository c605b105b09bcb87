"""Files as offices send them, in tests/data: read as they were meant, or every fault of them told."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_esimgo.manifest import BundleFacts, Inspection, inspect_manifest

CORPUS = Path(__file__).parents[2] / "data"
BUNDLES = {
    name: BundleFacts(name, frozenset({name.split("_")[3]}))
    for name in ("esim_1GB_7D_GB_V2", "esim_1GB_7D_NL_V2", "esim_1GB_7D_FR_V2", "esim_1GB_7D_NA_V2")
}
TITLE = "row 1 was taken for a title above the header and not read"
SEMICOLONS = "read as semicolon-separated"


def inspect(name: str) -> Inspection:
    with (CORPUS / name).open("rb") as file:
        return inspect_manifest(file, name=name, bundles=BUNDLES)


@pytest.mark.parametrize(
    ("name", "notes", "refs", "names"),
    [
        ("excel_german.csv", (SEMICOLONS,), ["M-1001", "M-1002"], ["Müller, Jürgen", "Groß Änne"]),
        (
            "excel_german_windows.csv",
            ("read as Windows-1252", SEMICOLONS),
            ["M-1001", "M-1002"],
            ["Jürgen Müller", "Änne Groß"],
        ),
        ("excel_sep_line.csv", (SEMICOLONS, TITLE), ["M-1001"], [None]),
        ("excel_unicode_text.txt", ("read as UTF-16", "read as tab-separated"), ["M-1001"], ["Юлия"]),
        (
            "merged_header.csv",
            ("rows 1 to 3 were taken for a title above the header and not read",),
            ["E1"],
            ["Ada"],
        ),
        ("header_over_two_rows.csv", ("the header was read from rows 1 and 2",), ["E1"], ["Ada"]),
        ("blank_rows.csv", (), ["E1", "E2"], [None, None]),
        ("namibia.csv", (), ["E1", "NA"], ["Null", "NaN"]),
        ("emoji_names.csv", (), ["E1", "E2"], ["Zoë 🦄👩‍👩‍👧", "𝕬𝖉𝖆"]),  # noqa: RUF001
        (
            "workbook.xlsx",
            ("worksheet 'Order' was read; the other one was not", TITLE),
            ["1001", "E2", "E3"],
            ["Ada", "Zoë 🦄", "محمد"],
        ),
    ],
)
def test_what_was_meant_is_read_and_what_was_assumed_is_said(name, notes, refs, names):
    manifest = inspect(name).manifest()
    assert manifest.notes == notes
    assert [row.recipient_ref for row in manifest.rows] == refs
    assert [row.name for row in manifest.rows] == names


def test_namibia_stays_namibia():
    assert {row.country for row in inspect("namibia.csv").manifest().rows} == {"NA"}


def test_rows_of_a_workbook_keep_their_numbers_and_dates():
    rows = inspect("workbook.xlsx").manifest().rows
    assert [row.number for row in rows] == [3, 4, 6]
    assert [str(row.install_by) for row in rows] == ["2026-12-31", "None", "2026-12-30"]
    assert [row.iccid for row in rows] == [None, "8944538532008160222", None]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "exponent_iccids.csv",
            [
                (2, "iccid_scientific"),
                (3, "iccid_scientific"),
                (4, "iccid_rounded"),
                (5, "iccid_scientific"),
            ],
        ),
        ("trailing_point_zero.csv", [(2, "iccid_decimal"), (2, "quantity_not_integer")]),
        ("right_to_left.csv", [(4, "control_character")]),
        (
            "formula_cells.csv",
            [
                (2, "formula"),
                (3, "formula"),
                (3, "quantity_not_integer"),
                (4, "formula"),
                (4, "sheet_error"),
                (5, "formula"),
                (5, "sheet_error"),
            ],
        ),
        (
            "everything_at_once.csv",
            [
                (4, "bundle_case"),
                (5, "quantity_out_of_range"),
                (5, "unknown_bundle"),
                (6, "iccid_scientific"),
                (7, "country_not_covered"),
                (8, "formula"),
                (9, "duplicate_recipient"),
                (11, "too_few_fields"),
            ],
        ),
        (
            "workbook_numeric_iccids.xlsx",
            [
                (2, "iccid_number_cell"),
                (2, "iccid_scientific"),
                (3, "duplicate_iccid"),
                (3, "iccid_number_cell"),
                (3, "iccid_scientific"),
                (4, "number_cell"),
                (4, "quantity_not_integer"),
                (5, "formula"),
            ],
        ),
    ],
)
def test_every_fault_is_told(name, found):
    errors = inspect(name).faults.errors
    assert sorted((fault.row, fault.code) for fault in errors) == found
    assert all(fault.cure for fault in errors)
