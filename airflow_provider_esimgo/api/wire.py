"""What travels: one call to the vendor as data, one reply as data, and what the reply's status means.

Pure: no I/O, no clock. Must stay true: only 200 and 201 count as done, and off the read path a refusal
needs the vendor's own words; a gateway's bare 403 page proves nothing about an order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from airflow_provider_esimgo.api.errors import (
    ApiError,
    AuthenticationError,
    Effect,
    GoneError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, as_text, load_json

JSON = "application/json"
CSV = "text/csv"
ZIP = "application/zip"
_REQUEST_IDS = ("X-Request-Id", "X-Amzn-RequestId", "Apigw-Requestid", "X-Amzn-Trace-Id", "CF-Ray")


@dataclass(frozen=True)
class Call:
    """One operation with its arguments. `template` ("/esims/{iccid}") names the endpoint to the limiter."""

    method: str
    template: str
    effect: Effect
    args: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = field(default=None, repr=False)
    accept: str = JSON
    path: str = field(init=False)

    def __post_init__(self) -> None:
        path = self.template
        for arg in self.args:
            if not arg or arg in (".", ".."):
                raise ValueError(
                    f"{self.method} {self.template} cannot take {arg!r}: the path would be another one"
                )
            start, end = path.index("{"), path.index("}")
            path = path[:start] + quote(arg, safe="").replace("{", "%7B") + path[end + 1 :]
        object.__setattr__(self, "path", path)

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.template}"

    def content(self) -> bytes | None:
        """The body as JSON. No float can be in it: money is Decimal here, and json refuses Decimal."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Reply:
    """A reply, read to its end."""

    status: int
    content: bytes = field(repr=False)
    content_type: str = ""

    @property
    def done(self) -> bool:
        return self.status in (200, 201)

    def json(self) -> object:
        return load_json(self.content)

    def fields(self, what: str = "the reply") -> Fields:
        return Fields(self.json(), what)

    def text(self) -> str:
        return self.content.decode("utf-8-sig", errors="replace")

    def vendor_message(self) -> str:
        """The `message` of a JSON object, or plain text; "" for an empty or broken reply and a gateway's page."""
        try:
            held = self.json()
        except MalformedError:
            text = self.text().strip()
            return "" if text.startswith(("<", "{", "[")) or "html" in self.content_type else text
        if isinstance(held, Mapping):
            return Fields(held, "the error").text("message", "error", "statusMessage")
        return as_text(held) if isinstance(held, str) else ""


def error_of(
    call: Call, reply: Reply, *, message: str, retry_after: float | None, request_id: str | None
) -> ApiError:
    """What the status of `reply`, which is not done, means for `call`."""
    kind = _kind(reply.status, reads=call.effect is Effect.READS, explained=bool(message))
    if 300 <= reply.status < 400:
        message = "a redirect, which is never followed: it could carry the key to another host"
    return kind(
        message,
        method=call.method,
        path=call.path,
        status=reply.status,
        effect=call.effect,
        retry_after=retry_after,
        request_id=request_id,
    )


def _kind(status: int, *, reads: bool, explained: bool) -> type[ApiError]:
    if status == 429:
        return RateLimitedError
    if status in (401, 403) and (reads or explained):
        return AuthenticationError
    if status == 400 and (reads or explained):
        return RefusedError
    if reads and 400 <= status < 500:
        return {404: NotFoundError, 410: GoneError}.get(status, RefusedError)
    return UnknownOutcomeError


def http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """`Retry-After` in seconds; both documented forms (seconds, date) are read. A date is set against the
    vendor's own clock where the reply tells it."""
    text = (headers.get("Retry-After") or "").strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    if (at := http_date(text)) is None:
        return None
    return max((at - (http_date(headers.get("Date")) or now)).total_seconds(), 0.0)


def request_id_of(headers: Mapping[str, str]) -> str | None:
    return next((headers[name][:100] for name in _REQUEST_IDS if headers.get(name)), None)
