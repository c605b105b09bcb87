"""What becomes of a file with faults: nothing of it, or its good rows; and what goes back to its sender."""

from __future__ import annotations

import csv
import io
import pickle
from decimal import Decimal

import pytest

from airflow_provider_esimgo.manifest import ManifestError, OnFaults, inspect_manifest
from airflow_provider_esimgo.manifest.limits import ControlTotals, LimitError, read_budgets
from airflow_provider_esimgo.manifest.report import FAULT_COLUMNS, MOST_ROWS, faults_csv, report_html

MIXED = "recipient_ref;bundle;quantity;name;site\nE1;a;2;Ada;Bonn\nE2;a;x;Bo;=1+1\nE3;a;1;Cy;Ulm\nE4;a\n"


def inspect(text: str, **options):
    return inspect_manifest(io.BytesIO(text.encode()), **options)


def test_quarantine_lets_the_good_rows_go_on():
    inspection = inspect(MIXED)
    manifest = inspection.manifest(OnFaults.QUARANTINE)
    assert [row.number for row in manifest.rows] == [2, 4]
    assert (
        manifest.content_hash
        == inspect(MIXED[: MIXED.index("E2")] + "x;;;;\n\nE3;a;1;Cy;Ulm\n")
        .manifest(OnFaults.QUARANTINE)
        .content_hash
    )
    assert inspection.faulty_rows.tolist() == [3, 5]
    with pytest.raises(ManifestError):
        inspection.manifest()


@pytest.mark.parametrize(
    "text", ["who,bundle\nE1,a\n", "recipient_ref,bundle\n=E1,a\n", "", "recipient_ref,bundle\n"]
)
def test_a_fault_of_the_file_or_of_every_row_always_fails(text):
    with pytest.raises(ManifestError):
        inspect(text).manifest(OnFaults.QUARANTINE)


def test_faults_csv_has_the_clients_own_columns_and_can_be_mended_and_sent_again():
    lines = list(csv.DictReader(io.StringIO("".join(faults_csv(inspect(MIXED)))), delimiter=";"))
    assert [line["fault_row"] for line in lines] == ["3", "5"]
    assert lines[0]["name"] == "Bo"
    assert lines[0]["site"] == "'=1+1", "no formula reaches the office's spreadsheet"
    assert (lines[0]["fault_columns"], lines[0]["fault_codes"]) == ("quantity", "quantity_not_integer")
    mended = "".join(faults_csv(inspect(MIXED))).replace(";x;", ";1;").replace("E4;a;;;", "E4;a;1;Di;Ulm")
    again = inspect(mended)
    assert [row.recipient_ref for row in again.manifest().rows] == ["E2", "E4"]
    second = "".join(faults_csv(inspect(mended.replace("E2;", "E4;")))).splitlines()[0]
    assert second.count(FAULT_COLUMNS[0]) == 1


def test_a_resent_faults_csv_keeps_a_damaged_iccid_a_fault():
    text = "recipient_ref,bundle,iccid\nE1,a,8.94E+18\n"
    assert inspect("".join(faults_csv(inspect(text)))).faults.errors


def test_a_file_that_cannot_be_read_has_a_report_as_well():
    inspection = inspect('recipient_ref,bundle\n"E1,a\n')
    assert inspection.faulty_rows.tolist() == []
    assert "row 2: a quotation mark opens here" in report_html(inspection)
    (line,) = csv.DictReader(io.StringIO("".join(faults_csv(inspection))))
    assert (line["fault_row"], line["fault_codes"]) == ("2", "unclosed_quote")


def test_the_page_marks_what_is_wrong_escapes_what_was_written_and_needs_no_script():
    page = report_html(inspect(MIXED.replace("Bo", "<script>x</script>"), name="<b>.csv"))
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert "&lt;b&gt;.csv" in page
    assert 'class="error marked" dir=auto title="the quantity is not a whole number' in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_huge_page_is_cut_and_says_so():
    rows = "".join(f"=E{row},a\n" for row in range(MOST_ROWS + 500))
    page = report_html(inspect(f"recipient_ref,bundle\n{rows}"))
    assert f"the first {MOST_ROWS:,} of {MOST_ROWS + 500:,} rows" in page
    assert page.count("<tr class=note>") == MOST_ROWS


def test_millions_of_faults_are_counted_without_being_made_and_survive_pickling():
    rows = "".join(f"=E{row},=a,x\n" for row in range(1000))
    with pytest.raises(ManifestError) as refused:
        inspect(f"recipient_ref,bundle,quantity\n{rows}").manifest()
    assert len(refused.value.faults) == 3000
    again = pickle.loads(pickle.dumps(refused.value))
    assert again.faults == refused.value.faults
    assert str(again).startswith("manifest: 3000 errors. Nothing was bought.")
    assert str(again).endswith("… and 2980 more.")
    assert [fault.row for fault in again.faults[:4]] == [2, 2, 2, 3]


# ---- limits -----------------------------------------------------------------------------------------------


def test_control_totals_are_of_the_file_as_it_was_sent():
    inspection = inspect("recipient_ref,bundle,quantity\nE1,a,2\n=E2,a,3\n\n")
    ControlTotals.read({"rows": "2", "units": 5}).check_file(inspection)
    with pytest.raises(
        LimitError, match=r"has 3 rows, but it has 2; and 4 units, but it asks for 5\. Nothing"
    ):
        ControlTotals.read({"rows": 3, "units": 4}).check_file(inspection)


def test_units_that_cannot_be_read_match_no_control_total():
    with pytest.raises(LimitError, match="some quantities cannot be read"):
        ControlTotals(units=5).check_file(inspect(MIXED))


@pytest.mark.parametrize("none", [None, {}, {"rows": None, "units": "", "total": "None"}])
def test_totals_that_render_to_nothing_are_none(none):
    assert ControlTotals.read(none) == ControlTotals()


@pytest.mark.parametrize(
    "given",
    [{"row": 1}, {"rows": "-1"}, {"rows": "1.5"}, {"units": True}, {"total": "1,5"}, {"total": "NaN"}],
)
def test_totals_that_cannot_be_read_are_refused(given):
    with pytest.raises(LimitError):
        ControlTotals.read(given)


def test_budgets_are_amounts():
    assert read_budgets({"SALES": "100.00", "": 5}) == {"SALES": Decimal("100.00"), "": Decimal(5)}
    with pytest.raises(LimitError, match=r"budgets\['OPS'\] cannot be 'lots'"):
        read_budgets({"OPS": "lots"})
