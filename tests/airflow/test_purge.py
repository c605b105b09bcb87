"""Erasure: kits and people go, money stays, and it is written down who did it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import GB, NL, Desk, bought_units
from airflow_lab.leaks import leaks
from sqlalchemy import text

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.kit.folder import KitFolder
from airflow_provider_esimgo.ledger.check import broken_invariants

Cli = Callable[..., str]
ROWS = (f"ana-7,{GB},2,,SALES,Ana Lang,ana@acme.example", f"bo-8,{NL},1,,FIELD,Bo Özil,bo@acme.example")


@pytest.fixture
def exported(desk: Desk) -> Desk:
    desk.validate(desk.manifest(*ROWS), report_destination=str(desk.kits))
    desk.place()
    desk.export(manifest=str(desk.folder / "clients.csv"))
    (desk.folder / "clients.csv").unlink()
    return desk


def age(desk: Desk, days: int) -> None:
    """Everything in the ledger happened so many days earlier."""
    back = days * 86_400_000
    with desk.hook().ledger.database.write() as connection:
        connection.execute(text(f"UPDATE esimgo_events SET at = at - {back}"))
        connection.execute(text(f"UPDATE esimgo_batches SET planned_at = planned_at - {back}"))
        connection.execute(text(f"UPDATE esimgo_orders SET sent_at = sent_at - {back}"))


def events(desk: Desk, kind: str) -> list[Any]:
    return [event for event in desk.hook().ledger.events() if event.kind == kind]


def test_a_purged_batch_leaves_nobodys_name_anywhere(exported: Desk):
    told = exported.purge(batch_id="batch")
    assert told == {"kits": 1, "files": 3 + 2 * 3 + 1 + 1, "batches": 1, "units": 3, "kept": 0}
    assert not exported.kits.exists() or not list(exported.kits.iterdir())
    secrets = {
        "a name": ["Ana Lang", "Bo Özil"],
        "an address": ["ana@acme.example", "bo@acme.example"],
        "a code": [esim["lpa"] for esim in exported.sandbox.books()["esims"]],
    }
    with exported.hook().ledger.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    assert leaks(exported.folder, secrets) == []
    hook = exported.hook()
    units = hook.ledger.units(hook.ledger.batch(hook.account, "batch"))
    assert {unit.recipient_ref for unit in units} == {"erased-1", "erased-2", "erased-3"}


def test_the_money_stays(exported: Desk):
    def money() -> Any:
        hook = exported.hook()
        batch = hook.ledger.batch(hook.account, "batch")
        units = [(unit.price, unit.iccid, unit.cost_centre) for unit in hook.ledger.units(batch)]
        return batch, hook.ledger.orders(batch), units

    before = money()
    exported.purge(batch_id="batch")
    assert money() == before
    assert broken_invariants(exported.hook().ledger) == []


def test_it_is_written_down_what_was_erased_when_and_by_whom(exported: Desk):
    exported.purge(batch_id="batch")
    (purged,), (erased,) = events(exported, "kit_purged"), events(exported, "recipients_erased")
    assert purged.evidence["files"] == 11
    assert purged.evidence["folder"].endswith("/kits/batch")
    assert erased.evidence == {"columns": ["recipient_ref", "country", "install_by"], "units": 3}
    assert erased.actor["host"]
    assert erased.at > 1_700_000_000_000


def test_only_what_is_old_enough_goes(exported: Desk):
    assert exported.purge(older_than=timedelta(days=30))["kits"] == 0
    age(exported, 31)
    exported.bought(f"cy,{GB}", batch_id="young")
    exported.export("young")
    told = exported.purge(older_than=timedelta(days=30))
    assert (told["kits"], told["batches"]) == (1, 1)
    assert (exported.kits / "young" / "index.csv").exists()


def test_a_batch_whose_kit_was_made_again_keeps_its_recipients_as_long_as_the_kit(exported: Desk):
    age(exported, 31)
    exported.export(destination=str(exported.folder / "again"))
    told = exported.purge(older_than=timedelta(days=30))
    assert (told["kits"], told["units"], told["kept"]) == (1, 0, 1)
    assert (exported.folder / "again" / "batch" / "index.csv").exists()


def test_a_batch_in_doubt_keeps_its_recipients(desk: Desk):
    desk.validate(desk.manifest(*ROWS))
    told = desk.purge(batch_id="batch")
    assert (told["units"], told["kept"]) == (0, 1)


def test_recipients_may_be_kept(exported: Desk):
    told = exported.purge(batch_id="batch", keep_recipients=True)
    assert (told["kits"], told["units"], told["kept"]) == (1, 0, 0)


def test_the_report_of_a_refused_manifest_is_purged_too(desk: Desk):
    with pytest.raises(AirflowFailException):
        desk.validate(desk.manifest(f"ana,{GB.lower()},1,,,Ana Lang"), report_destination=str(desk.kits))
    assert list(desk.kits.rglob("faults.csv"))
    age(desk, 2)
    assert desk.purge(older_than=timedelta(days=1))["files"] == 2
    assert not list(desk.kits.rglob("*.csv"))


def test_purging_twice_is_once(exported: Desk):
    exported.purge(batch_id="batch")
    assert exported.purge(batch_id="batch") == dict.fromkeys(("kits", "files", "batches", "units", "kept"), 0)
    assert len(events(exported, "kit_purged")) == 1


def test_what_to_purge_must_be_said(desk: Desk):
    with pytest.raises(AirflowFailException, match=r"Say what to purge.*Nothing was erased"):
        desk.purge()


def test_a_folder_that_cannot_be_reached_stops_no_other_and_is_tried_again(exported: Desk):
    exported.export(destination=str(exported.folder / "second"))
    second = exported.folder / "second" / "batch"
    index = second / "index.csv"
    index.unlink()
    index.mkdir()  # unlink() of a folder fails
    with pytest.raises(AirflowException, match="1 kits could not be removed, the rest is done"):
        exported.purge(batch_id="batch")
    assert not (exported.kits / "batch" / "index.csv").exists()
    index.rmdir()
    assert exported.purge(batch_id="batch")["units"] == 3


def test_a_kit_can_be_made_again_after_a_purge_and_nothing_is_bought(exported: Desk):
    sold = bought_units(exported.sandbox)
    exported.purge(batch_id="batch")
    assert exported.export()["qr_codes"] == 3
    assert bought_units(exported.sandbox) == sold


# ---- at the command line ------------------------------------------------------------------------------


def test_the_command_purges_by_age_and_records_who_typed(exported: Desk, cli: Cli):
    age(exported, 31)
    assert "1 kits erased (11 files), and the recipients of 3 units in 1 batches" in cli(
        "kit", "purge", "--older-than", "30d", "--yes"
    )
    (purged,) = events(exported, "kit_purged")
    assert purged.actor["user"]


@pytest.mark.parametrize("answer", ["n", ""])
def test_the_command_asks_first(exported: Desk, cli: Cli, answer: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("builtins.input", lambda question: answer)
    with pytest.raises(SystemExit, match="Nothing was erased"):
        cli("kit", "purge", "--batch", "batch")
    assert (exported.kits / "batch" / "index.csv").exists()


@pytest.mark.parametrize(
    "words", [[], ["--older-than", "30"], ["--older-than", "soon"], ["--older-than", "-1d"]]
)
def test_an_age_that_is_none_erases_nothing(exported: Desk, cli: Cli, words: list[str]):
    with pytest.raises(SystemExit):
        cli("kit", "purge", "--yes", *words)
    assert (exported.kits / "batch" / "index.csv").exists()


def test_only_files_of_the_kit_are_removed(exported: Desk):
    mine = exported.kits / "batch" / "contract.pdf"
    mine.write_text("mine")
    exported.purge(batch_id="batch")
    assert [
        str(Path(one).relative_to(exported.kits)) for one in exported.kits.rglob("*") if Path(one).is_file()
    ] == ["batch/contract.pdf"]


# ---- kits that are hard to find -----------------------------------------------------------------------


def test_a_kit_whose_export_failed_half_way_is_found(exported: Desk, monkeypatch: pytest.MonkeyPatch):
    """Its codes are on the disk: it is remembered before the first file is written."""

    def full(self: KitFolder, name: str, content: bytes) -> None:
        if name == "index.html":
            raise OSError(28, "No space left on device")
        put(self, name, content)

    put = KitFolder.put
    with monkeypatch.context() as patch:
        patch.setattr(KitFolder, "put", full)
        with pytest.raises(AirflowException, match="No space left"):
            exported.export(destination=str(exported.folder / "full"))
    assert list((exported.folder / "full").rglob("*.png"))
    assert exported.purge(batch_id="batch")["kits"] == 2
    assert not list((exported.folder / "full").rglob("*.*"))


@pytest.mark.parametrize("forget", [False, True])
def test_a_kit_on_another_machines_disk_does_not_count_as_gone(
    exported: Desk, forget: bool, monkeypatch: pytest.MonkeyPatch
):
    shutil.move(exported.kits, exported.folder / "elsewhere")
    monkeypatch.setattr("socket.gethostname", lambda: "another-worker")
    told = exported.purge(batch_id="batch", forget_missing=forget)
    assert (told["kits"], told["units"], told["kept"]) == ((1, 3, 0) if forget else (0, 0, 2))
    if not forget:
        shutil.move(exported.folder / "elsewhere", exported.kits)
        assert exported.purge(batch_id="batch")["units"] == 3


def test_a_kit_that_somebody_removed_by_hand_on_this_machine_is_gone(exported: Desk):
    shutil.rmtree(exported.kits)
    assert exported.purge(batch_id="batch") == {"kits": 1, "files": 0, "batches": 1, "units": 3, "kept": 0}


def test_a_store_that_cannot_be_reached_stops_no_other(exported: Desk, monkeypatch: pytest.MonkeyPatch):
    connection = {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {"endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 0}}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STORE_AWAY", json.dumps(connection))
    with pytest.raises(AirflowException):
        exported.export(destination="s3://kits/acme", storage_conn_id="store_away")
    with pytest.raises(AirflowException, match="1 kits could not be removed, the rest is done"):
        exported.purge(batch_id="batch")
    assert not list(exported.kits.rglob("*.png"))


def test_a_folder_with_another_accounts_kit_is_left_alone(exported: Desk):
    ledger = exported.hook().ledger
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE esimgo_events SET account = 'Other@x' WHERE kind = 'kit_written'"))
    before = (exported.kits / "batch" / "index.csv").read_bytes()
    with pytest.raises(AirflowFailException, match=r"holds a kit of account 'Other@x'.*another destination"):
        exported.export()
    assert (exported.kits / "batch" / "index.csv").read_bytes() == before


def test_names_are_not_put_on_a_batch_whose_recipients_were_erased(exported: Desk):
    manifest = exported.manifest(*ROWS)
    exported.purge(batch_id="batch")
    with pytest.raises(AirflowFailException, match=r"recipients of batch 'batch' were erased"):
        exported.export(manifest=manifest)
