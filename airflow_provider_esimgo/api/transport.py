"""Sends calls, once or patiently. The retry policy of the whole package is this module, and only this module.

Must stay true: a call that is not a read gets one HTTP attempt, on a connection of its own; no redirect is
followed; NOT_SENT is claimed only when no request byte was handed to a connection (see connection.py).

Reads are tried up to `read_attempts` times on connection faults, timeouts, 429, 500, 502, 503, 504 and a
200 that cannot be read. The wait doubles from 0.5 s to 30 s, with jitter, or is `Retry-After` when that is
longer. One beyond 60 s is not slept through but raised: the error's `retry_after` tells the caller.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from airflow_provider_esimgo import __version__
from airflow_provider_esimgo.api import connection
from airflow_provider_esimgo.api.connection import Handover, handover
from airflow_provider_esimgo.api.errors import (
    ApiError,
    Effect,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.limiter import Limiter, RateLimit
from airflow_provider_esimgo.api.models.parse import MalformedError
from airflow_provider_esimgo.api.wire import (
    JSON,
    Call,
    Reply,
    error_of,
    http_date,
    request_id_of,
    retry_after_seconds,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Headers = Mapping[str, str]

RETRIED_STATUSES = (None, 200, 429, 500, 502, 503, 504)  # None: no reply; 200: one that could not be read
FIRST_WAIT = 0.5
LONGEST_BACKOFF = 30.0
LONGEST_RETRY_AFTER = 60.0


@dataclass(frozen=True)
class Timeout:
    """Seconds: to connect (for each address of the host) and between two pieces of a reply."""

    connect: float = 10.0
    read: float = 60.0


@dataclass(frozen=True)
class Exchange:
    """One HTTP attempt, as told to `on_request`. `status` is None when no reply was read."""

    method: str
    template: str
    status: int | None
    seconds: float


class Transport:
    """One account's way to the vendor. Thread-safe as far as `requests.Session` is."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: Timeout,
        limiter: Limiter,
        session: requests.Session | None = None,
        read_attempts: int = 5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
        on_request: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.base_url = _checked_base_url(base_url)
        if not api_key or not re.fullmatch(r"[\x21-\x7e]+", api_key):
            raise ValueError(
                "the API key must be printable ASCII without spaces; check for a stray line break"
            )
        if read_attempts < 1:
            raise ValueError(f"read_attempts must be at least 1, not {read_attempts}")
        self._key = api_key
        self._timeout = timeout
        self._limiter = limiter
        self._owns_session = session is None
        self._session = session or requests.Session()
        connection.adopt(self._session)
        self._read_attempts = read_attempts
        self._clock, self._sleep, self._now, self._jitter = clock, sleep, now, jitter
        self._on_request = on_request
        self.clock_skew: timedelta | None = None
        self.rate_limit: RateLimit | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def close(self) -> None:
        if self._owns_session:
            self._session.close()

    def read(self, call: Call, parse: Callable[[Reply], T]) -> T:
        """Send a call that only reads, as often as the policy allows; `parse` makes a done reply's result."""
        if call.effect is not Effect.READS:
            raise ValueError(f"{call.endpoint} {call.effect} and must not be repeated: use send()")
        for attempt in count(1):
            try:
                return self.send(call, parse)
            except ApiError as error:
                wait = self._wait_after(error, attempt)
                if wait is None:
                    raise
                log.info("%s Attempt %d of %d in %.1f s.", error, attempt + 1, self._read_attempts, wait)
                self._sleep(wait)
        raise AssertionError("unreachable")

    def send(self, call: Call, parse: Callable[[Reply], T]) -> T:
        """Send once. A done reply that `parse` cannot make sense of is UnknownOutcomeError."""
        self._limiter.acquire(call.endpoint)
        answer = self._exchange(call)
        try:
            return self._judge(call, answer, parse)
        except ApiError:
            raise
        except Exception as fault:  # once it was sent, no bug of ours may look like anything but unknown
            told = str(fault) if isinstance(fault, MalformedError) else f"unreadable ({type(fault).__name__})"
            raise UnknownOutcomeError(
                told,
                method=call.method,
                path=call.path,
                status=answer.status_code,
                effect=call.effect,
                request_id=request_id_of(answer.headers),
            ) from None

    def _judge(self, call: Call, answer: requests.Response, parse: Callable[[Reply], T]) -> T:
        self._learn(call, answer.headers)
        content_type = (answer.headers.get("Content-Type") or "").lower()
        reply = Reply(answer.status_code, answer.content, content_type)
        if reply.done:
            return parse(reply)
        error = error_of(
            call,
            reply,
            message=reply.vendor_message().replace(self._key, "***"),
            retry_after=retry_after_seconds(answer.headers, self._now()),
            request_id=request_id_of(answer.headers),
        )
        if isinstance(error, RateLimitedError):
            self._limiter.pause(1.0 if error.retry_after is None else error.retry_after)
        raise error

    def _exchange(self, call: Call) -> requests.Response:
        headers = {
            "X-API-Key": self._key,
            "Accept": call.accept,
            "User-Agent": f"airflow-provider-esimgo/{__version__}",
        }
        if call.effect is not Effect.READS:
            headers["Connection"] = "close"  # and, by WatchingAdapter, a connection of its own
        content = call.content()
        if content is not None:
            headers["Content-Type"] = JSON
        started = self._clock()
        answer = self._attempt(call, headers, content)
        seconds = self._clock() - started
        if isinstance(answer, ApiError):
            self._tell(call, None, seconds)
            raise answer
        self._tell(call, answer.status_code, seconds)
        return answer

    def _attempt(
        self, call: Call, headers: dict[str, str], content: bytes | None
    ) -> requests.Response | ApiError:
        """A fault is returned, not raised: a chained one would hold the request, and so the key."""
        handover.set(Handover.UNWATCHED)
        try:
            return self._session.request(
                call.method,
                self.base_url + call.path,
                params=call.query,
                data=content,
                headers=headers,
                timeout=(self._timeout.connect, self._timeout.read),
                allow_redirects=False,
            )
        except Exception as fault:  # whatever a library raises is sorted here
            return self._fault(call, fault)

    def _fault(self, call: Call, fault: Exception) -> ApiError:
        kind = NotSentError if never_left(fault, handover.get()) else UnknownOutcomeError
        told = _innermost(fault).replace(self._key, "***")
        return kind(told, method=call.method, path=call.path, effect=call.effect)

    def _learn(self, call: Call, headers: Headers) -> None:
        now, date = self._now(), http_date(headers.get("Date"))
        if date is not None:
            self.clock_skew = date - now
        seen = RateLimit.from_headers(headers)
        if seen is not None:
            self.rate_limit = seen
            self._limiter.observe(call.endpoint, seen, seen.seconds_to_reset(now=now, date=date))

    def _tell(self, call: Call, status: int | None, seconds: float) -> None:
        log.debug("%s %s -> %s in %d ms", call.method, call.path, status or "no reply", seconds * 1000)
        if self._on_request is not None:
            try:
                self._on_request(Exchange(call.method, call.template, status, seconds))
            except Exception:  # an observer must not turn a placed order into an unknown one
                log.exception("on_request failed; ignored")

    def _wait_after(self, error: ApiError, attempt: int) -> float | None:
        """Seconds until the next attempt of a read; None when there is none."""
        if attempt >= self._read_attempts or error.status not in RETRIED_STATUSES:
            return None
        told = error.retry_after or 0.0
        if told > LONGEST_RETRY_AFTER:
            return None
        backoff = min(FIRST_WAIT * 2.0 ** (attempt - 1), LONGEST_BACKOFF)
        return float(max(backoff * (0.5 + self._jitter() / 2), told))


