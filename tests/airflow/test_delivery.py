"""Kits by e-mail: each unit once, to its own recipient, whatever breaks on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from email.message import EmailMessage
from typing import Any

import pytest
from airflow_lab.desk import GB, NL, Desk, bought_units
from mailroom import Mailroom, open_mailroom
from scanning import scanned
from sqlalchemy import text

from airflow_provider_esimgo.hooks import delivery
from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.kit import KitError
from airflow_provider_esimgo.ledger.delivery import DeliveryState, deliveries_of
from airflow_provider_esimgo.ledger.errors import LedgerUnavailable
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS

ROWS = (
    f"ana,{GB},2,,,Ana Lang,ana@acme.example",
    f"bo,{NL},1,,,Bo Özil,bo@acme.example",
    f"cy,{GB},1,,,Cy,",
)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailroom]:
    """A mail server, and the connection smtp_default to it."""
    with open_mailroom() as opened:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(opened.connection()))
        yield opened


@pytest.fixture
def bought(desk: Desk, room: Mailroom) -> Desk:
    desk.bought(*ROWS)
    return desk


def codes(message: EmailMessage) -> list[str]:
    return [scanned(part.get_content()) for part in message.walk() if part.get_content_type() == "image/png"]


def states(desk: Desk) -> Counter[DeliveryState]:
    hook = desk.hook()
    return Counter(one.state for one in deliveries_of(hook.ledger, hook.account))


def test_each_recipient_gets_their_own_codes_once(bought: Desk, room: Mailroom):
    told = bought.deliver()
    assert told == {
        "batch_id": "batch",
        "sent": 3,
        "already": 0,
        "withheld": 0,
        "no_address": 1,
        "refused": 0,
        "unknown": 0,
        "under_way": 0,
    }
    assert sorted(room.recipients) == ["ana@acme.example", "bo@acme.example"]
    hook = bought.hook()
    batch = hook.ledger.batch(hook.account, "batch")
    lpas = {esim["iccid"]: esim["lpa"] for esim in bought.sandbox.books()["esims"]}
    for who in ("ana", "bo"):
        mine = {lpas[unit.iccid or ""] for unit in hook.ledger.units(batch) if unit.recipient_ref == who}
        (message,) = room.to(f"{who}@acme.example")
        assert set(codes(message)) == mine, "the pictures"
        plain = message.get_body(("plain",))
        assert plain is not None
        assert all(code in plain.get_content() for code in mine), "the text"
    assert room.messages[0]["From"] == "esim@acme.example"


def test_a_second_run_sends_nothing(bought: Desk, room: Mailroom):
    bought.deliver()
    told = bought.deliver()
    assert (told["sent"], told["already"]) == (0, 3)
    assert len(room.messages) == 2
    assert bought_units(bought.sandbox).total() == 4, "and nothing was bought"


def test_what_another_run_sends_meanwhile_counts_as_sent_and_fails_nobody(
    bought: Desk, room: Mailroom, monkeypatch: pytest.MonkeyPatch
):
    """The other run begins when this one has looked, and is done before this one claims anything."""
    rivals = iter([bought.deliver])

    def claim(*args: Any, **kwargs: Any) -> bool:
        for rival in rivals:
            assert rival()["sent"] == 3
        return real(*args, **kwargs)

    real = delivery.claim
    monkeypatch.setattr(delivery, "claim", claim)
    told = bought.deliver()
    assert (told["sent"], told["already"], told["unknown"]) == (0, 3, 0)
    assert len(room.messages) == 2


def test_what_was_bought_later_for_the_same_person_is_a_message_of_its_own(desk: Desk, room: Mailroom):
    desk.bought(ROWS[0])
    desk.deliver()
    desk.bought(f"ana,{NL},1,,,Ana Lang,ana@acme.example", batch_id="more")
    assert desk.deliver("more")["sent"] == 1
    assert [len(codes(message)) for message in room.to("ana@acme.example")] == [2, 1]


def test_who_has_installed_it_already_gets_nothing_unless_told(bought: Desk, room: Mailroom):
    bought.sandbox.install_all()
    assert bought.deliver()["withheld"] == 4
    assert not room.messages
    assert bought.deliver(even_if_installed=True)["sent"] == 3


def test_a_message_of_unknown_outcome_is_not_sent_again(bought: Desk, room: Mailroom):
    room.script = ["drop_after"]
    with pytest.raises(AirflowFailException, match="Of 2 nobody knows whether they arrived"):
        bought.deliver()
    assert states(bought) == {DeliveryState.UNKNOWN: 2, DeliveryState.SENT: 1}
    with pytest.raises(AirflowFailException, match="Of 2 nobody knows"):
        bought.deliver()
    assert len(room.messages) == 2


def test_a_refused_message_is_tried_again_by_the_next_run(bought: Desk, room: Mailroom):
    room.script = ["451_rcpt"]
    with pytest.raises(AirflowException, match="2 were refused") as failed:
        bought.deliver()
    assert not isinstance(failed.value, AirflowFailException), "a retry can help"
    assert bought.deliver()["sent"] == 2
    assert sorted(room.recipients) == ["ana@acme.example", "bo@acme.example"]


def test_an_address_that_does_not_exist_stops_no_other_and_is_not_retried(bought: Desk, room: Mailroom):
    room.bounces = {"ana@acme.example"}
    with pytest.raises(AirflowFailException, match=r"1 units are delivered.*2 were refused"):
        bought.deliver()
    assert room.recipients == ["bo@acme.example"]


def test_a_mail_server_that_is_down_was_sent_nothing_and_is_asked_again(
    desk: Desk, room: Mailroom, monkeypatch: pytest.MonkeyPatch
):
    desk.bought(*(f"r{number},{GB},1,,,,r{number}@acme.example" for number in range(6)))
    down = {**room.connection(retry_limit=0), "port": 1}
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(down))
        with pytest.raises(
            AirflowException, match=r"cannot be used: ConnectionRefusedError.*No e-mail was sent"
        ):
            desk.deliver()
    assert desk.deliver()["sent"] == 6


@pytest.mark.parametrize("extra", [{"ssl_context": "foo", "disable_tls": False}, {"disable_tls": False}])
def test_a_mail_connection_that_cannot_work_promises_nothing_to_anybody(
    bought: Desk, room: Mailroom, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """The server has no STARTTLS; the hook does not know the SSL context."""
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(room.connection(**extra)))
    for _ in range(2):
        with pytest.raises(AirflowException, match="mail server of connection 'smtp_default' cannot be used"):
            bought.deliver()
    assert not states(bought)


def test_a_server_that_goes_away_leaves_the_rest_for_later(desk: Desk, room: Mailroom):
    desk.bought(*(f"r{number},{GB},1,,,,r{number}@acme.example" for number in range(8)))
    room.script = ["ok", *["421_mail"] * 100]
    with pytest.raises(
        AirflowException, match=r"1 units are delivered.*7 were refused by the mail server or not"
    ):
        desk.deliver()
    assert len(room.script) == 100 - 4, "three messages were tried, the first one again on a new connection"
    room.script = []
    assert desk.deliver()["sent"] == 7


def test_one_message_that_cannot_be_written_holds_up_no_other(
    bought: Desk, room: Mailroom, monkeypatch: pytest.MonkeyPatch
):
    def compose(entries: Any, *args: Any, **kwargs: Any) -> Any:
        if entries[0].recipient_ref == "ana":
            raise KitError("it is odd")
        return real(entries, *args, **kwargs)

    real = delivery.compose
    monkeypatch.setattr(delivery, "compose", compose)
    with pytest.raises(AirflowFailException, match="2 were refused"):
        bought.deliver()
    assert room.recipients == ["bo@acme.example"]


def test_two_spellings_of_one_address_are_one_address(desk: Desk, room: Mailroom):
    desk.bought(f"ana,{GB},1,,,,ana@münchen.example", f"ana,{NL},1,,,,ana@xn--mnchen-3ya.example")
    assert desk.deliver()["sent"] == 2
    assert room.recipients == ["ana@xn--mnchen-3ya.example"]


def test_bundles_on_one_esim_are_told_together(desk: Desk, room: Mailroom):
    """Two top-ups of one eSIM: one picture, both plans."""
    desk.bought(
        f"ana,{GB},1,{PRESET_ICCIDS[0]},,,ana@acme.example",
        f"ana,{NL},1,{PRESET_ICCIDS[0]},,,ana@acme.example",
    )
    assert desk.deliver(even_if_installed=True)["sent"] == 2
    (message,) = room.messages
    assert len(codes(message)) == 1
    plain = message.get_body(("plain",))
    assert plain is not None
    assert "United Kingdom" in plain.get_content()
    assert "Netherlands" in plain.get_content()


def test_a_ledger_that_is_gone_for_a_moment_does_not_lose_the_answer(
    bought: Desk, room: Mailroom, monkeypatch: pytest.MonkeyPatch
):
    """The mail server has said yes; only then is the ledger away, twice."""
    away = iter([True, True])

    def record(*args: Any, **kwargs: Any) -> None:
        if next(away, False):
            raise LedgerUnavailable("gone")
        real(*args, **kwargs)

    real = delivery.record_outcome
    monkeypatch.setattr(delivery, "record_outcome", record)
    monkeypatch.setattr(delivery, "_LEDGER_WAITS", (0.0, 0.0, 0.0))
    assert bought.deliver()["sent"] == 3
    assert states(bought) == {DeliveryState.SENT: 3}


def test_no_address_and_no_name_is_told_to_log_or_ledger(
    bought: Desk, room: Mailroom, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    room.bounces = {"ana@acme.example"}
    with pytest.raises(AirflowException) as failed:
        bought.deliver()
    ledger = (bought.folder / "ledger.db").read_bytes()
    for wal in bought.folder.glob("ledger.db-wal"):
        ledger += wal.read_bytes()
    told = caplog.text + "".join(capfd.readouterr()) + str(failed.value)
    assert "550 5.1.1" in told
    for secret in ("ana@acme", "bo@acme", "Ana Lang", "Özil"):
        assert secret not in told
        assert secret.encode() not in ledger


@pytest.mark.parametrize(
    "address",
    ["ana", "ana@", "ana@acme.example, eve@evil.example", "ana@acme.example\nBcc: eve@evil.example"],
)
def test_an_address_that_cannot_be_used_is_counted_and_nobody_else_is_written_to(
    desk: Desk, room: Mailroom, address: str
):
    quoted = '"' + address + '"'
    desk.bought(f"ana,{GB},1,,,Ana,{quoted}")
    told = desk.deliver()
    assert (told["sent"], told["no_address"]) == (0, 1)
    assert not room.recipients


def test_the_sender_may_bear_a_name(bought: Desk, room: Mailroom):
    bought.deliver(from_email="eSIM desk <desk@acme.example>", note="Ask us.", reply_to="help@acme.example")
    message = room.messages[0]
    assert (message["From"], message["Reply-To"]) == ("eSIM desk <desk@acme.example>", "help@acme.example")
    assert message["Message-ID"].endswith("@acme.example>")


@pytest.mark.parametrize("sender", ["nobody", "", "a@b.example, c@d.example"])
def test_a_sender_that_is_no_address_sends_nothing(
    bought: Desk, room: Mailroom, sender: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(room.connection(from_email=sender or None)))
    with pytest.raises(AirflowFailException, match=r"not one e-mail address\. Nothing was sent"):
        bought.deliver()
    assert not states(bought)


def test_without_a_mail_connection_nothing_is_sent(desk: Desk):
    desk.bought(*ROWS)
    with pytest.raises(AirflowFailException, match=r"no connection 'nowhere'.*Nothing was sent"):
        desk.deliver(smtp_conn_id="nowhere")


def test_a_batch_that_is_not_bought_is_not_delivered(desk: Desk, room: Mailroom):
    desk.validate(desk.manifest(*ROWS))
    with pytest.raises(AirflowFailException, match="have no eSIM yet"):
        desk.deliver()


def later(desk: Desk) -> None:
    """Whoever was at it is not any more."""
    with desk.hook().ledger.database.write() as connection:
        connection.execute(text("UPDATE esimgo_deliveries SET begun_at = begun_at - 3600000"))


_DRIVER = """
import os, signal, sys
from airflow_provider_esimgo.hooks import delivery, mail
moment = sys.argv[1]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def before(function):
    def run(*args, **kwargs):
        die()
    return run

