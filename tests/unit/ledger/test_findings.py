"""What a second pair of eyes found in the purchase: each with the story that shows it."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.ledger.check import broken_invariants
from airflow_provider_esimgo.ledger.errors import LedgerError, LedgerUnavailable, MoneyAtStake, NothingSent
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.records import Actor
from airflow_provider_esimgo.ledger.resolve import declare_never_placed
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger


class Outage:
    """The ledger's database goes away at a step and does not come back within the run."""

    def __init__(self, bench, at):
        self.at, self.out = at, False
        self.database = type(bench.database)(bench.database.engine)
        self.database.clock = bench.clock
        connected = self.database._connected

        def refuse(*, write):
            if self.out:
                raise LedgerUnavailable("The ledger cannot be used: gone. Without it nothing is sent.")
            return connected(write=write)

        self.database._connected = refuse

    def __call__(self, step):
        self.out = self.out or step is self.at


def place_through(bench, batch, outage):
    ledger = Ledger(outage.database, Actor())
    return place_batch(
        bench.client, ledger, batch, bench.policy, on_step=outage, sleep=bench.clock.sleep, patience=1e9
    )


def test_a_ledger_lost_after_the_post_does_not_claim_that_nothing_was_sent(bench):
    batch = bench.plan()
    with pytest.raises(LedgerError) as stopped:
        place_through(bench, batch, Outage(bench, Step.ANSWERED))
    assert len(bench.server.orders()) == 1, "the order was bought"
    assert not isinstance(stopped.value, NothingSent)
    assert isinstance(stopped.value, MoneyAtStake)


@pytest.mark.parametrize("at", [Step.LEASED, Step.PACED, Step.INTENT_COMMITTED])
def test_a_ledger_lost_before_the_post_sends_nothing(bench, at):
    batch = bench.plan()
    with pytest.raises(NothingSent):
        place_through(bench, batch, Outage(bench, at))
    assert bench.server.orders() == []
    bench.clock.sleep(bench.policy.lease_seconds + 1)
    assert bench.place(batch) is None
    assert len(bench.server.orders()) == 1


def test_a_plan_renewed_after_approval_is_not_bought_under_the_old_one(bench):
    """The approval was bound to `plan_hash`; meanwhile somebody validated the manifest again, at another price."""
    approved = bench.plan()
    bench.server.set_price(bench.GB, "1.50")
    bench.plan()
    with pytest.raises(LedgerError):
        bench.place(approved)
    assert bench.server.orders() == []


def test_an_order_that_a_person_gave_back_is_not_mistaken_for_the_next_one(bench):
    """Too few eSIMs; the vendor refunds by hand; the person has it sent again. Its reference must stay known."""
    bench.server.fault("fewer_esims")
    batch = bench.plan()
    with pytest.raises(LedgerError, match="fewer eSIMs than units"):
        bench.place(batch)
    (order,) = bench.ledger.orders(batch)
    declare_never_placed(bench.ledger, order, bench.policy, reason="refunded by the vendor")
    assert order.reference in bench.ledger.claimed(bench.ACCOUNT)
    assert bench.place(batch) is None


def test_a_rejected_order_is_not_mistaken_for_the_next_one(bench):
    """It failed, and its answer was lost: REJECTED. The same is then bought as a new batch, its answer is lost too,
    and it takes effect late. The failed order within the window must not count as its outcome."""
    bench.server.fault("failed")
    bench.server.fault("drop_after")
    with pytest.raises(LedgerError, match="refused"):
        bench.place(bench.plan())
    bench.server.fault("late_effect", seconds=30)
    again = bench.plan(batch_id="again", allow_repeat=True)
    assert bench.place(again) is None
    assert bench.states(again) == [OrderState.ASSIGNED]


def test_a_rejected_order_claims_the_reference_that_failed(bench):
    bench.server.fault("failed")
    bench.server.fault("drop_after")
    with pytest.raises(LedgerError, match="refused"):
        bench.place(bench.plan())
    (failed,) = bench.server.orders()
    assert failed["reference"] in bench.ledger.claimed(bench.ACCOUNT)


def test_the_check_accepts_a_rejected_order_that_claims_what_failed(bench):
    """Found by the model."""
    bench.server.fault("failed")
    with pytest.raises(LedgerError, match="refused"):
        bench.place(bench.plan())
    assert broken_invariants(bench.ledger) == []


def test_a_restored_backup_is_held_for_a_person(bench):
    """The ledger forgets that it bought the batch: the vendor's order, claimed by nobody, is seen in time."""
    batch = bench.plan()
    forgotten = bench.file.with_suffix(".backup")
    bench.database.close()
    forgotten.write_bytes(bench.file.read_bytes())
    assert bench.place(batch) is None
    bench.database.close()
    bench.file.write_bytes(forgotten.read_bytes())
    with pytest.raises(LedgerError, match="nobody claims"):
        bench.place(batch)
    assert bench.states(batch) == [OrderState.REVIEW]
    assert len(bench.server.orders()) == 1
