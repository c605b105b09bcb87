"""In front of every API request: counts it, applies the limiter and the key, and lets faults strike around the effect.

Faults "before" end the request before a handler sees it; faults "after" spoil or swallow an answer whose effect stands.
Invariant: whatever happens to the connection, the effect is either wholly in the books or not at all.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_esimgo.sandbox import happenings
from airflow_provider_esimgo.sandbox.clock import http_date, parse_rfc3339, rfc3339
from airflow_provider_esimgo.sandbox.faults import FaultRule
from airflow_provider_esimgo.sandbox.request_log import OrderPost, operation
from airflow_provider_esimgo.sandbox.sandbox import Call, Sandbox
from airflow_provider_esimgo.sandbox.spoil import SPOILERS

_API_PATH = re.compile(r"/(v2(?:\.[1-5])?)(/.*)?")
_OPEN_PATH = re.compile(r"/|/_sandbox/.*|/docs|/openapi\.json")


class Connections(Protocol):
    """What the gateway can do to the sockets below."""

    def cut(self, client: tuple[str, int], how: str) -> None: ...

    def refuse(self, seconds: float) -> None: ...


@dataclass
class Answer:
    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def set(self, name: bytes, value: str) -> None:
        self.headers = [one for one in self.headers if one[0] != name] + [(name, value.encode())]


def message(status: int, text: str, *, retry_after: str = "", media_type: str = "application/json") -> Answer:
    body = json.dumps({"message": text}).encode() if media_type == "application/json" else text.encode()
    answer = Answer(status, body, [(b"content-type", media_type.encode())])
    if retry_after:
        answer.set(b"retry-after", retry_after)
    return answer


class _Cut(Exception):
    """No error: the connection is meant to go."""

    def __init__(self, how: str = "reset") -> None:
        super().__init__(how)
        self.how = how


class Gateway:
    def __init__(self, app: ASGIApp, sandbox: Sandbox, connections: Connections) -> None:
        self.app = app
        self.sandbox = sandbox
        self.connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["sandbox"] = self.sandbox
        match = _API_PATH.fullmatch(scope["path"])
        body = await _read(receive)
        if match is None:
            is_open = _OPEN_PATH.fullmatch(scope["path"]) is not None
            answer = await self._handle(scope, body) if is_open else message(403, "access denied")
            await self._send(send, answer)
            return
        exchange = _Exchange(self, scope, body, receive, match[1], match[2] or "/")
        try:
            answer = await exchange.run()
        except _Cut as cut:
            exchange.finish(None)
            self.connections.cut(scope["client"] or ("", 0), cut.how)
            await _gone(receive)
            return
        exchange.finish(answer.status)
        await self._send(send, answer)

    async def _handle(self, scope: Scope, body: bytes) -> Answer:
        """The handlers' answer, held back until it is decided whether anybody gets it."""
        answer = Answer(500, b"")

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def hold(part: Message) -> None:
            if part["type"] == "http.response.start":
                answer.status, answer.headers = part["status"], list(part.get("headers", []))
            else:
                answer.body += part.get("body", b"")

        await self.app(scope, replay, hold)
        return answer

    async def _send(self, send: Send, answer: Answer) -> None:
        answer.set(b"content-length", str(len(answer.body)))
        answer.set(b"date", http_date(self.sandbox.store.clock.now()))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        part = await receive()
        if part["type"] != "http.request":
            return b""
        parts.append(part.get("body", b""))
        if not part.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _order_type(body: bytes) -> str:
    try:
        fields = json.loads(body)
    except ValueError:
        return ""
    return str(fields.get("type", "")) if isinstance(fields, dict) else ""


