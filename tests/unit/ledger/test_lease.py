"""The lease: one worker an account, by the database's clock; and the pace all workers share."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.ledger.errors import LeaseLost
from airflow_provider_esimgo.ledger.lease import Lease


@pytest.fixture
def claim(bench):
    """A new worker's claim on the account."""
    bench.ledger.ensure_account(bench.ACCOUNT, "USD")
    return lambda **options: Lease(bench.database, bench.ACCOUNT, **{"seconds": 120.0, **options})


def renew(lease, **options):
    with lease.database.write() as connection:
        lease.renew(connection, **options)


def test_only_one_worker_gets_the_account(claim):
    mine, theirs = claim(), claim()
    assert mine.take()
    assert not theirs.take()
    assert mine.held()
    assert not theirs.held()


def test_the_holder_may_take_it_again(claim, bench):
    mine = claim()
    assert mine.take()
    bench.clock.sleep(100)
    assert mine.take()
    assert mine.remaining() == pytest.approx(120, abs=1)


def test_an_account_nobody_knows_cannot_be_taken(bench):
    assert not Lease(bench.database, "nobody", 120.0).take()
    assert Lease(bench.database, "nobody", 120.0).remaining() == 0
    assert Lease(bench.database, "nobody", 120.0).until_next_order() == 0


def test_a_dead_workers_claim_runs_out(claim, bench):
    mine, theirs = claim(), claim()
    mine.take()
    bench.clock.sleep(119)
    assert not theirs.take()
    bench.clock.sleep(2)
    assert not mine.held()
    assert theirs.take()


def test_a_claim_is_only_good_for_what_is_left_of_it(claim, bench):
    mine = claim()
    mine.take()
    bench.clock.sleep(70)
    assert mine.held()
    assert mine.held(for_seconds=40)
    assert not mine.held(for_seconds=60)


def test_released_is_free_at_once(claim):
    mine, theirs = claim(), claim()
    mine.take()
    mine.release()
    assert not mine.held()
    assert theirs.remaining() == 0
    assert theirs.take()


def test_releasing_a_lost_claim_leaves_the_new_holder_alone(claim, bench):
    mine, theirs = claim(), claim()
    mine.take()
    bench.clock.sleep(121)
    theirs.take()
    mine.release()
    assert theirs.held()


def test_renewing_prolongs(claim, bench):
    mine = claim()
    mine.take()
    bench.clock.sleep(100)
    renew(mine)
    bench.clock.sleep(100)
    assert mine.held()


@pytest.mark.parametrize("rival_took_over", [True, False])
def test_a_claim_that_ran_out_cannot_be_renewed(claim, bench, rival_took_over):
    mine = claim()
    mine.take()
    bench.clock.sleep(121)
    if rival_took_over:
        claim().take()
    with pytest.raises(LeaseLost, match="not sent by this worker"):
        renew(mine, next_order_in=3.0)
    assert mine.until_next_order() == 0, "nothing of the failed renewal stays"


def test_owners_are_never_reused(claim):
    assert len({claim().owner for _ in range(100)}) == 100


def test_all_workers_share_the_pace(claim, bench):
    mine, theirs = claim(), claim()
    mine.take()
    renew(mine, next_order_in=3.0)
    assert theirs.until_next_order() == pytest.approx(3.0, abs=0.5)
    bench.clock.sleep(4)
    assert theirs.until_next_order() == 0


def test_the_pace_is_only_ever_pushed_back(claim, bench):
    mine = claim()
    mine.take()
    with bench.database.write() as connection:
        now = bench.database.now(connection)
        mine.push_back(connection, now + 10_000)
        mine.push_back(connection, now + 2_000)
    assert mine.until_next_order() == pytest.approx(10, abs=0.5)


def test_accounts_do_not_wait_for_each_other(claim, bench):
    bench.ledger.ensure_account("another", "EUR")
    mine, other = claim(), Lease(bench.database, "another", 120.0)
    assert mine.take()
    assert other.take()
    renew(mine, next_order_in=3.0)
    assert other.until_next_order() == 0
