"""One message, once: what each way to fail means, told by a real mail server on loopback."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from mailroom import Mailroom, open_mailroom

from airflow_provider_esimgo.hooks.mail import Answer, Fate, Mailer, MailServerError

FROM, TO = "esim@acme.example", "ada@acme.example"


@pytest.fixture
def room() -> Iterator[Mailroom]:
    with open_mailroom() as opened:
        yield opened


@pytest.fixture
def mailer(room: Mailroom) -> Iterator[Mailer]:
    with Mailer(lambda: smtplib.SMTP("127.0.0.1", room.port, timeout=20)) as opened:
        yield opened


def send(mailer: Mailer, *, to: str = TO, subject: str = "hello") -> Answer:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = FROM, to, subject
    message.set_content("Grüße\n")
    return mailer.send(message, to=to, sender=FROM)


def test_a_message_that_is_accepted_arrives_once(mailer: Mailer, room: Mailroom):
    assert send(mailer) == Answer(Fate.ACCEPTED, "250 2.0.0")
    assert [one["Subject"] for one in room.messages] == ["hello"]


def test_one_connection_serves_many_messages(mailer: Mailer, room: Mailroom):
    assert {send(mailer).fate for _ in range(20)} == {Fate.ACCEPTED}
    assert room.connections == 1


@pytest.mark.parametrize(
    ("plot", "codes", "retry"),
    [
        ("550_rcpt", "550 5.1.1", False),
        ("451_rcpt", "451 4.7.1", True),
        ("554_data", "554 5.7.1", False),
        ("452_data", "452 4.2.2", True),
    ],
)
def test_a_no_is_a_no_and_is_told_by_its_codes_alone(
    mailer: Mailer, room: Mailroom, plot: str, codes: str, retry: bool
):
    room.script = [plot]
    answer = send(mailer)
    assert answer == Answer(Fate.REFUSED, codes)
    assert answer.worth_retrying is retry
    assert not room.messages
    assert send(mailer).fate is Fate.ACCEPTED, "the next message is not harmed"


@pytest.mark.parametrize("plot", ["drop_before", "drop_after"])
def test_a_connection_lost_with_the_content_is_an_unknown_outcome_and_nothing_is_sent_again(
    mailer: Mailer, room: Mailroom, plot: str
):
    room.script = [plot]
    assert send(mailer).fate is Fate.UNKNOWN
    assert len(room.messages) == (plot == "drop_after")
    assert not room.script, "one attempt"
    assert send(mailer).fate is Fate.ACCEPTED


def test_a_server_that_stays_silent_is_an_unknown_outcome(room: Mailroom):
    room.script = ["silent"]
    with Mailer(lambda: smtplib.SMTP("127.0.0.1", room.port, timeout=0.5)) as impatient:
        assert send(impatient).fate is Fate.UNKNOWN
    assert not room.script, "one attempt"


@pytest.mark.parametrize("plot", ["drop_mail", "drop_rcpt", "421_mail"])
def test_a_connection_that_was_lost_before_the_content_is_opened_again(
    mailer: Mailer, room: Mailroom, plot: str
):
    room.script = ["ok", plot, "ok"]
    assert send(mailer).fate is Fate.ACCEPTED
    assert send(mailer, subject="second").fate is Fate.ACCEPTED
    assert [one["Subject"] for one in room.messages] == ["hello", "second"]
    assert room.connections == 2


@pytest.mark.parametrize("plot", ["drop_mail", "drop_rcpt", "421_mail"])
def test_a_server_that_never_takes_anything_was_sent_nothing(mailer: Mailer, room: Mailroom, plot: str):
    room.script = [plot] * 2
    answer = send(mailer)
    assert answer.fate is Fate.NOT_SENT
    assert answer.worth_retrying
    assert not room.messages


def test_a_server_that_is_not_there_was_sent_nothing():
    def refuse() -> smtplib.SMTP:
        raise MailServerError

    assert send(Mailer(refuse)) == Answer(Fate.NOT_SENT, "MailServerError")
    with pytest.raises(MailServerError):
        Mailer(refuse).open()


def test_a_message_that_cannot_be_put_into_bytes_was_not_sent(mailer: Mailer, room: Mailroom):
    """It is claimed by then: an exception would leave its units in doubt, one more with each retry."""

    class Odd(EmailMessage):
        def as_bytes(self, *_: object, **__: object) -> bytes:
            raise UnicodeEncodeError("ascii", TO, 0, 1, "odd")

    answer = mailer.send(Odd(), to=TO, sender=FROM)
    assert answer == Answer(Fate.NOT_SENT, "UnicodeEncodeError")
    assert not room.messages
    assert send(mailer).fate is Fate.ACCEPTED


def test_an_address_beyond_ascii_travels_where_the_server_takes_it(mailer: Mailer, room: Mailroom):
    assert send(mailer, to="jörg@acme.example").fate is Fate.ACCEPTED
    assert room.recipients == ["jörg@acme.example"]


def test_an_address_beyond_ascii_is_refused_where_it_cannot_travel(mailer: Mailer, monkeypatch):
    monkeypatch.setattr(smtplib.SMTP, "has_extn", lambda self, name: False)
    assert send(mailer, to="jörg@acme.example") == Answer(Fate.REFUSED, "no SMTPUTF8")
