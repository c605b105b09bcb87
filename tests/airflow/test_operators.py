"""The way from a CSV to installed eSIMs, operator by operator, with an empty context and a real ledger."""

from __future__ import annotations

import csv
import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import attach
from airflow_lab.desk import GB, JP, NL, Desk, bought_units
from fsspec.implementations.memory import MemoryFileSystem
from scanning import scanned

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS


def index_of(told: dict[str, Any]) -> list[dict[str, str]]:
    with Path(told["index"]).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def codes_at_the_vendor(desk: Desk) -> dict[str, str]:
    return {esim["iccid"]: esim["lpa"] for esim in desk.sandbox.books()["esims"]}


def test_a_manifest_becomes_esims_once(desk: Desk):
    plan = desk.validate(desk.manifest(f"ana,{GB},2", f"bo,{NL}"))
    assert not desk.sandbox.orders()
    told = desk.place()
    assert bought_units(desk.sandbox) == Counter({GB: 2, NL: 1})
    findings = {"warnings": 0, "quarantined": 0, "report": None, "faults": None}
    assert {**told, **findings} == {**plan, "states": {"ASSIGNED": 1}}
    assert (told["rows"], told["units"], told["orders"], told["total"]) == (2, 3, 1, "4.14")


def test_validating_spends_nothing_and_says_the_same_again(desk: Desk):
    assert desk.validate() == desk.validate()
    assert desk.sandbox.books()["charges"] == "0.00"


def test_placing_again_buys_nothing_and_says_the_very_same(desk: Desk):
    told = desk.bought()
    sold = bought_units(desk.sandbox)
    desk.validate()
    assert desk.place() == told
    assert bought_units(desk.sandbox) == sold


def test_the_batch_may_be_named_by_its_content(desk: Desk):
    plan = desk.validate(batch_id=None)
    assert plan["batch_id"]
    assert desk.validate(batch_id="")["batch_id"] == plan["batch_id"]
    assert desk.place(plan["batch_id"])["batch_id"] == plan["batch_id"]


def test_the_same_content_under_another_name_is_bought_only_where_that_is_wanted(desk: Desk):
    desk.bought()
    desk.validate(batch_id="again", allow_repeat=True)
    desk.place("again")
    assert bought_units(desk.sandbox) == Counter({GB: 4, NL: 2})


def test_what_is_handed_on_survives_xcom_unchanged(desk: Desk):
    told = [desk.validate(), desk.place(), desk.export()]
    assert json.loads(json.dumps(told)) == told


def test_a_canary_goes_first(desk: Desk):
    desk.connect(max_units_per_order=1)
    desk.validate()
    desk.sandbox.set(ready_seconds=3600, ready_answer="empty_list")
    with pytest.raises(AirflowFailException, match="The rest of the batch was not sent"):
        desk.place(canary=True)
    assert bought_units(desk.sandbox).total() == 1
    desk.sandbox.set(ready_seconds=0)
    desk.place(canary=True)
    assert bought_units(desk.sandbox) == Counter({GB: 2, NL: 1})


def test_the_kit_has_a_code_that_scans_for_every_unit(desk: Desk):
    desk.bought(f"ana,{GB},2", f"bo,{JP}")
    told = desk.export()
    rows = index_of(told)
    assert (told["units"], told["qr_codes"], len(rows)) == (3, 3, 3)
    at_the_vendor = codes_at_the_vendor(desk)
    for row in rows:
        assert row["activation_code"] == at_the_vendor[row["iccid"]]
        assert scanned((Path(told["folder"]) / row["qr_png"]).read_bytes()) == row["activation_code"]


def test_the_kit_is_its_owners_alone(desk: Desk):
    desk.bought()
    folder = Path(desk.export()["folder"])
    found = {(place.is_dir(), stat.S_IMODE(place.stat().st_mode)) for place in [folder, *folder.rglob("*")]}
    assert found == {(True, 0o700), (False, 0o600)}


