"""What can go wrong on the eSIM Go wire, sorted by the one question that matters: was anything bought?

NOT_SENT is claimed only with proof, REFUSED only with the vendor's own words; all else is UNKNOWN.
No error's text holds the key, a request header, an activation code or a reply beyond its message.

    EsimGoError
    └── ApiError                      one exchange with the vendor failed
        ├── NotSentError              provably never reached the vendor: DNS, refused, connect timeout, TLS
        │   └── RateLimitedError      429: the limiter stands before the handler
        ├── RefusedError              400/401/403 with a message; for reads any other 4xx as well
        │   ├── AuthenticationError   401 and 403, treated alike: the vendor mixes them
        │   ├── NotFoundError         404 (reads only)
        │   └── GoneError             410 (reads only): the eSIM was deactivated
        └── UnknownOutcomeError       timeout after sending, reset, 3xx, 5xx, an unreadable or contradictory
                                      200; on anything but a read also 402, 404, 410 and the rest
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar

MESSAGE_LIMIT = 300

_SECRETS = re.compile(
    r"(?i:LPA(?::|%3A)1(?:\$|%24)[^\s\"'<>]*)"  # activation codes, plain or percent-encoded
    r"|\b[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){3}\b"  # matching ids, XXXXX-XXXXX-XXXXX-XXXXX
    r"|\b[A-Z]{2}-[A-Z0-9]{4,8}-[A-Z0-9]{6,10}\b"  # and the older JQ-123456-ABCDEPFX
)


class Outcome(StrEnum):
    """What an error says about the request it belongs to."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What a request does when it succeeds; decides who may repeat it and what its error says about money."""

    READS = "reads"
    QUOTES = "quotes"
    CHANGES = "changes"
    SPENDS = "spends"


class EsimGoError(Exception):
    """Base of every error this package raises about eSIM Go."""


class ApiError(EsimGoError):
    """One exchange failed. `message` is the vendor's text, or what the transport saw.

    `status` is None when no reply was read; `retry_after` is in seconds; `request_id` is the vendor's.
    """

    outcome: ClassVar[Outcome] = Outcome.UNKNOWN

    def __init__(
        self,
        message: str = "",
        *,
        method: str,
        path: str,
        status: int | None = None,
        effect: Effect | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        self.message = presentable(message)
        super().__init__(self.message)
        self.method = method
        self.path = path
        self.status = status
        self.effect = effect or (Effect.READS if method == "GET" else Effect.SPENDS)
        self.retry_after = retry_after
        self.request_id = request_id

    def __str__(self) -> str:
        words = (self.message or "no message").rstrip(". ")
        seen = f"failed: {words}" if self.status is None else f"answered {self.status}: {words}"
        trace = f" (request id {self.request_id})" if self.request_id else ""
        return f"{self.method} {self.path} {seen}{trace}. {self._money()} {self._cure()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), dict(self.__dict__))

    def _money(self) -> str:
        if self.effect is Effect.READS:
            return "Reading spends nothing."
        if self.effect is Effect.QUOTES:
            return "A validation charges nothing."
        return self._money_at_stake()

    def _money_at_stake(self) -> str:
        if self.effect is Effect.SPENDS:
            return "The outcome is unknown: money may have been spent. Do not send it again."
        return "The outcome is unknown: it may have been carried out. Do not send it again."

    def _cure(self) -> str:
        if self.effect in (Effect.READS, Effect.QUOTES):
            return "Try again later; if it persists, ask eSIM Go with the time and the path."
        return "Look first at what the vendor shows now (orders, balance, the eSIM), then decide."


class NotSentError(ApiError):
    """Provably never reached the vendor: no byte of the request was handed to a connection."""

    outcome = Outcome.NOT_SENT

    def _money_at_stake(self) -> str:
        return "It never reached the vendor: nothing was charged."

    def _cure(self) -> str:
        return "Check host, DNS, proxy, firewall and TLS certificates; sending it again later is safe."


class RateLimitedError(NotSentError):
    """429 after every permitted attempt. The limiter stands before the handler: no effect [G:rate_limits]."""

    def _money_at_stake(self) -> str:
        return "The rate limiter turned it away: nothing was charged."

    def _cure(self) -> str:
        wait = "a moment" if self.retry_after is None else f"{self.retry_after:g} s"
        return f"Wait {wait}, then send it again; the limit is per IP address, so other processes count too."


class RefusedError(ApiError):
    """The vendor said no, with a reason."""

    outcome = Outcome.REFUSED

    def _money_at_stake(self) -> str:
        return "The vendor refused it: nothing was charged."

    def _cure(self) -> str:
        return "Correct what the message names; the same request would be refused again."


class AuthenticationError(RefusedError):
    """401 or 403: a bad key, a foreign IP, a foreign ICCID, a missing feature: all look alike."""

    def _cure(self) -> str:
        return (
            "Check the API key, the portal's IP allow-list, and that the eSIM, stock or feature belongs to "
            "this organisation: eSIM Go answers 401 or 403 to all of these."
        )


class NotFoundError(RefusedError):
    """404 on a read."""

    def _cure(self) -> str:
        return "Check the name or reference, and the API version in the connection's host."


class GoneError(RefusedError):
    """410 on a read: a deactivated eSIM has no install details any more [D25]."""

    def _cure(self) -> str:
        return "The eSIM was deactivated; ask for the others without it."


class UnknownOutcomeError(ApiError):
    """Nobody can tell from this reply whether the request was carried out. Never send it again on a guess."""


def presentable(message: str) -> str:
    """A vendor's or library's text made fit for a log: one line, no activation code, 300 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    line = _SECRETS.sub("***", line)
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def _restore(kind: type[ApiError], state: dict[str, Any]) -> ApiError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error
