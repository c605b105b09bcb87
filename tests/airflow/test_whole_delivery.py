"""From a CSV to the recipients' mailboxes in a real Airflow, and then a search for secrets in what it left behind."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from airflow_lab.desk import Desk
from airflow_lab.home import LAB_DAGS, SAMPLE_DAGS, Home, Run
from airflow_lab.leaks import leaks, secrets_of
from mailroom import Mailroom, open_mailroom
from scanning import scanned

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.server import SandboxServer

MANIFEST = SAMPLE_DAGS / "manifests" / "acme.csv"


def people() -> list[dict[str, str]]:
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass
class HandedOver:
    home: Home
    run: Run
    cleared: Run
    sample: Run
    sandbox: SandboxServer
    room: Mailroom

    @property
    def secrets(self) -> Mapping[str, Collection[str]]:
        """Everything that belongs into the kit and the mail only, or nowhere."""
        return {**secrets_of(self.sandbox, people()), "the mail server's password": ["hush-mail-hush"]}


@pytest.fixture(scope="module")
def handed_over(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandedOver]:
    """Bought, exported, named and e-mailed; then the last task cleared, then the sample DAG for delivery."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open_mailroom() as room,
    ):
        patch.setattr(
            identifiers, "pin_and_puk", lambda seed, serial: (f"pin-{seed}-{serial}", f"puk-{seed}-{serial}")
        )
        with SandboxServer(key=f"key-{uuid4()}", rate_limit=None) as sandbox:
            connection = Desk.connection(sandbox, seconds_between_orders=0)
            place = tmp_path_factory.mktemp("handed-over")
            home = Home.copied(template, place / "home", connection, LAB_DAGS)
            home.connections["smtp_default"] = {**room.connection(), "password": "hush-mail-hush"}
            room.bounces = {"uma.1021@acme.example"}  # a refusal has its own ways to tell an address
            conf = {"batch_id": "acme", "manifest": str(MANIFEST), "destination": str(home.kits)}
            try:
                (refused,) = home.run("handed_over", {"conf": conf})
                assert refused.tasks["deliver"] == "failed"
                room.bounces = set()
                (run,) = home.run("handed_over", {"conf": conf})
                *_, cleared = home.run("handed_over", {"conf": conf}, {"clear": ["deliver"]})
                home.dags = SAMPLE_DAGS
                conf = {"batch_id": "acme", "manifest": str(MANIFEST), "note": "Ask."}
                (sample,) = home.run("deliver_kits", {"conf": conf})
                yield HandedOver(home, run, cleared, sample, sandbox, room)
            finally:
                home.close()


def test_every_recipient_got_exactly_one_message_with_their_own_codes(handed_over: HandedOver):
    assert Counter(handed_over.room.recipients) == Counter(person["email"] for person in people())
    with (handed_over.home.kits / "acme" / "index.csv").open(newline="", encoding="utf-8") as file:
        codes: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            codes.setdefault(row["email"], set()).add(row["activation_code"])
    for address, message in zip(handed_over.room.recipients, handed_over.room.messages, strict=True):
        pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
        assert {scanned(part.get_content()) for part in pictures} == codes[address]


def test_a_second_run_sent_what_was_refused_and_nothing_else(handed_over: HandedOver):
    told = handed_over.run.returned("deliver")
    assert (told["sent"], told["already"]) == (2, 24)


def test_a_cleared_task_and_the_sample_dag_send_nothing(handed_over: HandedOver):
    for run in (handed_over.cleared, handed_over.sample):
        assert run.state == "success"
        told = run.returned("deliver")
        assert (told["sent"], told["already"], told["unknown"]) == (0, 26, 0)


def test_nothing_secret_is_anywhere_but_in_the_kit(handed_over: HandedOver):
    home = handed_over.home
    assert home.query("SELECT count(*) FROM xcom")[0][0] > 20
    assert len((home.path / "stdout-1.log").read_text()) > 5_000
    assert "is refused (550 5.1.1)" in (home.path / "stdout-1.log").read_text(), "the refusal was told"
    assert leaks(home.path, handed_over.secrets, but_in=[home.kits]) == []


def test_the_kit_is_where_the_secrets_are(handed_over: HandedOver):
    """The search would find them."""
    found = leaks(handed_over.home.kits, handed_over.secrets)
    assert {line.partition(" in ")[0] for line in found} >= {
        "an activation code",
        "a matching id",
        "a name",
        "an e-mail address",
    }
    assert not any(line.startswith(("a PIN", "a PUK", "the API key")) for line in found)


def test_each_esim_bears_its_recipients_reference_at_the_vendor(handed_over: HandedOver):
    named = [one.customer_ref for one in handed_over.sandbox.store.esims.values() if one.customer_ref]
    assert len(named) == 26
    assert all(name.startswith("acme/ACME-10") for name in named)