def test_a_destination_that_is_a_file_url_is_as_safe(desk: Desk):
    desk.bought()
    folder = Path(desk.export(destination=desk.kits.as_uri())["folder"].removeprefix("file://"))
    assert folder == desk.kits / "batch"
    assert {stat.S_IMODE(place.stat().st_mode) for place in folder.rglob("*") if place.is_file()} == {0o600}


def test_a_relative_destination_is_relative_to_where_airflow_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(desk.folder)
    desk.bought()
    assert Path(desk.export(destination="here")["folder"]) == desk.folder / "here" / "batch"


def test_names_from_the_manifest_are_in_the_kit_when_it_is_given_again(desk: Desk):
    manifest = desk.manifest(f"ana,{GB},,,,Ana Lang,ana@acme.example")
    desk.validate(manifest)
    desk.place()
    (row,) = index_of(desk.export(manifest=manifest))
    assert (row["name"], row["email"]) == ("Ana Lang", "ana@acme.example")
    (row,) = index_of(desk.export())
    assert (row["name"], row["email"]) == ("", "")


def test_a_top_up_is_in_the_kit_on_its_own_esim(desk: Desk):
    desk.bought(f"ana,{GB},1,{PRESET_ICCIDS[0]}", f"bo,{GB}")
    topped_up = {row["recipient_ref"]: row for row in index_of(desk.export())}
    assert topped_up["ana"]["iccid"] == PRESET_ICCIDS[0]
    assert topped_up["ana"]["activation_code"] == codes_at_the_vendor(desk)[PRESET_ICCIDS[0]]
    assert (topped_up["ana"]["topped_up"], topped_up["bo"]["topped_up"]) == ("yes", "no")


def test_awkward_recipients_and_batches_stay_inside_the_destination(desk: Desk):
    batch_id = "../acme/🙂"
    desk.bought(f"../../ana,{GB}", f"a/b,{GB}", f"🙂,{GB}", batch_id=batch_id)
    rows = index_of(desk.export(batch_id))
    assert [row["recipient_ref"] for row in rows] == ["../../ana", "a/b", "🙂"]
    pictures = set(desk.folder.rglob("*.png"))
    assert len(pictures) == 3
    (folder,) = {picture.parent for picture in pictures}
    assert folder.parent.parent == desk.kits
    assert folder.parent.name.startswith("acme-"), "told apart from a batch that is called acme"


def test_exporting_again_replaces_the_kit_and_buys_nothing(desk: Desk):
    desk.bought()
    told = desk.export()
    before = {place: place.read_bytes() for place in desk.kits.rglob("*") if place.is_file()}
    for place in before:
        place.write_bytes(b"spoilt")
    assert desk.export() == told
    after = {place: place.read_bytes() for place in desk.kits.rglob("*") if place.is_file()}
    assert after.keys() == before.keys()
    assert b"spoilt" not in after.values()
    assert bought_units(desk.sandbox) == Counter({GB: 2, NL: 1})


def test_a_kit_goes_into_an_object_store(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk.folder)
    store = MemoryFileSystem()
    attach("memory", fs=store)
    desk.bought()
    told = desk.export(destination=f"memory://kits-{desk.folder.name}")
    folder = f"/kits-{desk.folder.name}/batch"
    rows = list(csv.DictReader(store.cat(f"{folder}/index.csv").decode().splitlines()))
    assert told["index"].startswith("memory://")
    for row in rows:
        assert scanned(store.cat(f"{folder}/{row['qr_png']}")) == row["activation_code"]
    assert not list(desk.folder.glob("memory*"))


def test_a_manifest_comes_from_an_object_store(desk: Desk):
    store = MemoryFileSystem()
    attach("memory", fs=store)
    where = f"/in-{desk.folder.name}/clients.csv"
    store.pipe(where, Path(desk.manifest()).read_bytes())
    assert desk.validate(f"memory:/{where}")["manifest"] == "clients.csv"
