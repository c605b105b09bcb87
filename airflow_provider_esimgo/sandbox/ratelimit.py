"""The vendor's rate limit: a fixed window of one second per client address, with its four headers.

Runs on real time, never on the sandbox's shifted clock. Invariant: a window never gives out more tokens than the limit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_esimgo.sandbox.clock import SECOND, rfc3339


@dataclass(frozen=True)
class Toll:
    limit: int
    remaining: int
    resets_at: int
    cost: int
    allowed: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(self.remaining).encode()),
            (b"x-ratelimit-reset", rfc3339(self.resets_at, 3).encode()),
            (b"x-ratelimit-cost", str(self.cost).encode()),
        ]


class RateLimiter:
    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int]] = {}  # address: window's second, tokens taken

    def take(self, address: str, operation: str, limit: int | None, costs: Mapping[str, int]) -> Toll | None:
        """Pays for one request; None when the limiter is off."""
        if limit is None:
            return None
        second = time.time_ns() // SECOND
        window, taken = self._windows.get(address, (second, 0))
        if window != second:
            taken = 0
        cost = costs.get(operation, 1)
        allowed = taken + cost <= limit
        if allowed:
            taken += cost
        self._windows[address] = (second, taken)
        return Toll(limit, max(limit - taken, 0), (second + 1) * SECOND, cost, allowed)

    def forget(self) -> None:
        self._windows.clear()
