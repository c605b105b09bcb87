"""What a look means: reached, waited for, out of reach or overdue; and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.ledger.milestones import Progress
from airflow_provider_esimgo.ledger.records import Milestone as M
from airflow_provider_esimgo.triggers.polling import BatchGoal, Finding, StateGoal, next_interval

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def progress(counts: Mapping[Any, int]) -> Progress:
    return Progress("acme", counts)


@pytest.mark.parametrize(
    ("counts", "goal", "finding"),
    [
        ({M.ACTIVE: 4}, {}, Finding.REACHED),
        ({M.ACTIVE: 3, M.ASSIGNED: 1}, {}, Finding.WAITING),
        ({M.ACTIVE: 3, M.ASSIGNED: 1}, {"share": 0.75}, Finding.REACHED),
        ({M.ACTIVE: 3, M.ASSIGNED: 1}, {"count": 3}, Finding.REACHED),
        ({M.ACTIVE: 3, M.ASSIGNED: 1}, {"count": 4}, Finding.WAITING),
        ({M.ACTIVE: 3, M.DEPLETED: 1}, {}, Finding.REACHED),
        ({M.ACTIVE: 3, M.REVOKED: 1}, {}, Finding.UNREACHABLE),
        ({M.ACTIVE: 3, M.LAPSED: 1}, {"share": 0.75}, Finding.REACHED),
        ({M.ASSIGNED: 3, M.LAPSED: 1}, {"share": 0.75}, Finding.WAITING),
        ({M.ASSIGNED: 4}, {"count": 5}, Finding.UNREACHABLE),
        ({None: 4}, {}, Finding.WAITING),
    ],
)
def test_a_batch_is_compared_with_its_goal(counts: Mapping[Any, int], goal: dict[str, Any], finding: Finding):
    judgement = BatchGoal(M.ACTIVE, **goal).judge(progress(counts), NOON)
    assert judgement.finding is finding
    assert "acme" in judgement.message


def test_a_deadline_is_the_first_moment_that_is_too_late():
    goal = BatchGoal(M.ACTIVE, deadline=NOON)
    late, early = NOON, NOON - timedelta(seconds=1)
    assert goal.judge(progress({M.ASSIGNED: 1}), late).finding is Finding.OVERDUE
    assert goal.judge(progress({M.ASSIGNED: 1}), early).finding is Finding.WAITING
    assert goal.judge(progress({M.ACTIVE: 1}), late).finding is Finding.REACHED


@given(share=st.floats(0.001, 1), units=st.integers(1, 10_000))
def test_a_share_never_asks_for_more_than_there_is_nor_for_nothing(share: float, units: int):
    assert 1 <= BatchGoal(M.ACTIVE, share).needed(units) <= units


@pytest.mark.parametrize("goal", [{"share": 0}, {"share": 1.01}, {"count": 0}])
def test_a_goal_that_makes_no_sense_is_refused(goal: dict[str, Any]):
    with pytest.raises(ValueError, match="must be"):
        BatchGoal(M.ACTIVE, **goal)


@pytest.mark.parametrize(
    ("state", "states", "finding"),
    [
        ("active", ["active"], Finding.REACHED),
        ("Active", ["active"], Finding.REACHED),
        ("active", ["Depleted", "Active"], Finding.REACHED),
        ("queued", ["active"], Finding.WAITING),
        (None, ["active"], Finding.WAITING),
        ("revoked", ["active"], Finding.UNREACHABLE),
        ("lapsed", ["active"], Finding.UNREACHABLE),
        ("expired", ["expired"], Finding.REACHED),
    ],
)
def test_a_bundles_state_is_compared_with_those_waited_for(
    state: str | None, states: list[str], finding: Finding
):
    assert StateGoal(states).judge("8944", "esim_1GB", state).finding is finding


def test_a_state_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="no bundle state is called aktive; use active, depleted"):
        StateGoal(["aktive"])
    with pytest.raises(ValueError, match="at least one"):
        StateGoal([])


@given(
    look=st.integers(0, 10_000),
    longest=st.floats(0.1, 86_400),
    took=st.floats(0, 3600),
)
def test_looks_come_apart_up_to_the_longest_interval_and_never_beyond(look: int, longest: float, took: float):
    interval = next_interval(look, longest, took)
    assert 0 < interval <= longest
    assert next_interval(look + 1, longest, took) >= interval


def test_a_slow_poll_is_not_crowded():
    assert next_interval(0, 60, took=4) == 20
