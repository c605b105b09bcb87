"""EsimGoValidateBatchOperator on files that are not quite right, and limits that are."""

from __future__ import annotations

import csv
import json
import stat
from collections import Counter
from pathlib import Path

import pytest
from airflow_lab.desk import GB, JP, NL, Desk, bought_units

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS


def read_csv(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def refused(desk: Desk, *rows: str, **fields) -> str:
    with pytest.raises(AirflowFailException) as caught:
        desk.validate(desk.manifest(*rows), **fields)
    assert not desk.sandbox.orders()
    return str(caught.value)


def test_a_quarantine_buys_the_good_rows_and_puts_the_others_beside_the_kit(desk: Desk):
    told = desk.validate(
        desk.manifest(f"ana,{GB},2", f"bo,{GB},x,,,Bo Smith", f"cy,{NL}"),
        on_faults="quarantine",
        report_destination=str(desk.kits),
    )
    assert (told["rows"], told["quarantined"], told["faults"]) == (
        2,
        1,
        str(desk.kits / "batch" / "faults.csv"),
    )
    (line,) = read_csv(told["faults"])
    assert (line["recipient_ref"], line["name"], line["fault_row"]) == ("bo", "Bo Smith", "3")
    assert "Bo Smith" in Path(told["report"]).read_text()
    assert {stat.S_IMODE(file.stat().st_mode) for file in (desk.kits / "batch").iterdir()} == {0o600}
    assert "Bo Smith" not in json.dumps(told)
    desk.place()
    assert bought_units(desk.sandbox) == Counter({GB: 2, NL: 1})


def test_the_kit_of_a_quarantined_file_has_the_names_of_the_good_rows(desk: Desk):
    manifest = desk.manifest(f"ana,{GB},1,,,Ana Ray", f"bo,{GB},x,,,Bo Smith")
    desk.validate(manifest, on_faults="quarantine", report_destination=str(desk.kits))
    desk.place()
    kit = desk.export(manifest=manifest)
    assert [row["name"] for row in read_csv(kit["index"])] == ["Ana Ray"]


def test_a_kit_gets_no_names_from_another_file(desk: Desk):
    desk.bought(f"ana,{GB}")
    with pytest.raises(AirflowException, match="is not the one that batch 'batch' was planned from"):
        desk.export(manifest=desk.manifest(f"bo,{GB}", name="other.csv"))


@pytest.mark.parametrize(
    "column", ["recipient_ref,bundle,name", "recipient_ref,name"], ids=["blank", "left out"]
)
def test_rows_that_name_no_bundle_get_the_default(desk: Desk, column: str):
    rows = ["ana,,Ana Ray", f"bo,{NL},Bo Smith"] if "bundle" in column else ["ana,Ana Ray", "bo,Bo Smith"]
    manifest = desk.manifest(*rows, header=column)
    desk.validate(manifest, default_bundle=GB)
    desk.place()
    assert bought_units(desk.sandbox) == (Counter({GB: 1, NL: 1}) if "bundle" in column else Counter({GB: 2}))
    kit = desk.export(manifest=manifest, default_bundle=GB)
    assert [row["name"] for row in read_csv(kit["index"])] == ["Ana Ray", "Bo Smith"]


def test_a_default_that_is_not_for_sale_is_a_fault_of_each_row_that_gets_it(desk: Desk):
    with pytest.raises(AirflowFailException, match="1 error"):
        desk.validate(desk.manifest("ana", f"bo,{NL}"), default_bundle="esim_none")
    assert not desk.sandbox.orders()


def test_a_quarantine_without_a_place_for_the_rest_is_refused(desk: Desk):
    assert "needs a report_destination" in refused(desk, on_faults="quarantine")


def test_a_refused_file_leaves_its_report(desk: Desk):
    refused(desk, f"ana,{GB},x", report_destination=str(desk.kits))
    assert {file.name for file in (desk.kits / "batch").iterdir()} == {"faults.csv", "report.html"}
    desk.validate(desk.manifest(f"ana,{GB}"), report_destination=str(desk.kits))
    assert {file.name for file in (desk.kits / "batch").iterdir()} == {"report.html"}


def test_a_bundle_that_does_not_work_there_is_told(desk: Desk):
    header = "recipient_ref,bundle,country"
    with pytest.raises(AirflowFailException, match=f"the bundle {NL} does not cover this country"):
        desk.validate(desk.manifest(f"ana,{NL},GB", header=header))


def test_rows_that_another_batch_bought_are_not_bought_again(desk: Desk):
    desk.bought(f"ana,{GB},2", f"bo,{NL}")
    manifest = desk.manifest(f"ana,{GB}", f"cy,{GB}", name="second.csv")
    with pytest.raises(
        AirflowFailException, match="batch 'batch' already bought this bundle for this recipient"
    ):
        desk.validate(manifest, batch_id="second")
    told = desk.validate(
        manifest, batch_id="second", on_faults="quarantine", report_destination=str(desk.kits)
    )
    assert (told["units"], told["quarantined"]) == (1, 1)
    assert desk.validate(manifest, batch_id="third", allow_repeat=True)["warnings"] == 1


def test_a_bought_batch_is_no_repeat_of_itself(desk: Desk):
    plan = desk.validate()
    desk.place()
    assert desk.validate() == plan


def test_top_ups_are_checked_all_at_once_before_anything_is_priced(desk: Desk):
    good, unknown = PRESET_ICCIDS[0], "8944538532008169999"
    told = refused(desk, f"ana,{JP},1,{good}", f"bo,{GB},1,{unknown}", f"cy,{GB},1,{good}")
    assert f"cannot take the bundle {JP}" in told
    assert "does not let this eSIM be topped up" in told
    assert "POST /orders" not in desk.sandbox.books()["requests"]


def test_control_totals_must_match(desk: Desk):
    totals = {"rows": 2, "units": "3", "total": "4.14"}
    assert desk.validate(control_totals=totals)["units"] == 3
    assert "has 3 rows, but it has 2" in refused(desk, control_totals={**totals, "rows": 3}, batch_id="b")
    assert "costs 4.14 USD, but by the control totals 4.15" in refused(
        desk, control_totals={"total": "4.15"}, batch_id="b"
    )


def test_budgets_are_kept_by_cost_centre(desk: Desk):
    rows = f"ana,{GB},2,,SALES", f"bo,{NL},1,,OPS", f"cy,{NL}"
    told = refused(desk, *rows, budgets={"SALES": "2.71", "OPS": "1.42"})
    assert "units without a cost centre has no budget and costs 1.42" in told
    assert "'SALES' costs 2.72, 0.01 above its budget of 2.71" in told
    assert "'OPS'" not in told
    desk.validate(desk.manifest(*rows), budgets={"SALES": "2.72", "OPS": "1.42", "": "1.42"})


def test_a_reserve_stays_on_the_account(desk: Desk):
    desk.sandbox.set_balance("10.00")
    assert "5.87 is the reserve" in refused(desk, reserve="5.87")
    assert desk.validate(reserve="5.86")["total"] == "4.14"


@pytest.mark.parametrize("wrong", [{"reserve": "lots"}, {"budgets": "SALES"}, {"control_totals": {"row": 1}}])
def test_a_limit_that_cannot_be_read_is_no_limit_passed(desk: Desk, wrong):
    assert "Nothing was" in refused(desk, **wrong)
