"""The kept catalogue: the vendor is asked once a day, and nothing on disk can break a run."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from airflow_lab.desk import GB, Desk

from airflow_provider_esimgo.api import ApiError, NotSentError
from airflow_provider_esimgo.hooks.catalogue import catalogue, kept_catalogue
from airflow_provider_esimgo.sandbox.catalogue import standard_catalogue

DAY = timedelta(hours=24).total_seconds()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AIRFLOW_HOME for what is kept."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def asked(desk: Desk) -> int:
    """How often the vendor was asked for the catalogue's first page."""
    pages = -(-len(standard_catalogue()) // 100)
    count, rest = divmod(desk.sandbox.books()["requests"].get("GET /catalogue", 0), pages)
    assert rest == 0
    return count


def kept_file(home: Path) -> Path:
    (file,) = (home / "esimgo-cache").iterdir()
    return file


def test_it_says_what_each_bundle_is(desk: Desk):
    found = desk.hook().catalogue()
    assert found.names == set(standard_catalogue())
    facts = found.bundles["esim_3GB_30D_REUP_V2"]
    assert (facts.data_mb, facts.days, facts.price) == (3000, 30, Decimal("4.32"))
    assert {"DE", "FR"} < facts.countries
    assert "REUP" not in facts.countries
    assert found.bundles[GB].countries == {"GB", "IM", "JE", "GG"}
    assert desk.hook().account in str(found)


def test_the_vendor_is_asked_once_and_the_copy_is_the_same(desk: Desk):
    first = desk.hook().catalogue()
    second = desk.hook().catalogue()
    assert asked(desk) == 1
    assert (first.from_cache, second.from_cache) == (False, True)
    assert (first.bundles, first.fetched_at) == (second.bundles, second.fetched_at)


def test_it_is_asked_again_when_told_to(desk: Desk):
    desk.hook().catalogue()
    assert not desk.hook().catalogue(refresh=True).from_cache
    assert asked(desk) == 2


@pytest.mark.parametrize(("later", "times"), [(DAY - 60, 1), (DAY + 60, 2), (-60, 2)])
def test_it_is_asked_again_after_a_day_and_when_the_clock_was_put_back(desk: Desk, later: float, times: int):
    now = time.time()
    catalogue(desk.hook(), clock=lambda: now)
    catalogue(desk.hook(), clock=lambda: now + later)
    assert asked(desk) == times


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"{}",
        b'{"format": 0}',
        b'{"format": 1, "account": 1, "fetched_at": 1e400, "bundles": []}',
        b'{"format": 1, "account": "other", "fetched_at": 1, "bundles": [{"name": "x"}]}',
    ],
)
def test_a_damaged_copy_is_fetched_anew(desk: Desk, home: Path, content: bytes):
    desk.hook().catalogue()
    kept_file(home).write_bytes(content)
    assert desk.hook().catalogue().names == set(standard_catalogue())
    assert asked(desk) == 2
    assert desk.hook().catalogue().from_cache


def test_a_copy_of_a_newer_package_is_fetched_anew(desk: Desk, home: Path):
    desk.hook().catalogue()
    told = json.loads(kept_file(home).read_text())
    kept_file(home).write_text(json.dumps({**told, "format": 99}))
    assert not desk.hook().catalogue().from_cache


def test_a_damaged_amount_is_fetched_anew(desk: Desk, home: Path):
    desk.hook().catalogue()
    file = kept_file(home)
    file.write_text(file.read_text().replace('"1.36"', '"one thirty-six"'))
    assert not desk.hook().catalogue().from_cache


def test_an_unreachable_vendor_stops_unless_an_old_copy_will_do(
    desk: Desk, caplog: pytest.LogCaptureFixture, instant_retries: None
):
    now = time.time()
    catalogue(desk.hook(), clock=lambda: now - 2 * DAY)
    with desk.sandbox.refusing():
        with pytest.raises(NotSentError):
            desk.hook().catalogue()
        with caplog.at_level(logging.WARNING):
            found = desk.hook().catalogue(stale_ok=True)
    assert found.stale
    assert found.names == set(standard_catalogue())
    assert "cannot be reached; used instead" in caplog.text


def test_a_catalogue_that_breaks_off_is_not_kept(desk: Desk, home: Path, instant_retries: None):
    desk.sandbox.fault("broken_json", method="GET", path="^/catalogue$", times=None)
    with pytest.raises(ApiError):
        desk.hook().catalogue()
    assert not (home / "esimgo-cache").exists()


def test_a_refused_key_is_no_reason_to_use_an_old_copy(desk: Desk):
    desk.hook().catalogue()
    desk.connect(password="another-key")
    with pytest.raises(ApiError):
        desk.hook().catalogue(stale_ok=True)


def test_offline_nobody_is_asked(desk: Desk):
    assert kept_catalogue(desk.hook()) is None
    desk.hook().catalogue()
    before = desk.sandbox.books()["requests"]
    kept = kept_catalogue(desk.hook())
    assert kept
    assert kept.names == set(standard_catalogue())
    assert desk.sandbox.books()["requests"] == before


def test_offline_two_accounts_of_a_host_are_not_confused(desk: Desk, home: Path):
    hook = desk.hook()
    hook.catalogue()
    told = json.loads(kept_file(home).read_text())
    other = desk.hook()
    other.__dict__["account"] = f"Somebody Else@{other.settings.host}"
    other.catalogue()
    assert len(list((home / "esimgo-cache").iterdir())) == 2
    assert kept_catalogue(desk.hook()) is None
    known = kept_catalogue(hook)
    assert known
    assert known.account == told["account"] == hook.account


def test_parallel_writers_leave_a_whole_copy(desk: Desk, home: Path):
    barrier = threading.Barrier(8)

    def read() -> None:
        barrier.wait()
        desk.hook().catalogue(refresh=True)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept_file(home).suffix == ".json"
    assert desk.hook().catalogue().from_cache


def test_a_folder_that_cannot_be_written_only_costs_another_request(
    desk: Desk, home: Path, caplog: pytest.LogCaptureFixture
):
    home.write_text("a file stands where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert desk.hook().catalogue().names == set(standard_catalogue())
    assert "cannot be kept" in caplog.text


def test_neither_key_nor_balance_is_kept(desk: Desk, home: Path):
    desk.hook().catalogue()
    assert desk.sandbox.key not in kept_file(home).read_text()
    assert "balance" not in kept_file(home).read_text()