def after(function):
    def run(*args, **kwargs):
        function(*args, **kwargs)
        die()
    return run

if moment == "before the claim":
    delivery.claim = before(delivery.claim)
elif moment == "after the claim":
    delivery.claim = after(delivery.claim)
elif moment == "after the sender was told":
    mail.Mailer._hand_over = before(mail.Mailer._hand_over)
elif moment == "after it was sent":
    mail.Mailer._hand_over = after(mail.Mailer._hand_over)
elif moment == "after the outcome":
    delivery.record_outcome = after(delivery.record_outcome)

from airflow_provider_esimgo.operators.delivery import EsimGoDeliverKitsOperator
EsimGoDeliverKitsOperator(task_id="deliver", batch_id="batch", manifest=sys.argv[2]).execute({})
"""


@pytest.mark.parametrize(
    ("moment", "arrived", "in_doubt"),
    [
        ("before the claim", 0, 0),
        ("after the claim", 0, 1),
        ("after the sender was told", 0, 1),
        ("after it was sent", 1, 1),
        ("after the outcome", 1, 0),
    ],
)
def test_a_worker_that_is_killed_at_any_line_never_sends_twice(
    desk: Desk, room: Mailroom, moment: str, arrived: int, in_doubt: int
):
    desk.bought(*(f"{who},{GB},1,,,,{who}@acme.example" for who in ("ana", "bo")))
    script = desk.folder / "driver.py"
    script.write_text(_DRIVER)
    done = subprocess.run(
        [sys.executable, script, moment, desk.folder / "clients.csv"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    assert len(room.messages) == arrived
    if in_doubt:
        with pytest.raises(AirflowException, match="Another run is sending 1 of them"):
            desk.deliver()
        later(desk)
    told: Any = pytest.raises(AirflowFailException, match="Of 1 nobody knows") if in_doubt else nullcontext()
    with told:
        desk.deliver()
    counts = Counter(room.recipients)
    assert counts["bo@acme.example"] == 1
    assert counts["ana@acme.example"] == arrived or not in_doubt
    assert max(counts.values()) == 1, "nobody got two"
    assert states(desk)[DeliveryState.SENDING] == in_doubt
