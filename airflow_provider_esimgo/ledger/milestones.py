"""Follows the units of a batch after they are bought: installed, active, used up.

Reads the vendor (GET only) and writes nothing but the milestones. May run any number of times, anywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_esimgo.api import (
    Assignment,
    BundleState,
    EsimGoClient,
    ProfileStatus,
)
from airflow_provider_esimgo.api.profiles import Profile, read_profiles
from airflow_provider_esimgo.ledger.records import Batch, Milestone, Unit
from airflow_provider_esimgo.ledger.store import Ledger

_RANK = {Milestone.ASSIGNED: 1, Milestone.INSTALLED: 2, Milestone.ACTIVE: 3}
#: Ends that are reached by using the bundle: the unit has been active.
_USED = frozenset({Milestone.DEPLETED, Milestone.EXPIRED})
_ENDS = _USED | {Milestone.LAPSED, Milestone.REVOKED}
_ON_A_DEVICE = frozenset(
    {ProfileStatus.INSTALLED, ProfileStatus.ENABLED, ProfileStatus.DISABLED, ProfileStatus.DELETED}
)
_BUNDLE_MILESTONES = {
    BundleState.ACTIVE: Milestone.ACTIVE,
    BundleState.DEPLETED: Milestone.DEPLETED,
    BundleState.EXPIRED: Milestone.EXPIRED,
    BundleState.LAPSED: Milestone.LAPSED,
    BundleState.REVOKED: Milestone.REVOKED,
}


@dataclass(frozen=True)
class Progress:
    """How far the units of a batch are: how many stand at each milestone, None for not bought yet."""

    batch_id: str
    counts: Mapping[Milestone | None, int]

    @property
    def unit_count(self) -> int:
        """All units of the batch."""
        return sum(self.counts.values())

    def reached(self, milestone: Milestone) -> int:
        """How many units are at the milestone or were there before."""
        return sum(count for at, count in self.counts.items() if has_reached(at, milestone))

    def lost(self, milestone: Milestone) -> int:
        """How many units can no longer get there."""
        return sum(
            count for at, count in self.counts.items() if at in _ENDS and not has_reached(at, milestone)
        )

    def __str__(self) -> str:
        told = [f"{self.counts[at]} {at}" for at in Milestone if self.counts.get(at)]
        if waiting := self.counts.get(None):
            told.insert(0, f"{waiting} not bought yet")
        return f"{self.unit_count} units: {', '.join(told) or 'none'}"


def has_reached(at: Milestone | None, milestone: Milestone) -> bool:
    """Whether a unit that stands `at` has reached `milestone`; an end is reached only by standing at it."""
    if at is None or at is milestone or milestone in _ENDS:
        return at is milestone
    if at in _USED:
        return True
    if at in _ENDS:
        return milestone is Milestone.ASSIGNED
    return _RANK[at] >= _RANK[milestone]


def progress_of(ledger: Ledger, batch: Batch) -> Progress:
    """How far the batch is as the ledger knows it, without asking the vendor."""
    return Progress(batch.batch_id, Counter(unit.milestone for unit in ledger.units(batch)))


def follow_batch(client: EsimGoClient, ledger: Ledger, batch: Batch, milestone: Milestone) -> Progress:
    """Ask the vendor about every unit that has not reached `milestone`, and record how far it is.

    One call for the profiles of 50 orders; one more for each unit whose bundle has to be looked at.
    """
    references = {order.key: order.reference for order in ledger.orders(batch) if order.reference}
    open_units = [
        unit
        for unit in ledger.units(batch)
        if unit.iccid and unit.milestone not in _ENDS and not has_reached(unit.milestone, milestone)
    ]
    asked: dict[str, list[str]] = {}
    for unit in open_units:
        asked.setdefault(references[unit.order_key], []).append(unit.iccid or "")
    profiles = read_profiles(client, asked)
    reached: list[tuple[Unit, Milestone]] = []
    for unit in open_units:
        found = _milestone(
            client, unit, profiles.get(unit.iccid or ""), references[unit.order_key], milestone
        )
        if found is not None and found is not unit.milestone:
            reached.append((unit, found))
    ledger.set_milestones(reached)
    return progress_of(ledger, batch)


def _milestone(
    client: EsimGoClient, unit: Unit, profile: Profile | None, reference: str, target: Milestone
) -> Milestone | None:
    installed = profile is not None and is_installed(profile)
    if target is Milestone.INSTALLED and installed:
        return Milestone.INSTALLED
    assignment = assignment_of(client.get_bundle(unit.iccid or "", unit.bundle), reference)
    state = BundleState.UNKNOWN if assignment is None else assignment.bundle_state
    if state in _BUNDLE_MILESTONES:
        return _BUNDLE_MILESTONES[state]
    if installed and unit.milestone is Milestone.ASSIGNED:
        return Milestone.INSTALLED
    return unit.milestone


def is_installed(profile: Profile) -> bool:
    """Whether the eSIM is, or once was, on a device [HC:12513660203281]."""
    return profile.profile in _ON_A_DEVICE or profile.first_installed_at is not None


def assignment_of(assignments: Sequence[Assignment], reference: str) -> Assignment | None:
    """The assignment an order made: by its reference, else the newest (`<reference>-<index>` on the wire)."""
    for assignment in assignments:
        if assignment.reference.rpartition("-")[0] == reference or assignment.reference == reference:
            return assignment
    return max(assignments, key=lambda assignment: assignment.assigned, default=None)
