"""What a sensor makes of what it sees, and when it looks again. Pure: shared by the sensors and their triggers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil

from airflow_provider_esimgo.api import BundleState
from airflow_provider_esimgo.ledger.milestones import Progress
from airflow_provider_esimgo.ledger.records import Milestone

#: Looks begin close together, for those who watch, and come apart up to the sensor's own interval.
_FIRST_INTERVAL = 2.0
_GROWTH = 1.6
#: A poll that took long is not repeated before this many times its own duration.
_REST = 5.0


class Finding(StrEnum):
    """What one look found."""

    REACHED = "reached"
    WAITING = "waiting"
    UNREACHABLE = "unreachable"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Judgement:
    """A finding, and the sentence that explains it."""

    finding: Finding
    message: str


@dataclass(frozen=True)
class BatchGoal:
    """What a batch is waited for: a share or a number of its units at a milestone, by a deadline."""

    milestone: Milestone
    share: float = 1.0
    count: int | None = None
    deadline: datetime | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")

    def needed(self, unit_count: int) -> int:
        """How many units have to get there."""
        return self.count if self.count is not None else ceil(self.share * unit_count - 1e-9)

    def judge(self, progress: Progress, now: datetime | None = None) -> Judgement:
        """Compare how far the batch is with how far it should be."""
        needed = self.needed(progress.unit_count)
        reached = progress.reached(self.milestone)
        told = f"{reached} of {needed} units {self.milestone} in batch {progress.batch_id!r} ({progress})"
        if reached >= needed:
            return Judgement(Finding.REACHED, told)
        if progress.unit_count - progress.lost(self.milestone) < needed:
            lost = progress.lost(self.milestone)
            return Judgement(Finding.UNREACHABLE, f"{told}: {lost} units can no longer get there")
        if self.deadline is not None and (now or datetime.now(UTC)) >= self.deadline:
            return Judgement(Finding.OVERDUE, f"{told} at the deadline {self.deadline.isoformat()}")
        return Judgement(Finding.WAITING, told)


@dataclass(frozen=True)
class StateGoal:
    """What one eSIM's bundle is waited for: one of some states."""

    states: Collection[str]

    def __post_init__(self) -> None:
        known = {state.value for state in BundleState if state is not BundleState.UNKNOWN}
        if unknown := {state for state in self.states if state.casefold() not in known}:
            raise ValueError(
                f"no bundle state is called {', '.join(sorted(unknown))}; use {', '.join(sorted(known))}"
            )
        if not self.states:
            raise ValueError("states must name at least one bundle state")

    def judge(self, iccid: str, bundle: str, state: str | None) -> Judgement:
        """Compare a bundle's state, None where the eSIM has no such bundle, with those waited for."""
        wanted = {wanted.casefold() for wanted in self.states}
        told = f"bundle {bundle} on eSIM {iccid} is {state or 'not assigned'}"
        if state is not None and state.casefold() in wanted:
            return Judgement(Finding.REACHED, told)
        if state is not None and state.casefold() in _FINAL:
            return Judgement(Finding.UNREACHABLE, f"{told} and will never be {' or '.join(sorted(wanted))}")
        return Judgement(Finding.WAITING, told)


_FINAL = frozenset({"expired", "revoked", "lapsed"})


def next_interval(look: int, longest: float, took: float = 0.0) -> float:
    """Seconds until the next look: short at first, growing to `longest`, and never crowding a slow poll."""
    growing = _FIRST_INTERVAL * _GROWTH ** min(look, 30)
    return max(min(growing, longest), min(took * _REST, longest))
