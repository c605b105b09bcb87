"""The sandbox's clock: real time plus an offset, in integer nanoseconds, and its RFC 3339 texts.

Invariants: a wait ends when the sandbox's time is reached, whether the real clock ran or `advance` moved it;
nanoseconds survive formatting and parsing exactly.
"""

from __future__ import annotations

import asyncio
import calendar
import re
import threading
import time
from email.utils import formatdate

SECOND = 1_000_000_000
DAY = 86_400 * SECOND

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9})\d*)?)?)?"
    r"(?:[Zz]|([+ -])(\d{2}):?(\d{2}))?"
)


def rfc3339(at: int, digits: int = 9) -> str:
    seconds, nanoseconds = divmod(at, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    fraction = f".{nanoseconds:09d}"[: digits + 1] if digits else ""
    return f"{text}{fraction}Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch; ValueError when it is no time. A blank sign is a `+` lost in a query string."""
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a date-time: {text}")
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour or 0) < 24 and int(minute or 0) < 60):
        raise ValueError(f"not a date-time: {text}")
    at = calendar.timegm(
        (int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), 0, 1, 0)
    )
    if sign:
        shift = int(off_hours) * 3600 + int(off_minutes) * 60
        at += shift if sign == "-" else -shift
    return at * SECOND + int((fraction or "0").ljust(9, "0"))


def http_date(at: int) -> str:
    return formatdate(at / SECOND, usegmt=True)


class SandboxClock:
    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def now(self) -> int:
        return time.time_ns() + self.offset

    def advance(self, seconds: float) -> int:
        """Moves the clock and wakes everyone who waits for it; callable from any thread."""
        self.offset += round(seconds * SECOND)
        self.wake()
        return self.now()

    def wake(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
        for loop, woken in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

    async def sleep(self, seconds: float) -> None:
        until = self.now() + round(seconds * SECOND)
        woken = asyncio.Event()
        entry = (asyncio.get_running_loop(), woken)
        with self._lock:
            self._waiting.add(entry)
        try:
            while (left := until - self.now()) > 0:
                woken.clear()
                try:
                    await asyncio.wait_for(woken.wait(), left / SECOND)
                except TimeoutError:
                    continue
        finally:
            with self._lock:
                self._waiting.discard(entry)
