"""`airflow esimgo manifest …` and `catalogue list`: from a client's file to a price, without a DAG."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_lab.desk import GB, NL, Desk
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.cli.template import template_csv
from airflow_provider_esimgo.manifest import read_manifest
from airflow_provider_esimgo.sandbox.catalogue import standard_catalogue

Cli = Callable[..., str]
BAD = (f"ana,{GB},0", "bo,esim_1gb_7d_gb_v2,1", "cy,esim_9GB_7D_GB_V2,1")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))


def asked(desk: Desk, what: str) -> int:
    count: int = desk.sandbox.books()["requests"].get(what, 0)
    return count


def ended(cli: Cli, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command that ends with status 1 has printed."""
    with pytest.raises(SystemExit) as left:
        cli(*words)
    assert left.value.code == 1
    printed = capsys.readouterr()
    return printed.out, printed.err


# template


def test_a_template_lints_clean_and_can_be_priced_as_it_is(desk: Desk, cli: Cli, tmp_path: Path):
    file = tmp_path / "acme.csv"
    cli("manifest", "template", "--file", str(file))
    assert "3 rows, 5 units, no errors" in cli("manifest", "lint", str(file))
    assert "EMP-1001" not in cli("manifest", "plan", str(file))
    assert desk.sandbox.orders() == []


def test_a_template_on_stdout_is_nothing_but_csv(desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]):
    rows = list(csv.DictReader(io.StringIO(cli("manifest", "template"))))
    assert [row["recipient_ref"] for row in rows] == ["EMP-1001", "EMP-1002", "POOL-LONDON"]


def test_a_template_needs_no_connection(
    cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AIRFLOW_CONN_ESIMGO_DEFAULT", raising=False)
    assert GB in cli("manifest", "template")


def test_a_template_overwrites_nothing(desk: Desk, cli: Cli, tmp_path: Path):
    file = tmp_path / "acme.csv"
    file.write_text("the client's own")
    with pytest.raises(SystemExit, match="already there"):
        cli("manifest", "template", "--file", str(file))
    assert file.read_text() == "the client's own"
    with pytest.raises(SystemExit, match="cannot be written"):
        cli("manifest", "template", "--file", str(tmp_path / "no" / "folder" / "acme.csv"))


@given(st.sets(st.sampled_from(sorted(standard_catalogue()))))
def test_a_template_names_bundles_that_are_for_sale(names: set[str]):
    manifest = read_manifest(io.BytesIO(template_csv(names).encode()))
    assert manifest.warnings == ()
    if names:
        assert {row.bundle for row in manifest.rows} <= names


# lint


def test_every_fault_is_told_and_the_exit_status_is_1(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]
):
    out, _ = ended(cli, capsys, "manifest", "lint", desk.manifest(*BAD))
    assert "3 errors. Nothing was bought." in out
    assert f"write {GB}" in out


def test_faults_can_be_read_by_a_program(desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]):
    out, _ = ended(cli, capsys, "manifest", "lint", desk.manifest(*BAD), "-o", "json")
    faults = json.loads(out)
    assert [(fault["code"], str(fault["row"])) for fault in faults] == [
        ("quantity_out_of_range", "2"),
        ("bundle_case", "3"),
        ("unknown_bundle", "4"),
    ]
    assert json.loads(cli("manifest", "lint", desk.manifest(), "-o", "json")) == []


def test_a_report_shows_the_rows_to_its_owner_only(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    report = tmp_path / "report.html"
    ended(cli, capsys, "manifest", "lint", desk.manifest(*BAD), "--report", str(report))
    assert "esim_1gb_7d_gb_v2" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0
    with pytest.raises(SystemExit, match="cannot be written"):
        cli("manifest", "lint", desk.manifest(), "--report", str(tmp_path))


def test_two_lints_ask_for_the_catalogue_once_and_refresh_asks_again(desk: Desk, cli: Cli):
    for _ in range(2):
        cli("manifest", "lint", desk.manifest())
    once = asked(desk, "GET /catalogue")
    cli("manifest", "lint", desk.manifest(), "--refresh")
    assert asked(desk, "GET /catalogue") == 2 * once > 0


def test_an_unknown_bundle_in_a_kept_catalogue_hints_at_refresh(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]
):
    file = desk.manifest("ana,esim_9GB_7D_GB_V2,1")
    assert "--refresh" not in ended(cli, capsys, "manifest", "lint", file)[1]
    assert "--refresh" in ended(cli, capsys, "manifest", "lint", file)[1]


def test_offline_nobody_is_asked_and_names_are_checked_as_far_as_known(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]
):
    file = desk.manifest("ana,esim_9GB_7D_GB_V2,1")
    assert "no errors" in cli("manifest", "lint", file, "--offline")
    assert desk.sandbox.books()["requests"] == {}
    cli("catalogue", "list")
    before = desk.sandbox.books()["requests"]
    assert "unknown" in ended(cli, capsys, "manifest", "lint", file, "--offline", "-o", "json")[0]
    assert desk.sandbox.books()["requests"] == before


