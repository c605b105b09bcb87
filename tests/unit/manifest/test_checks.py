"""The linter: every fault of every row at once, each with its place, its value and its cure."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from airflow_provider_esimgo.manifest import Fault, ManifestError, Severity
from airflow_provider_esimgo.manifest.checks import CHECKS, run_checks
from airflow_provider_esimgo.manifest.sheet import Sheet

GOOD_ICCID = "8943108165015003887"


def codes(found):
    return [fault.code for fault in found]


def test_every_fault_of_every_row_at_once(faults, data, catalogue):
    found = faults((data / "everything_wrong.csv").read_bytes(), bundles=catalogue)
    assert sorted((fault.row, fault.code) for fault in found) == [
        (2, "bundle_case"),
        (3, "unknown_bundle"),
        (4, "missing_value"),
        (5, "missing_value"),
        (7, "quantity_not_integer"),
        (8, "quantity_out_of_range"),
        (9, "iccid_scientific"),
        (10, "iccid_decimal"),
        (11, "iccid_spaces"),
        (12, "iccid_length"),
        (13, "iccid_check_digit"),
        (13, "quantity_with_iccid"),
        (14, "duplicate_iccid"),
        (14, "iccid_check_digit"),
        (15, "country_not_iso"),
        (15, "formula"),
        (15, "formula"),
        (15, "formula"),
        (15, "install_by_not_date"),
        (16, "too_many_fields"),
        (17, "too_few_fields"),
        (18, "bundle_case"),
        (18, "duplicate_recipient"),
    ]
    assert all(fault.cure and fault.message for fault in found)


@pytest.mark.parametrize(
    ("bundle", "code", "cure"),
    [
        ("ESIM_1gb_7d_de_v2", "bundle_case", "write esim_1GB_7D_DE_V2"),
        ("esim_1GB_7D_DE_V3", "unknown_bundle", "did you mean esim_1GB_7D_DE_V2?"),
        ("esim_UL_1D_TR", "unknown_bundle", "did you mean esim_UL_1D_TR_V2?"),
        ("roaming", "unknown_bundle", "take a name from the catalogue"),
    ],
)
def test_a_wrong_bundle_comes_with_the_right_one(faults, catalogue, bundle, code, cure):
    (fault,) = faults(f"recipient_ref,bundle\nE1,{bundle}\n", bundles=catalogue)
    assert (fault.code, fault.row, fault.column, fault.value, fault.cure) == (code, 2, "bundle", bundle, cure)


def test_without_a_catalogue_bundle_names_are_not_checked(read):
    assert read("recipient_ref,bundle\nE1,whatever\n").rows[0].bundle == "whatever"


def test_an_empty_catalogue_knows_no_bundle(faults):
    assert codes(faults("recipient_ref,bundle\nE1,b\n", bundles=[])) == ["unknown_bundle"]


@pytest.mark.parametrize("quantity", ["1", "1000", "007", ""])
def test_a_quantity_from_1_to_1000_passes(read, quantity):
    assert read(f"recipient_ref,bundle,quantity\nE1,b,{quantity}\n").rows[0].quantity == int(quantity or 1)


@pytest.mark.parametrize(
    "quantity", ["0", "1001", "-1", "+1", "1.0", "1e2", "two", "1_0", "٣", "²", "1 0", "9" * 30, '"1,000"']
)
def test_any_other_quantity_is_refused(faults, quantity):
    (fault,) = faults(f"recipient_ref,bundle,quantity\nE1,b,{quantity}\n")
    assert fault.code in {"quantity_not_integer", "quantity_out_of_range"}
    assert fault.column == "quantity"


@pytest.mark.parametrize(("length", "passes"), [(64, True), (65, False)])
def test_a_recipient_ref_has_at_most_64_characters(read, faults, length, passes):
    content = f"recipient_ref,bundle\n{'é' * length},b\n"
    assert codes([] if passes else faults(content)) == ([] if passes else ["too_long"])
    if passes:
        assert read(content).row_count == 1


@pytest.mark.parametrize("character", ["\x01", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ufeff"])
def test_invisible_characters_in_a_recipient_ref_are_refused(faults, character):
    (fault,) = faults(f"recipient_ref,bundle\nE{character}1,b\n")
    assert fault.code == "control_character"
    assert character not in str(fault)


def test_a_line_break_in_a_recipient_ref_is_refused(faults):
    assert codes(faults('recipient_ref,bundle\n"E\n1",b\n')) == ["control_character"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\uff1d"])
@pytest.mark.parametrize("column", ["recipient_ref", "bundle", "cost_centre", "name", "email"])
def test_a_formula_in_any_text_column_is_refused(faults, column, start):
    cells = {"recipient_ref": "E1", "bundle": "b", "cost_centre": "c", "name": "n", "email": "e"}
    cells[column] = start + "cmd"
    found = faults(",".join(cells) + "\n" + ",".join(cells.values()) + "\n")
    assert ("formula", 2, column) in [(fault.code, fault.row, fault.column) for fault in found]


def test_a_formula_behind_a_space_is_refused(faults):
    assert codes(faults("recipient_ref,bundle\n =1,b\n")) == ["formula"]


def test_names_and_emails_are_never_repeated(faults):
    found = faults("recipient_ref,bundle,name,email,diet\nE1,b,=Zaphod,@zaphod,=vegan\n")
    assert codes(found) == ["formula", "formula"]
    assert "aphod" not in str(ManifestError(found)) + repr(found)


def test_a_value_is_shown_escaped_and_cut(faults):
    (fault,) = faults(f"recipient_ref,bundle,quantity\nE1,b,\x1b[31m{'9' * 100}\n")
    assert fault.value == "\\x1b[31m" + "9" * 35 + "…"


@pytest.mark.parametrize("country", ["Germany", "D", "DEU", "D1", "ÄÖ", "49"])
def test_a_country_is_two_letters(faults, country):
    assert codes(faults(f"recipient_ref,bundle,country\nE1,b,{country}\n")) == ["country_not_iso"]


@pytest.mark.parametrize(
    "day", ["31.03.2026", "03/31/2026", "2026-02-30", "20260331", "2026-3-1", "2026-W10-1", "45000"]
)
def test_install_by_is_a_day_of_the_calendar(faults, day):
    assert codes(faults(f"recipient_ref,bundle,install_by\nE1,b,{day}\n")) == ["install_by_not_date"]


def test_a_recipient_twice_with_one_bundle_names_the_first_row(faults):
    (fault,) = faults("recipient_ref,bundle\nE1,b\nE2,b\n\nE1,b\n")
    assert (fault.code, fault.row, fault.value) == ("duplicate_recipient", 5, "E1")
    assert fault.message.startswith("row 2 ")
    assert "quantity" in fault.cure


def test_a_recipient_with_two_bundles_passes(read):
    assert read("recipient_ref,bundle\nE1,a\nE1,b\n").row_count == 2


def test_a_recipient_may_have_two_esims_topped_up(read):
    rows = f"E1,b,{GOOD_ICCID}\nE1,b,8944538532008160222\n"
    assert read(f"recipient_ref,bundle,iccid\n{rows}").row_count == 2


@pytest.mark.parametrize("rows", [f"E1,b,\nE1,b,{GOOD_ICCID}\n", f"E1,b,{GOOD_ICCID}\nE1,b,\n"])
def test_a_new_esim_beside_a_top_up_of_the_same_bundle_is_a_duplicate(faults, rows):
    assert [(f.code, f.row) for f in faults(f"recipient_ref,bundle,iccid\n{rows}")] == [
        ("duplicate_recipient", 3)
    ]


def test_one_esim_gets_one_bundle_once(faults):
    (fault,) = faults(f"recipient_ref,bundle,iccid\nE1,b,{GOOD_ICCID}\nE2,b,{GOOD_ICCID}\n")
    assert (fault.code, fault.row, fault.value) == ("duplicate_iccid", 3, GOOD_ICCID)


def test_one_esim_may_get_several_bundles(read):
    assert read(f"recipient_ref,bundle,iccid\nE1,a,{GOOD_ICCID}\nE1,b,{GOOD_ICCID}\n").row_count == 2


def test_a_top_up_has_quantity_1(faults):
    assert codes(faults(f"recipient_ref,bundle,iccid,quantity\nE1,b,{GOOD_ICCID},2\n")) == [
        "quantity_with_iccid"
    ]


def test_warnings_alone_do_not_stop_a_manifest(read):
    manifest = read("recipient_ref,bundle,iccid\nE1,b,8943108165015003883\n")
    assert [(w.code, w.severity, w.row) for w in manifest.warnings] == [
        ("iccid_check_digit", Severity.WARNING, 2)
    ]


def fault(row, severity=Severity.ERROR):
    return Fault("c", severity, row, "bundle", "v", "is wrong", "put it right")


def test_the_error_is_a_table_of_twenty_and_a_count_of_the_rest():
    text = str(ManifestError([fault(row) for row in range(2, 102)], "acme.csv"))
    lines = text.splitlines()
    assert lines[0] == "acme.csv: 100 errors. Nothing was bought."
    assert lines[2].split() == ["2", "bundle", "'v'", "is", "wrong;", "put", "it", "right"]
    assert len(lines) == 23
    assert lines[-1] == "… and 80 more."


def test_errors_come_before_warnings():
    error = ManifestError([fault(2, Severity.WARNING), fault(9), fault(3)])
    assert [f.row for f in error.faults] == [3, 9, 2]
    assert str(error).startswith("manifest: 2 errors and 1 warning. Nothing was bought.")


def test_the_error_survives_the_way_between_processes():
    error = ManifestError([fault(2)], "acme.csv")
    again = pickle.loads(pickle.dumps(error))
    assert (again.faults, again.name, str(again)) == (error.faults, error.name, str(error))


def test_a_new_check_is_one_more_function_in_the_table(read):
    sheet = Sheet(pd.DataFrame({"recipient_ref": ["E1"], "bundle": ["b"]}, index=[2], dtype=object))
    assert run_checks(sheet) == []
    assert run_checks(sheet, [*CHECKS, lambda s: [fault(int(row)) for row in s.cells.index]]) == [fault(2)]
