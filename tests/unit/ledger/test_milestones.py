"""How far units are: what counts as reached, what is lost, and what the vendor's books say."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_esimgo.api import Assignment
from airflow_provider_esimgo.api.profiles import chunks
from airflow_provider_esimgo.ledger.milestones import (
    Progress,
    assignment_of,
    follow_batch,
    has_reached,
    progress_of,
)
from airflow_provider_esimgo.ledger.records import Milestone

# rows: where a unit stands; columns: what is asked for
TABLE = """
            assigned installed active depleted expired lapsed revoked
None        -        -         -      -        -       -      -
assigned    x        -         -      -        -       -      -
installed   x        x         -      -        -       -      -
active      x        x         x      -        -       -      -
depleted    x        x         x      x        -       -      -
expired     x        x         x      -        x       -      -
lapsed      x        -         -      -        -       x      -
revoked     x        -         -      -        -       -      x
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(row[0], asked, cell == "x") for row in ROWS for asked, cell in zip(HEAD, row[1:], strict=True)]


@pytest.mark.parametrize(("at", "asked", "reached"), CASES)
def test_what_counts_as_reached(at, asked, reached):
    assert has_reached(None if at == "None" else Milestone(at), Milestone(asked)) is reached


def test_progress_counts_reached_and_lost():
    progress = Progress(
        "acme",
        Counter(
            {None: 1, Milestone.ASSIGNED: 2, Milestone.ACTIVE: 3, Milestone.EXPIRED: 4, Milestone.LAPSED: 5}
        ),
    )
    assert progress.unit_count == 15
    assert progress.reached(Milestone.ASSIGNED) == 14
    assert progress.reached(Milestone.ACTIVE) == 7
    assert progress.lost(Milestone.ACTIVE) == 5
    assert progress.lost(Milestone.LAPSED) == 4
    assert str(progress) == "15 units: 1 not bought yet, 2 assigned, 3 active, 4 expired, 5 lapsed"
    assert str(Progress("none", {})) == "0 units: none"


def test_chunks_cut_without_loss():
    items = [str(number) for number in range(45)]
    cut = list(chunks(items, 20))
    assert [len(one) for one in cut] == [20, 20, 5]
    assert [one for piece in cut for one in piece] == items


def test_an_assignment_is_found_by_its_orders_reference():
    first = Assignment("1", "aa-bb-0", "active", assigned="2026-01-01T00:00:00Z")
    second = Assignment("2", "aa-cc-1", "queued", assigned="2026-02-01T00:00:00Z")
    assert assignment_of([second, first], "aa-bb") is first
    assert assignment_of([second, first], "aa-cc-1") is second
    assert assignment_of([first, second], "zz") is second, "else the newest"
    assert assignment_of([], "zz") is None


@pytest.fixture
def bought(bench):
    """Three units in two orders."""
    bench.server.set(ready_seconds=0)
    batch = bench.plan(("e1", bench.GB, 2), ("e2", bench.NL, 1), policy=cut(bench, 2))
    bench.place(batch)
    return batch


def cut(bench, size):
    from dataclasses import replace  # noqa: PLC0415

    return replace(bench.policy, max_units_per_order=size)


def milestones(bench, batch):
    return [unit.milestone for unit in bench.ledger.units(batch)]


def iccids(bench, batch):
    return [unit.iccid for unit in bench.ledger.units(batch)]


def test_nothing_bought_asks_nobody(bench):
    batch = bench.plan()
    before = bench.server.books()["requests"]
    progress = follow_batch(bench.client, bench.ledger, batch, Milestone.ACTIVE)
    assert progress.counts == {None: 3}
    assert bench.server.books()["requests"] == before


def test_units_are_followed_from_shelf_to_end(bench, bought):
    sandbox = bench.server.sandbox
    first, second, _ = iccids(bench, bought)

    def follow(target):
        return follow_batch(bench.client, bench.ledger, bought, target)

    assert follow(Milestone.ACTIVE).counts == {Milestone.ASSIGNED: 3}
    sandbox.install([first, second])
    assert follow(Milestone.INSTALLED).reached(Milestone.INSTALLED) == 2
    sandbox.activate([second])
    assert follow(Milestone.ACTIVE).reached(Milestone.ACTIVE) == 1
    assert milestones(bench, bought) == [Milestone.INSTALLED, Milestone.ACTIVE, Milestone.ASSIGNED]
    assert progress_of(bench.ledger, bought) == follow(Milestone.ACTIVE)
    bench.server.advance(8 * 86400)
    assert follow(Milestone.EXPIRED).counts[Milestone.EXPIRED] == 1
    bench.server.advance(366 * 86400)
    assert follow(Milestone.ACTIVE).lost(Milestone.ACTIVE) == 2
    assert milestones(bench, bought) == [Milestone.LAPSED, Milestone.EXPIRED, Milestone.LAPSED]


def test_an_active_unit_counts_as_installed_even_if_only_its_bundle_says_so(bench, bought):
    bench.server.activate_all()
    assert follow_batch(bench.client, bench.ledger, bought, Milestone.INSTALLED).reached(
        Milestone.INSTALLED
    ) == len(bench.ledger.units(bought))


def test_what_has_reached_the_milestone_is_not_asked_for_again(bench, bought):
    bench.server.activate_all()
    follow_batch(bench.client, bench.ledger, bought, Milestone.ACTIVE)
    before = bench.server.books()["requests"]
    follow_batch(bench.client, bench.ledger, bought, Milestone.ACTIVE)
    assert bench.server.books()["requests"] == before


def test_one_deactivated_esim_does_not_hide_the_others(bench, bought):
    """One of them makes the vendor's answer for all 410."""
    first = iccids(bench, bought)[0]
    bench.server.install_all()
    bench.client.delete_esim(first)
    progress = follow_batch(bench.client, bench.ledger, bought, Milestone.INSTALLED)
    assert milestones(bench, bought)[1:] == [Milestone.INSTALLED, Milestone.INSTALLED]
    assert progress.reached(Milestone.INSTALLED) == 3, "the first was installed before it was deactivated"
    progress = follow_batch(bench.client, bench.ledger, bought, Milestone.ACTIVE)
    assert milestones(bench, bought) == [Milestone.REVOKED, Milestone.INSTALLED, Milestone.INSTALLED]
    assert progress.lost(Milestone.ACTIVE) == 1


def test_following_writes_nothing_but_milestones(bench, bought):
    before = bench.ledger.orders(bought), len(bench.ledger.events())
    bench.server.activate_all()
    follow_batch(bench.client, bench.ledger, bought, Milestone.ACTIVE)
    assert (bench.ledger.orders(bought), len(bench.ledger.events())) == before
