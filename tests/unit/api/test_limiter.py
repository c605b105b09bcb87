"""The limiter never lets more requests start than the vendor allows, and learns what they cost."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.api.limiter import Limiter, RateLimit

SLACK = 1e-6


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def starts_of(limiter: Limiter, time: FakeTime, idles: list[float]) -> list[float]:
    starts = []
    for idle in idles:
        time.now += idle
        limiter.acquire("GET /x")
        starts.append(time.now)
    return starts


@given(
    rate=st.one_of(st.integers(1, 12), st.floats(0.2, 12)),
    idles=st.lists(st.one_of(st.just(0.0), st.floats(0, 1.5)), min_size=1, max_size=60),
)
def test_no_window_of_a_second_holds_more_starts_than_allowed(rate: float, idles: list[float]) -> None:
    time = FakeTime()
    starts = starts_of(Limiter(rate, clock=time.clock, sleep=time.sleep), time, idles)
    allowed = max(1, int(rate))
    window = 1.0 if rate >= 1 else 1 / rate
    for first, beyond in zip(starts, starts[allowed:], strict=False):
        assert beyond - first >= window - SLACK


@given(
    limit=st.integers(1, 10),
    costs=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.7)), min_size=1, max_size=60),
)
def test_no_window_of_a_second_uses_more_tokens_than_the_vendor_gives(
    limit: int, costs: list[tuple[str, float]]
) -> None:
    time = FakeTime()
    limiter = Limiter(10, clock=time.clock, sleep=time.sleep)
    price = {"a": 1, "b": 2, "c": 5}
    for endpoint, cost in price.items():
        limiter.observe(endpoint, RateLimit(limit, None, None, cost), 0.0)
    spent: list[tuple[float, int]] = []
    for endpoint, idle in costs:
        time.now += idle
        limiter.acquire(endpoint)
        spent.append((time.now, min(price[endpoint], limit)))
    for at, _ in spent:
        assert sum(cost for when, cost in spent if at <= when < at + 1 - SLACK) <= limit


def test_a_burst_goes_at_full_speed() -> None:
    time = FakeTime()
    starts = starts_of(Limiter(10, clock=time.clock, sleep=time.sleep), time, [0.0] * 30)
    assert starts == pytest.approx([0.0] * 10 + [1.0] * 10 + [2.0] * 10, abs=0.01)


def test_an_exhausted_window_is_waited_for() -> None:
    time = FakeTime()
    limiter = Limiter(10, clock=time.clock, sleep=time.sleep)
    limiter.observe("GET /x", RateLimit(10, 0, None, 1), seconds_to_reset=0.4)
    limiter.acquire("GET /x")
    assert time.now == pytest.approx(0.4, abs=0.01)


def test_a_pause_holds_everybody_but_not_for_ever() -> None:
    time = FakeTime()
    limiter = Limiter(10, clock=time.clock, sleep=time.sleep)
    limiter.pause(3600)
    limiter.acquire("GET /x")
    assert time.now == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="requests_per_second"):
        Limiter(rate, clock=lambda: 0.0, sleep=lambda _: None)


def test_threads_share_the_limit() -> None:
    starts: list[float] = []
    real = threading.Lock()
    limiter = Limiter(5, clock=time.monotonic, sleep=lambda s: time.sleep(min(s, 0.05)))

    def work() -> None:
        limiter.acquire("GET /x")
        with real:
            starts.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    starts.sort()
    assert len(starts) == 8
    assert starts[5] - starts[0] > 0.9


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"X-Ratelimit-Limit": "ten"}, None),
        ({"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "0"}, RateLimit(10, 0, None, None)),
        (
            {"X-Ratelimit-Cost": "5", "X-Ratelimit-Reset": "2025-01-01T00:00:01Z"},
            RateLimit(None, None, datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC), 5),
        ),
    ],
)
def test_headers_are_read_leniently(headers: dict[str, str], expected: RateLimit | None) -> None:
    assert RateLimit.from_headers(headers) == expected


@pytest.mark.parametrize(
    ("ours", "seconds"),
    [(timedelta(seconds=0.6), 0.9), (timedelta(hours=-1), 1.5), (timedelta(hours=1), 1.5), (None, 0.0)],
)
def test_the_reset_is_measured_by_our_clock_only_when_it_agrees(ours: Any, seconds: float) -> None:
    date = datetime(2025, 1, 1, tzinfo=UTC)
    reset = date + timedelta(seconds=1.5)
    now = date + (ours if ours is not None else timedelta(seconds=2))
    told = RateLimit(10, 0, reset, 1).seconds_to_reset(now=now, date=date if ours is not None else None)
    assert told == pytest.approx(seconds)