def never_left(fault: BaseException, watched: Handover) -> bool:
    """Whether `fault` proves that the request never left. The watch decides; without one, the type."""
    if watched is not Handover.UNWATCHED:
        return watched is Handover.NOT_YET
    if isinstance(fault, exceptions.ProxyError):
        return False
    if isinstance(fault, exceptions.ConnectTimeout):
        return True
    chain = _chain(fault)
    return isinstance(fault, exceptions.ConnectionError) and any(
        isinstance(link, NewConnectionError | ConnectTimeoutError) or _is_certificate_fault(link)
        for link in chain
    )


def _is_certificate_fault(link: BaseException) -> bool:
    return type(link).__name__ in ("SSLCertVerificationError", "CertificateError")


def _chain(fault: BaseException) -> list[BaseException]:
    """A fault and what it wraps: requests and urllib3 keep the cause in `reason` or in `args`."""
    links = [fault]
    while len(links) < 10:
        last = links[-1]
        inner = [getattr(last, "reason", None), *last.args, last.__cause__]
        nested = next((one for one in inner if isinstance(one, BaseException) and one not in links), None)
        if nested is None:
            break
        links.append(nested)
    return links


def _innermost(fault: BaseException) -> str:
    links = [link for link in _chain(fault) if str(link)]
    told = str(links[-1]) if links else ""
    return f"{type(fault).__name__}: {told}" if told else type(fault).__name__


def _checked_base_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"not an API address: {parts.scheme}://{parts.hostname}{parts.path}; try https://api.esim-go.com/v2.5"
        )
    if parts.username or parts.password:
        raise ValueError(
            "the API address must not hold credentials: the key goes into the connection's password"
        )
    return base_url.rstrip("/")
