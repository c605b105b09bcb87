"""What reached the sandbox: counts per operation, and every POST /orders transaction with its times.

Times are real (Unix seconds), for tests of pacing and of "at most one in flight".
Invariant: a request is finished when its answer is sent or its connection is gone, whichever comes first.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

_PLACES = (
    (re.compile(r"(?<=/bundles/)[^/]+|(?<=/bundle/)[^/]+|(?<=/compatible/)[^/]+"), "{name}"),
    (re.compile(r"(?<=/assignments/)[^/]+|(?<=/applications/)[^/]+"), "{id}"),
    (re.compile(r"(?<=/orders/)[^/]+|(?<=/qr/)[^/]+|(?<=/csv/)[^/]+"), "{reference}"),
    (re.compile(r"(?<=^/esims/)\d+"), "{iccid}"),
)


def operation(method: str, path: str) -> str:
    """`GET /esims/{iccid}/bundles` and the like, of a path without its version."""
    for pattern, place in _PLACES:
        path = pattern.sub(place, path)
    return f"{method} {path}"


@dataclass
class OrderPost:
    arrived: float
    in_flight: int  # others under way when it arrived
    source_ip: str
    finished: float | None = None
    status: int | None = None  # None: no answer was sent
    reference: str = ""  # the order it made, whether or not the client heard
    faults: tuple[str, ...] = ()


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.counts: Counter[str] = Counter()
        self.posts: list[OrderPost] = []
        self.number = 0

    def count(self, what: str) -> int:
        with self._lock:
            self.counts[what] += 1
            self.number += 1
            return self.number

    def arrive(self, source_ip: str, faults: tuple[str, ...]) -> OrderPost:
        with self._lock:
            waiting = sum(post.finished is None for post in self.posts[-50:])
            post = OrderPost(time.time(), waiting, source_ip, faults=faults)
            self.posts.append(post)
            return post

    def finish(self, post: OrderPost | None, status: int | None) -> None:
        if post is not None and post.finished is None:
            post.finished, post.status = time.time(), status

    def as_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "requests": dict(self.counts),
                "order_posts": [dataclasses.asdict(post) for post in self.posts],
                "most_in_flight": max((post.in_flight + 1 for post in self.posts), default=0),
            }
