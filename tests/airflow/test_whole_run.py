"""The sample DAG in a real Airflow, and then a search for secrets in everything it left behind."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from airflow_lab.desk import Desk, bought_units
from airflow_lab.home import SAMPLE_DAGS, Home, Run
from airflow_lab.leaks import leaks, secrets_of

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.server import SandboxServer

MANIFEST = SAMPLE_DAGS / "manifests" / "acme.csv"


@dataclass
class Whole:
    """What there is to look at after the run."""

    home: Home
    run: Run
    sandbox: SandboxServer

    @property
    def secrets(self) -> Mapping[str, Collection[str]]:
        """Everything that belongs into the kit only, or nowhere."""
        with MANIFEST.open(newline="", encoding="utf-8") as file:
            return secrets_of(self.sandbox, csv.DictReader(file))

    def leaks(self, home: Path | None = None) -> list[str]:
        return leaks(home or self.home.path, self.secrets, but_in=[self.home.kits])


@pytest.fixture(scope="module")
def whole(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One run of `bulk_provisioning` with a vendor whose PINs cannot be taken for anything else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            identifiers, "pin_and_puk", lambda seed, serial: (f"pin-{seed}-{serial}", f"puk-{seed}-{serial}")
        )
        with SandboxServer(key=f"key-{uuid4()}", rate_limit=None, auto_lifecycle=0.1) as sandbox:
            connection = Desk.connection(sandbox, seconds_between_orders=0, callback_secret="hush-hush-hush")
            home = Home.copied(template, tmp_path_factory.mktemp("whole") / "home", connection, SAMPLE_DAGS)
            conf = {"client": "acme", "batch_id": "acme-whole", "destination": str(home.kits)}
            try:
                (run,) = home.run("bulk_provisioning", {"conf": conf})
                yield Whole(home, run, sandbox)
            finally:
                home.close()


def test_every_task_succeeds(whole: Whole):
    assert whole.run.state == "success"
    assert whole.run.tasks == dict.fromkeys(("validate", "place", "export", "wait_until_active"), "success")


def test_the_vendor_sold_what_the_manifest_asks_for(whole: Whole):
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        wanted: Counter[str] = Counter()
        for row in csv.DictReader(file):
            wanted[row["bundle"]] += int(row["quantity"])
    assert bought_units(whole.sandbox) == wanted
    assert whole.run.returned("place")["units"] == wanted.total() == 26
    assert whole.run.returned("place")["states"] == {"ASSIGNED": 3}


def test_the_kit_is_whole(whole: Whole):
    told = whole.run.returned("export")
    assert Path(told["folder"]) == whole.home.kits / "acme-whole"
    assert len(list((whole.home.kits / "acme-whole" / "qr").glob("*.png"))) == 26
    assert leaks(whole.home.kits, {"kept": [whole.sandbox.store.esims[identifiers.iccid(0, 1001)].lpa]})


def test_xcom_holds_plain_texts_and_numbers_and_no_recipient(whole: Whole):
    handed_on = json.dumps(whole.run.xcoms, default=str)
    assert "ACME-10" not in handed_on
    for values in whole.run.xcoms.values():
        assert all(isinstance(value, str | int | dict | None) for value in values.values())


def test_there_is_something_to_search(whole: Whole):
    assert whole.home.query("SELECT count(*) FROM rendered_task_instance_fields") == [(4,)]
    assert whole.home.query("SELECT count(*) FROM xcom")[0][0] > 10
    assert (whole.home.path / "esimgo-ledger.db").stat().st_size > 10_000
    assert len((whole.home.path / "stdout-1.log").read_text()) > 5_000


def test_nothing_secret_is_anywhere_but_in_the_kit(whole: Whole):
    assert whole.leaks() == []


def test_a_secret_anywhere_would_be_found(whole: Whole, tmp_path: Path):
    """The search itself is put to the test, one hiding place after the other."""
    esim = next(iter(whole.sandbox.store.esims.values()))
    spoilt = tmp_path / "spoilt"

    def found(hide: str, secret: str) -> list[str]:
        shutil.rmtree(spoilt, ignore_errors=True)
        shutil.copytree(whole.home.path, spoilt, ignore=shutil.ignore_patterns("kits", "*.ready"))
        if hide in ("stdout-1.log", "logs/dag/task/attempt=1.log"):
            (spoilt / hide).parent.mkdir(parents=True, exist_ok=True)
            with (spoilt / hide).open("a") as log:
                log.write(f"told {secret}!\n")
        else:
            file, table, column = hide.split(":")
            with closing(sqlite3.connect(spoilt / file)) as database:
                value = json.dumps({"x": "y" * 5000, "z": json.dumps([secret])})
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA ignore_check_constraints=ON")
                database.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT min(rowid) FROM {table})", [value]
                )
                database.commit()
                return whole.leaks(spoilt)  # while it is still in the WAL
        return whole.leaks(spoilt)

    assert "a PUK in" in found("stdout-1.log", esim.puk)[0]
    assert "a PIN in" in found("logs/dag/task/attempt=1.log", esim.pin)[0]
    assert (
        "the API key in"
        in found("airflow.db:rendered_task_instance_fields:rendered_fields", whole.sandbox.key)[0]
    )
    assert any("a matching id" in one for one in found("airflow.db:xcom:value", esim.matching_id))
    assert any(
        "an activation code" in one for one in found("esimgo-ledger.db:esimgo_events:evidence", esim.lpa)
    )
    assert any("a name in" in one for one in found("airflow.db:dag_run:conf", "Tomás Herrera"))
    assert any("a name in" in one for one in found("esimgo-ledger.db:esimgo_orders:message", "Elif Yılmaz"))  # noqa: RUF001


def test_the_sandbox_saw_one_request_in_flight_for_money(whole: Whole):
    assert whole.sandbox.books()["most_in_flight"] == 1
    assert whole.sandbox.books()["balanced"]
