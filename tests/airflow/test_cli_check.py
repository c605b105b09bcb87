"""`airflow esimgo check`: one line a subject, each with its cure, and never the key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from airflow_lab.desk import Desk
from sqlalchemy import text

from airflow_provider_esimgo.api import RateLimit
from airflow_provider_esimgo.cli.check import judge_mode, judge_rate, judge_skew
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.migrations import HEAD, VERSION_TABLE
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy

Cli = Callable[..., str]
Lines = dict[str, tuple[str, str]]


def lines(printed: str) -> Lines:
    """Verdict and text by subject."""
    found = {}
    for line in printed.splitlines():
        verdict, subject, told = line[:4].strip(), line[6:16].strip(), line[16:].strip()
        found[subject] = (verdict, told)
    return found


@pytest.fixture
def checked(cli: Cli, capsys: pytest.CaptureFixture[str]) -> Callable[..., Lines]:
    """Run the check; `status` is what it must end with."""

    def check(*words: str, status: int = 0) -> Lines:
        if not status:
            return lines(cli("check", *words))
        with pytest.raises(SystemExit) as left:
            cli("check", *words)
        assert left.value.code == status
        return lines(capsys.readouterr().out)

    return check


Checked = Callable[..., Lines]


def test_all_is_well(desk: Desk, checked: Checked, tmp_path: Path):
    desk.connect(max_daily_total="100", requests_per_second=10)
    found = checked()
    assert {verdict for verdict, _ in found.values()} == {"OK"}, found
    assert list(found) == [
        *("versions", "connection", "mode", "account", "balance", "clock", "rate limit", "ledger")
    ]
    assert "at most 100.00 a day" in found["mode"][1]
    assert "5,000.00 USD" in found["balance"][1]
    assert "none yet" in found["ledger"][1]
    assert not (tmp_path / "ledger.db").exists()


def test_the_ledger_is_told_with_its_schema(desk: Desk, checked: Checked):
    desk.validate()
    assert checked()["ledger"][1].endswith(f"ledger.db, schema {HEAD}")


def test_a_newer_ledger_fails(desk: Desk, checked: Checked, tmp_path: Path):
    desk.validate()
    database = Database.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    verdict, told = checked(status=1)["ledger"]
    assert verdict == "FAIL"
    assert "Upgrade airflow-provider-esimgo" in told


def test_looking_at_an_empty_ledger_makes_no_tables(desk: Desk, checked: Checked, tmp_path: Path):
    (tmp_path / "ledger.db").touch()
    assert "the next plan brings it to" in checked()["ledger"][1]
    assert "the next plan brings it to" in checked()["ledger"][1]


def test_a_ledger_that_cannot_be_used_fails(
    desk: Desk, checked: Checked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("AIRFLOW__ESIMGO__LEDGER_URL", f"sqlite:///{tmp_path}")
    assert checked(status=1)["ledger"][0] == "FAIL"
    monkeypatch.setenv("AIRFLOW__ESIMGO__LEDGER_URL", "not a url")
    assert "cannot be used" in checked(status=1)["ledger"][1]


def test_a_sqlite_ledger_with_a_distributed_executor_fails(
    desk: Desk, checked: Checked, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert "airflow esimgo ledger upgrade" in checked(status=1)["ledger"][1]


def test_a_wrong_key_fails_and_is_not_shown(desk: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]):
    desk.connect(password="the-key-of-somebody")
    with pytest.raises(SystemExit):
        cli("check")
    printed = capsys.readouterr()
    assert lines(printed.out)["account"][0] == "FAIL"
    assert "ledger" in lines(printed.out)
    assert "the-key-of-somebody" not in printed.out + printed.err


def test_a_missing_connection_fails(desk: Desk, checked: Checked):
    assert "Add it under Admin > Connections" in checked("--conn-id", "nobody", status=1)["connection"][1]


def test_an_unreachable_vendor_fails(desk: Desk, checked: Checked, instant_retries: None):
    with desk.sandbox.refusing():
        found = checked(status=1)
    assert found["account"][0] == "FAIL"
    assert found["ledger"][0] == "OK"


def test_an_empty_balance_is_a_warning(desk: Desk, checked: Checked):
    desk.sandbox.set_balance("0")
    assert checked()["balance"][0] == "WARN"


def test_another_currency_than_expected_fails(desk: Desk, checked: Checked):
    desk.connect(currency="GBP")
    verdict, told = checked(status=1)["balance"]
    assert verdict == "FAIL"
    assert "expects GBP" in told


def test_buying_without_a_cap_is_a_warning():
    told = str(judge_mode(PurchasePolicy(mode=Mode.TRANSACT)))
    assert told.startswith("WARN")
    assert "max_daily_total" in told
    assert str(judge_mode(PurchasePolicy(mode=Mode.TRANSACT, max_daily_total=Decimal(9)))).startswith("OK")
    assert str(judge_mode(PurchasePolicy(mode=Mode.READ))).startswith("OK")


@pytest.mark.parametrize(
    ("skew", "verdict", "told"),
    [
        (timedelta(), "OK", "agrees"),
        (timedelta(seconds=5), "OK", "5 s behind"),
        (timedelta(seconds=-5), "OK", "5 s ahead of"),
        (timedelta(minutes=3), "WARN", "180 s behind"),
        (None, "WARN", "no time"),
    ],
)
def test_a_clock_is_judged(skew: timedelta | None, verdict: str, told: str):
    found = judge_skew(skew)
    assert found.verdict == verdict
    assert told in found.told


def test_a_limit_below_our_own_is_a_warning():
    assert judge_rate(RateLimit(5, 4, None, 1), 10).verdict == "WARN"
    assert judge_rate(RateLimit(10, 9, None, 1), 10).verdict == "OK"
    assert judge_rate(None, 10).verdict == "OK"
