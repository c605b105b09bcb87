"""A mail server on loopback that keeps what it gets, and can be told to behave badly at each step."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

logging.getLogger("mail.log").setLevel(logging.WARNING)  # it tells addresses, as mail servers do


class Mailroom:
    """What arrived, and what is to go wrong: `script` holds, for each message to come, where it fails."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.script: list[
            str
        ] = []  # ok, drop_mail, drop_rcpt, 550_rcpt, 451_rcpt, 421_mail, drop_before, drop_after, …
        self.connections = 0
        self.port = 0
        self.bounces: set[str] = set()
        self._plot = "ok"

    def connection(self, **extra: Any) -> dict[str, Any]:
        """The Airflow connection to it."""
        return {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": self.port,
            "extra": {
                "disable_ssl": True,
                "disable_tls": True,
                "from_email": "esim@acme.example",
                "timeout": 20,
                **extra,
            },
        }

    def to(self, address: str) -> list[EmailMessage]:
        return [one for one, to in zip(self.messages, self.recipients, strict=True) if to == address]

    # what aiosmtpd calls

    async def handle_EHLO(
        self, server: SMTP, session: Session, _: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return answers

    async def handle_MAIL(
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._plot = self.script.pop(0) if self.script else "ok"
        if self._plot == "421_mail":
            return "421 4.3.2 Service shutting down"
        if self._plot == "drop_mail":
            server.transport.abort()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._plot == "drop_rcpt":
            server.transport.abort()
        if self._plot == "550_rcpt" or address in self.bounces:
            return f"550 5.1.1 <{address}>: no such user here"
        if self._plot == "451_rcpt":
            return "451 4.7.1 Greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        if self._plot == "drop_before":
            server.transport.abort()
            return "250 OK"
        if self._plot == "silent":
            await asyncio.Event().wait()  # until the client hangs up
        if self._plot == "554_data":
            return "554 5.7.1 We do not like this message"
        if self._plot == "452_data":
            return "452 4.2.2 Mailbox full"
        content = envelope.content
        assert isinstance(content, bytes)
        self.messages.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos[0])
        if self._plot == "drop_after":
            server.transport.abort()
        return "250 2.0.0 Accepted"


class _AnyPort(Controller):
    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def open_mailroom() -> Iterator[Mailroom]:
    """A mail server that takes addresses beyond ASCII, on a port of its own."""
    room = Mailroom()
    controller = _AnyPort(room, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True)
    controller.start()
    room.port = controller.port
    room.connections = 0
    try:
        yield room
    finally:
        controller.stop()
