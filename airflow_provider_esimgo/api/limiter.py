"""Keeps one process under the vendor's speed limit: 10 requests a second per IP address [G:rate_limits].

Must stay true: in any window of one second no more than `requests_per_second` requests start and, once the
vendor has told its limit, no more tokens than that are used. Costs are learned per endpoint from replies.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_esimgo.api.models.parse import instant

WINDOW = 1.0
LONGEST_HOLD = 5.0
_TICK = 0.001  # a wait below this could round to nothing and spin


@dataclass(frozen=True)
class RateLimit:
    """The X-Ratelimit-* headers of one reply, in tokens; None where absent or unreadable."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None
    cost: int | None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimit | None:
        """None when the reply carries none of the four."""
        limit, remaining, cost = (
            _count(headers.get(f"X-Ratelimit-{name}")) for name in ("Limit", "Remaining", "Cost")
        )
        reset_at = instant(headers.get("X-Ratelimit-Reset"))
        if limit is remaining is cost is None and reset_at is None:
            return None
        return cls(limit, remaining, reset_at, cost)

    def seconds_to_reset(self, *, now: datetime, date: datetime | None) -> float:
        """Seconds until the window resets. `date` is the vendor's clock in whole seconds, `now` is ours.

        Ours is the finer one and is used when the two agree.
        """
        if self.reset_at is None:
            return WINDOW
        ours = (self.reset_at - now).total_seconds()
        if date is not None:
            theirs = (self.reset_at - date).total_seconds()
            if not theirs - 1 <= ours <= theirs:
                ours = theirs
        return min(max(ours, 0.0), LONGEST_HOLD)


class Limiter:
    """Lets requests start; thread-safe. `acquire` sleeps, `observe` learns."""

    def __init__(
        self, requests_per_second: float, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        if not (math.isfinite(requests_per_second) and requests_per_second > 0):
            raise ValueError(f"requests_per_second must be above 0, not {requests_per_second}")
        self._starts_per_window = max(1, math.floor(requests_per_second))
        self._window = max(WINDOW, 1 / requests_per_second)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._started: deque[tuple[float, int]] = deque()
        self._costs: dict[str, int] = {}
        self._limit: int | None = None
        self._remaining = 0
        self._reset_at = -math.inf
        self._paused_until = -math.inf

    def acquire(self, endpoint: str) -> None:
        """Sleep until a request to `endpoint` ("GET /esims/{iccid}") may start, then count it as started."""
        while (wait := self._claim(endpoint)) > 0:
            self._sleep(max(wait, _TICK))

    def observe(self, endpoint: str, seen: RateLimit, seconds_to_reset: float) -> None:
        """Learn from a reply."""
        with self._lock:
            if seen.cost:
                self._costs[endpoint] = seen.cost
            if seen.limit:
                self._limit = seen.limit
            if seen.remaining is not None:
                self._remaining = seen.remaining
                self._reset_at = self._clock() + seconds_to_reset

    def pause(self, seconds: float) -> None:
        """Start nothing for `seconds` (at most LONGEST_HOLD): the vendor has just answered 429."""
        with self._lock:
            until = self._clock() + min(max(seconds, 0.0), LONGEST_HOLD)
            self._paused_until = max(self._paused_until, until)

    def _claim(self, endpoint: str) -> float:
        with self._lock:
            now = self._clock()
            while self._started and now - self._started[0][0] >= self._window:
                self._started.popleft()
            cost = self._costs.get(endpoint, 1)
            if self._limit is not None:
                cost = min(cost, self._limit)
            wait = max(
                self._paused_until - now, self._wait_for_room(cost, now), self._wait_for_reset(cost, now)
            )
            if wait <= 0:
                self._started.append((now, cost))
                self._remaining -= cost
            return wait

    def _wait_for_room(self, cost: int, now: float) -> float:
        """Until so many of the oldest starts have left the window that this one fits."""
        starts, tokens, wait = len(self._started), sum(spent for _, spent in self._started), 0.0
        for at, spent in self._started:
            if starts < self._starts_per_window and (self._limit is None or tokens + cost <= self._limit):
                break
            starts, tokens, wait = starts - 1, tokens - spent, self._window - (now - at)
        return wait

    def _wait_for_reset(self, cost: int, now: float) -> float:
        return self._reset_at - now if cost > self._remaining and now < self._reset_at else 0.0


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None