@dataclass
class _Exchange:
    """One API request, from its arrival to its answer or its end."""

    gateway: Gateway
    scope: Scope
    body: bytes
    receive: Receive
    version: str
    path: str
    call: Call = field(init=False)
    post: OrderPost | None = None

    async def run(self) -> Answer:
        sandbox, method = self.gateway.sandbox, self.scope["method"]
        client = self.scope["client"][0] if self.scope["client"] else ""
        what = operation(method, self.path)
        number = sandbox.log.count(what)
        order_type = _order_type(self.body) if what == "POST /orders" else ""
        rules = sandbox.faults.due(method, self.path, order_type, number)
        self.call = Call(self.version, client, rules)
        if order_type == "transaction":
            self.post = self.call.post = sandbox.log.arrive(client, tuple(rule.kind for rule in rules))
        settings = sandbox.settings
        toll = sandbox.limiter.take(client, what, settings.rate_limit, settings.rate_costs)
        answer = await self._before(rules) or self._refusal(toll is None or toll.allowed)
        if answer is None:
            late = self.call.rule("late_effect")
            if late:
                happenings.late_order(sandbox.store, self.body, client, late["seconds"])
                raise _Cut(late["how"])
            sandbox.catch_up()
            self.scope["state"]["call"] = self.call
            answer = await self.gateway._handle(self.scope, self.body)
            answer = await self._after(rules, answer)
        if toll is not None:
            answer.headers += toll.headers()
        return self._dated(answer)

    async def _before(self, rules: list[FaultRule]) -> Answer | None:
        for rule in rules:
            match rule.kind:
                case "drop_before":
                    raise _Cut(rule["how"])
                case "refuse":
                    self.gateway.connections.refuse(rule["seconds"])
                    raise _Cut
                case "delay_before":
                    await self._wait(rule["seconds"])
                case "rate_limited":
                    return message(429, "Rate limit exceeded", retry_after=str(rule["retry_after"]))
                case "status_before":
                    return _status(rule)
                case "redirect" if rule["when"] == "before":
                    return self._redirect(rule)
        return None

    async def _after(self, rules: list[FaultRule], answer: Answer) -> Answer:
        for rule in rules:
            match rule.kind:
                case "drop_after":
                    raise _Cut(rule["how"])
                case "delay_after":
                    await self._wait(rule["seconds"])
                case "status_after":
                    answer = _status(rule)
                case "redirect" if rule["when"] == "after":
                    answer = self._redirect(rule)
                case kind if kind in SPOILERS:
                    answer.body = SPOILERS[kind](rule, answer.body)
        return answer

    def _refusal(self, within_limit: bool) -> Answer | None:
        sandbox = self.gateway.sandbox
        if not within_limit:
            return message(429, "Rate limit exceeded", retry_after="1")
        given = dict(self.scope["headers"]).get(b"x-api-key", b"").decode("latin-1")
        if given == sandbox.key:
            return None
        match sandbox.settings.key_error:
            case "forbidden":
                return message(403, "Forbidden")
            case "401 text":
                return message(401, "access denied", media_type="text/plain")
        return message(403, "access denied")

    def _redirect(self, rule: FaultRule) -> Answer:
        answer = Answer(rule["status"], b"")
        answer.set(b"location", rule["location"] or self.scope["path"])
        return answer

    async def _wait(self, seconds: float) -> None:
        """Waits on the sandbox's clock, noticing when the client gives up; the request goes on without it."""
        sleeping = asyncio.ensure_future(self.gateway.sandbox.store.clock.sleep(seconds))
        leaving = asyncio.ensure_future(_gone(self.receive))
        try:
            await asyncio.wait((sleeping, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self.finish(None)
            await sleeping
        finally:
            sleeping.cancel()
            leaving.cancel()

    def _dated(self, answer: Answer) -> Answer:
        """`Retry-After` as a date where that switch says so."""
        headers = dict(answer.headers)
        if self.gateway.sandbox.settings.retry_after == "date" and b"retry-after" in headers:
            after = parse_rfc3339(rfc3339(self.gateway.sandbox.store.clock.now(), 0))
            answer.set(b"retry-after", http_date(after + int(headers[b"retry-after"]) * 1_000_000_000))
        return answer

    def finish(self, status: int | None) -> None:
        self.gateway.sandbox.log.finish(self.post, status)


def _status(rule: FaultRule) -> Answer:
    retry_after: Any = rule["retry_after"]
    return message(
        rule["status"], rule["message"], retry_after="" if retry_after is None else str(retry_after)
    )