def test_offline_no_connection_is_needed(desk: Desk, cli: Cli):
    assert "no errors" in cli("manifest", "lint", desk.manifest(), "--offline", "--conn-id", "nobody")


def test_an_unreachable_vendor_leaves_the_kept_catalogue(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str], instant_retries: None
):
    with desk.sandbox.refusing(), pytest.raises(SystemExit, match="safe"):
        cli("manifest", "lint", desk.manifest())
    cli("catalogue", "list")
    with desk.sandbox.refusing():
        assert "no errors" in cli("manifest", "lint", desk.manifest())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lint", "/nowhere/acme.csv"], "There is no manifest at"),
        (["lint", "/"], "is a folder"),
        (["plan", "/nowhere/acme.csv"], "There is no manifest at"),
        (["lint", "x.csv", "--offline", "--refresh"], "either --offline or --refresh"),
        (["plan", "x.csv", "--store"], "Give --batch-id"),
        (["plan", "x.csv", "--max-total", "many"], "--max-total cannot be"),
        (["lint", "x.csv", "--conn-id", "nobody"], "There is no connection 'nobody'"),
    ],
)
def test_a_mistake_is_told_in_one_line(desk: Desk, cli: Cli, words: list[str], told: str):
    with pytest.raises(SystemExit, match=told) as left:
        cli("manifest", *words)
    assert "\n" not in str(left.value)


# plan


def test_a_plan_tells_totals_by_bundle_and_cost_centre_and_leaves_no_trace(
    desk: Desk, cli: Cli, tmp_path: Path
):
    file = desk.manifest(f"ana,{GB},2,,SALES", f"bo,{NL},1,,SALES", f"cy,{GB},1")
    (told,) = json.loads(cli("manifest", "plan", file, "-o", "json"))
    assert (told["rows"], told["units"], told["orders"], told["total"]) == (
        *("3", "4", "1"),
        "5.50 USD",
    )
    assert [(line["bundle"], line["is"], line["units"], line["total"]) for line in told["bundles"]] == [
        (GB, "1 GB for 7 days, United Kingdom", "3", "4.08"),
        (NL, "1 GB for 7 days, Netherlands", "1", "1.42"),
    ]
    assert [(line["cost_centre"], line["units"], line["total"]) for line in told["cost_centres"]] == [
        ("SALES", "3", "4.14"),
        ("(none)", "1", "1.36"),
    ]
    assert desk.sandbox.orders() == []
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.slow
def test_a_program_may_read_the_plan_from_stdout(desk: Desk):
    """Airflow's own log goes to stdout, where under 3.1 it would spoil the JSON."""
    command = [
        sys.executable,
        "-m",
        "airflow_provider_esimgo",
        "manifest",
        "plan",
        desk.manifest(),
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["total"] == "4.14 USD"
    assert "Nothing was bought" in done.stderr


def test_a_plan_of_a_faulty_file_tells_its_faults(desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]):
    out, _ = ended(cli, capsys, "manifest", "plan", desk.manifest(*BAD))
    assert "3 errors" in out
    assert asked(desk, "POST /orders") == 0


def test_a_plan_that_money_forbids_is_shown_and_ends_with_1(
    desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]
):
    desk.connect(max_units_per_order=2)
    desk.sandbox.set_balance("3.00")
    with pytest.raises(SystemExit, match="Top up at least"):
        cli("manifest", "plan", desk.manifest())
    assert "4.14 USD" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="more than max_total"):
        cli("manifest", "plan", desk.manifest(), "--max-total", "4.13")


def test_a_connection_that_only_reads_cannot_price(desk: Desk, cli: Cli):
    desk.connect(mode="read")
    with pytest.raises(SystemExit, match="may not price orders"):
        cli("manifest", "plan", desk.manifest())


def test_a_stored_plan_is_what_the_operators_buy(desk: Desk, cli: Cli):
    cli("manifest", "plan", desk.manifest(), "--store", "--batch-id", "acme-1")
    assert desk.sandbox.orders() == []
    assert desk.place("acme-1")["states"] == {"ASSIGNED": 1}


# catalogue


def test_the_catalogue_is_listed_in_words_for_a_country(desk: Desk, cli: Cli):
    listed = json.loads(cli("catalogue", "list", "--country", "tr", "-o", "json"))
    by_name = {line["bundle"]: line for line in listed}
    assert by_name["esim_UL_1D_TR_V2"]["is"] == "unlimited Lite for 1 day, Turkey"
    assert "esim_3GB_30D_REUP_V2" in by_name
    assert GB not in by_name


def test_a_country_without_bundles_is_told(desk: Desk, cli: Cli):
    with pytest.raises(SystemExit, match="No bundle of it is known to work in XX"):
        cli("catalogue", "list", "--country", "xx")
