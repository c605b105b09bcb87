"""Sends one e-mail, once, and tells how sure it is of what became of it.

Airflow's SMTP hook connects and logs in; its own sending is not used, since that sends again after a lost
connection. Must stay true: after the message's last byte may have left, nothing but the server's answer counts as
an outcome; and no answer is told by more than its codes, since servers repeat addresses in their texts.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, EmailPolicy
from enum import StrEnum
from typing import Any

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.settings import SettingsError


class MailServerError(Exception):
    """The mail server cannot be reached or used; nothing was sent."""


class Fate(StrEnum):
    """What became of a message, as far as anybody here can know."""

    ACCEPTED = "accepted"  # the server has taken it over
    REFUSED = "refused"  # the server has said no
    NOT_SENT = "not sent"  # it never left
    UNKNOWN = "unknown"  # it left, and no answer came


@dataclass(frozen=True)
class Answer:
    """A message's fate, and the server's codes."""

    fate: Fate
    codes: str = ""

    @property
    def worth_retrying(self) -> bool:
        """Whether it may be taken later: it never left, or the server said "not now" (4xx)."""
        return self.fate is Fate.NOT_SENT or (self.fate is Fate.REFUSED and self.codes.startswith("4"))


class Mailer:
    """One connection to a mail server, opened when first needed and again after it was lost.

    Args:
        connect: makes a logged-in client.
    """

    def __init__(self, connect: Callable[[], smtplib.SMTP]) -> None:
        self._connect = connect
        self._client: smtplib.SMTP | None = None

    def open(self) -> None:
        """Connect and log in, before anything is promised to anybody.

        Raises:
            MailServerError: it cannot be used.
        """
        if self._client is None:
            self._client = self._connect()

    def send(self, message: EmailMessage, *, to: str, sender: str) -> Answer:
        """Send once. A connection that was lost before this message is opened again: nothing of it had left."""
        fresh = self._client is None
        answer = self._send(message, to=to, sender=sender)
        if answer.fate is Fate.NOT_SENT and not fresh:  # servers close what has been idle, or used much
            answer = self._send(message, to=to, sender=sender)
        return answer

    def _send(self, message: EmailMessage, *, to: str, sender: str) -> Answer:
        offered = self._offer(message, to=to, sender=sender)
        return offered if isinstance(offered, Answer) else self._hand_over(*offered)

    def _offer(self, message: EmailMessage, *, to: str, sender: str) -> Answer | tuple[smtplib.SMTP, bytes]:
        """Sender and recipient; the content stays here. What fails here was not sent."""
        try:
            self.open()
            client = self._client
            assert client is not None
            client.ehlo_or_helo_if_needed()
            if not (to + sender).isascii() and not client.has_extn("smtputf8"):
                return Answer(Fate.REFUSED, "no SMTPUTF8")
            policy, options = _form(to, sender)
            for code, text in _envelope(client, to, sender, options):
                if code == 421:  # it closes the connection
                    self.close()
                    return Answer(Fate.NOT_SENT, _codes(code, text))
                if not 200 <= code < 300:
                    client.rset()
                    return Answer(Fate.REFUSED, _codes(code, text))
            return client, message.as_bytes(policy=policy)
        except Exception as error:  # whatever it is, nothing of the content has left
            self.close()
            return Answer(Fate.NOT_SENT, type(error).__name__)

    def _hand_over(self, client: smtplib.SMTP, content: bytes) -> Answer:
        """The content. Only the server's answer to all of it is an outcome."""
        fate = Fate.UNKNOWN
        try:
            code, text = client.data(content)
            codes = _codes(code, text)
            if 200 <= code < 300:
                return Answer(Fate.ACCEPTED, codes)
            if 400 <= code < 600:
                fate = Fate.REFUSED
        except smtplib.SMTPDataError as error:  # it did not ask for the content
            fate, codes = Fate.REFUSED, _codes(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            codes = type(error).__name__
        self.close()  # whatever state it is in
        return Answer(fate, codes)

    def close(self) -> None:
        """Let the connection go."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _envelope(client: smtplib.SMTP, to: str, sender: str, options: list[str]) -> Iterator[tuple[int, bytes]]:
    yield client.mail(sender, options)
    yield client.rcpt(to)


def _form(to: str, sender: str) -> tuple[EmailPolicy[Any], list[str]]:
    """How the message is written: an address beyond ASCII needs a form of its own [RFC 6531]."""
    return (SMTP, []) if (to + sender).isascii() else (SMTPUTF8, ["SMTPUTF8", "BODY=8BITMIME"])


def _codes(code: int, text: bytes | str) -> str:
    """The status code and the enhanced one, without the text [RFC 3463]."""
    told = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    enhanced = re.match(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})\b", told)
    return f"{code} {enhanced[1]}" if enhanced else str(code)


def _told(error: Exception) -> str:
    """What may be told of it: a server's own words may hold addresses."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {_codes(error.smtp_code, error.smtp_error)}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def airflow_mailer(smtp_conn_id: str) -> tuple[Mailer, str | None]:
    """A mailer over an Airflow connection of type SMTP, and the sender that the connection names.

    Raises:
        SettingsError: the SMTP provider is not installed, or there is no such connection.
    """
    try:
        from airflow.providers.smtp.hooks.smtp import SmtpHook  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingsError(
            "E-mails need Airflow's SMTP provider. Nothing was sent. pip install 'airflow-provider-esimgo[smtp]'"
        ) from None

    def connect() -> smtplib.SMTP:
        try:
            # a hook for each connection: it keeps the one it has made, also after that was lost
            client = SmtpHook(smtp_conn_id=smtp_conn_id).get_conn()._smtp_client  # it has no public name
        except Exception as error:  # from smtplib, ssl, OAuth libraries and the hook itself
            raise MailServerError(
                f"The mail server of connection {smtp_conn_id!r} cannot be used: {_told(error)}. No e-mail was sent by "
                "this attempt. Check its host, port, TLS and login; then run this task again."
            ) from None
        assert isinstance(client, smtplib.SMTP)
        return client

    try:
        connection = SmtpHook.get_connection(smtp_conn_id)
    except AirflowException:
        raise SettingsError(
            f"There is no connection {smtp_conn_id!r}. Nothing was sent. Add it under Admin > Connections with type "
            "SMTP, or give smtp_conn_id."
        ) from None
    return Mailer(connect), connection.extra_dejson.get("from_email") or None
