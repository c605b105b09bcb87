"""`airflow esimgo kit …`: a kit made again from any end, and a look at what was delivered."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import GB, NL, Desk, bought_units
from mailroom import Mailroom, open_mailroom

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.ledger.delivery import claim

Cli = Callable[..., str]
ROWS = (f"ana,{GB},2,,,Ana Lang,ana@acme.example", f"bo,{NL},1,,,Bo Özil,bo@acme.example")


@pytest.fixture
def bought(desk: Desk) -> Desk:
    desk.bought(*ROWS)
    return desk


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailroom]:
    with open_mailroom() as opened:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(opened.connection()))
        yield opened


def rows_in(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def export(desk: Desk, cli: Cli, *words: str) -> list[dict[str, str]]:
    told = cli("kit", "export", "--destination", str(desk.kits), *words).strip()
    return rows_in(Path(told.partition(" QR codes in ")[2]))


def test_a_batch_is_exported_again_with_names_and_present_states(bought: Desk, cli: Cli):
    rows = export(bought, cli, "--batch", "batch", "--manifest", str(bought.folder / "clients.csv"))
    assert [row["name"] for row in rows] == ["Ana Lang", "Ana Lang", "Bo Özil"]
    assert {row["profile_status"] for row in rows} == {"Released"}
    assert bought_units(bought.sandbox).total() == 3


def test_an_order_an_esim_or_a_recipient_will_do(bought: Desk, cli: Cli):
    (order,) = bought.sandbox.orders()
    assert len(export(bought, cli, "--order", order["reference"])) == 3
    (bo,) = export(bought, cli, "--recipient", "bo")
    assert bo["recipient_ref"] == "bo"
    assert export(bought, cli, "--iccid", bo["iccid"]) == [bo]
    assert len(export(bought, cli, "--recipient", "bo", "--recipient", "ana")) == 3


def test_a_recipient_that_nobody_knows_is_told_by_name(bought: Desk, cli: Cli):
    with pytest.raises(SystemExit, match="no eSIM of recipient 'eve'"):
        export(bought, cli, "--recipient", "eve")


def test_codes_of_installed_esims_are_refused_unless_told(
    bought: Desk, cli: Cli, capsys: pytest.CaptureFixture[str]
):
    bought.sandbox.install_all(1)
    rows = export(bought, cli, "--batch", "batch")
    assert [bool(row["activation_code"]) for row in rows].count(False) == 1
    bought.sandbox.install_all()
    with pytest.raises(SystemExit, match=r"None of the 3 codes.*already installed.*--even-if-installed"):
        export(bought, cli, "--batch", "batch")
    rows = export(bought, cli, "--batch", "batch", "--even-if-installed")
    assert {row["profile_status"] for row in rows} == {"Installed"}
    assert all(row["activation_code"] for row in rows)


@pytest.mark.parametrize("words", [(), ("--batch", "batch", "--recipient", "ana")])
def test_exactly_one_way_to_say_what_is_meant(bought: Desk, cli: Cli, words: tuple[str, ...]):
    with pytest.raises(SystemExit, match="Give one of --batch, --order, --iccid and --recipient"):
        cli("kit", "export", *words)


def test_a_format_for_device_management(bought: Desk, cli: Cli):
    cli("kit", "export", "--batch", "batch", "--destination", str(bought.kits), "--format", "intune")
    assert list((bought.kits / "batch" / "mdm").glob("intune-*.csv"))
    with pytest.raises(SystemExit, match="takes no activation code"):
        export(bought, cli, "--batch", "batch", "--format", "apple")


def test_an_export_is_recorded_under_who_typed(bought: Desk, cli: Cli):
    export(bought, cli, "--batch", "batch")
    (event,) = [one for one in bought.hook().ledger.events() if one.kind == "kit_written"]
    assert event.actor["user"]
    assert event.evidence["codes"] == 3


def deliveries(cli: Cli, *words: str) -> list[dict[str, Any]]:
    return json.loads(cli("kit", "deliveries", "-o", "json", *words))


def test_deliveries_are_listed_without_addresses(bought: Desk, cli: Cli, room: Mailroom):
    bought.deliver()
    listed = deliveries(cli, "--batch", "batch")
    assert [(one["recipient_ref"], one["state"]) for one in listed] == [
        ("ana", "SENT"),
        ("ana", "SENT"),
        ("bo", "SENT"),
    ]
    assert listed[0]["message_id"] in {message["Message-ID"] for message in room.messages}
    assert "@acme.example" not in json.dumps([{**one, "message_id": ""} for one in listed])
    assert deliveries(cli, "--state", "UNKNOWN") == []


def resolve(cli: Cli, *words: str, reason: str = "the mail server's log") -> str:
    return cli("kit", "resolve", "--batch", "batch", "--reason", reason, *words)


def test_a_person_allows_what_is_unknown_and_the_next_run_sends_it(bought: Desk, cli: Cli, room: Mailroom):
    room.script = ["drop_before"]
    with pytest.raises(AirflowFailException):
        bought.deliver()
    assert len(deliveries(cli, "--state", "unknown")) == 2
    assert resolve(cli, "--unknown", "--send-again").startswith("2 deliveries may be sent again.")
    assert bought.deliver()["sent"] == 2
    assert sorted(room.recipients) == ["ana@acme.example", "bo@acme.example"]


def test_a_person_who_finds_it_in_the_log_says_so_and_nothing_is_sent(bought: Desk, cli: Cli, room: Mailroom):
    room.script = ["drop_after"]
    with pytest.raises(AirflowFailException):
        bought.deliver()
    assert resolve(cli, "--unknown", "--arrived") == "2 deliveries count as delivered.\n"
    assert bought.deliver()["already"] == 3
    assert len(room.messages) == 2


def test_a_person_may_send_one_recipient_another(bought: Desk, cli: Cli, room: Mailroom):
    bought.deliver()
    resolve(cli, "--recipient", "bo", "--send-again", reason="the mail was deleted")
    assert bought.deliver()["sent"] == 1
    assert room.recipients.count("bo@acme.example") == 2


@pytest.mark.parametrize("words", [("--unknown",), ("--recipient", "ana")])
def test_what_may_be_under_way_is_not_decided_about(
    bought: Desk, cli: Cli, room: Mailroom, words: tuple[str, ...]
):
    """A message that is being sent right now would go out twice."""
    hook = bought.hook()
    batch = hook.ledger.batch(hook.account, "batch")
    claim(hook.ledger, batch, [hook.ledger.units(batch)[0].key], message_id="<a@b>")
    with pytest.raises(SystemExit, match=r"under way|nothing to decide"):
        resolve(cli, *words, "--send-again")
    assert [one["state"] for one in deliveries(cli)] == ["SENDING"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--unknown", "--send-again"), "Give --reason"),
        (("--reason", "x", "--arrived"), "Give either --recipient RECIPIENT_REF or --unknown"),
        (("--unknown", "--recipient", "bo", "--reason", "x"), "Give either"),
        (("--unknown", "--reason", "x"), "Give either --arrived or --send-again"),
        (("--unknown", "--reason", "x", "--arrived", "--send-again"), "Give either --arrived"),
        (("--unknown", "--reason", "x", "--arrived"), "nothing to decide"),
        (("--recipient", "eve", "--reason", "x", "--send-again"), "nothing to decide"),
        (("--recipient", "bo", "--reason", "x", "--arrived"), "nothing to decide"),
    ],
)
def test_a_decision_needs_a_reason_and_something_to_decide(
    bought: Desk, cli: Cli, room: Mailroom, words: tuple[str, ...], told: str
):
    bought.deliver()
    with pytest.raises(SystemExit, match=told):
        cli("kit", "resolve", "--batch", "batch", *words)


def test_a_state_that_there_is_not(bought: Desk, cli: Cli):
    with pytest.raises(SystemExit, match="There is no state LOST"):
        deliveries(cli, "--state", "lost")
