"""Nothing is sent that was not approved: this plan, in time, by somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_esimgo.ledger import purchase
from airflow_provider_esimgo.ledger.approval import (
    Approver,
    approvals_of,
    ask,
    record_approval,
    record_silence,
    standing_approval,
)
from airflow_provider_esimgo.ledger.errors import PlanRefused
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.records import Choice
from airflow_provider_esimgo.ledger.states import OrderState

ADA, BEN = Approver("ada", "Ada"), Approver("ben", "Ben")
DAY = 24 * 3600


class Died(Exception):
    """What is left of a worker."""


def dying_at(last):
    def die(step):
        if step is last:
            raise Died

    return die


def decide(bench, batch, *, by=BEN, approved=True, request="try-1", requester="ada", **fields):
    """Somebody is asked and answers at once."""
    ask(bench.ledger, batch, request=request, requester=requester)
    return record_approval(bench.ledger, batch, request=request, approved=approved, approver=by, **fields)


def standing(bench, batch):
    with bench.database.read() as connection:
        return standing_approval(connection, batch)


def refused(bench, batch, match):
    with pytest.raises(PlanRefused, match=match):
        bench.place(batch, require_approval=True)
    assert bench.server.orders() == []


def test_an_approved_plan_is_bought(bench):
    batch = bench.plan()
    answer = decide(bench, batch)
    assert (answer.choice, answer.user_id, answer.plan_hash) == (Choice.APPROVED, "ben", batch.plan_hash)
    assert bench.place(batch, require_approval=True) is None
    assert bench.server.books()["charges"] == "4.08"


def test_who_was_asked_and_answered_is_in_the_history(bench):
    batch = bench.plan()
    decide(bench, batch, note="called the client")
    told = {event.kind: event.evidence for event in bench.ledger.events(batch=batch)}
    assert told["asked"]["requester"] == "ada"
    assert (told["approved"]["user_name"], told["approved"]["note"]) == ("Ben", "called the client")
    assert told["approved"]["plan_hash"] == batch.plan_hash


def test_nothing_is_bought_without_an_approval(bench):
    refused(bench, bench.plan(), r"'acme' has no approval of the plan .* \(4\.08 USD for 3 units\)\.")


def test_a_question_without_an_answer_is_no_approval(bench):
    batch = bench.plan()
    ask(bench.ledger, batch, request="try-1")
    refused(bench, batch, "has no approval")


def test_the_requester_himself_does_not_count(bench):
    batch = bench.plan()
    answer = decide(bench, batch, by=ADA)
    assert answer.choice is Choice.VOID
    assert "somebody else has to approve" in answer.note
    refused(bench, batch, "the last answer did not count: Ada started the run")


@pytest.mark.parametrize("requester", ["ADA", " ada ", "Ada"])
def test_the_requester_is_known_by_id_or_name_however_it_is_written(bench, requester):
    assert decide(bench, bench.plan(), by=ADA, requester=requester).choice is Choice.VOID


def test_the_requester_may_approve_where_that_is_allowed(bench):
    batch = bench.plan()
    assert decide(bench, batch, by=ADA, allow_self_approval=True).choice is Choice.APPROVED
    assert bench.place(batch, require_approval=True) is None


def test_a_scheduled_run_has_no_requester(bench):
    assert decide(bench, bench.plan(), by=ADA, requester=None).choice is Choice.APPROVED


def test_nobodys_yes_is_none(bench):
    """Airflow answers for people when their time is over."""
    batch = bench.plan()
    assert decide(bench, batch, by=None).choice is Choice.VOID
    refused(bench, batch, "nobody gave the answer")


def test_a_rejection_is_recorded_and_nothing_is_bought(bench):
    batch = bench.plan()
    assert decide(bench, batch, approved=False).choice is Choice.REJECTED
    refused(bench, batch, "the last answer: rejected by Ben")


def test_even_the_requester_may_reject(bench):
    assert decide(bench, bench.plan(), by=ADA, approved=False).choice is Choice.REJECTED


def test_the_last_answer_decides(bench):
    batch = bench.plan()
    decide(bench, batch)
    bench.clock.sleep(1)
    decide(bench, batch, approved=False, request="try-2")
    refused(bench, batch, "rejected by Ben")
    bench.clock.sleep(1)
    decide(bench, batch, request="try-3")
    assert bench.place(batch, require_approval=True) is None


def test_a_yes_that_does_not_count_takes_no_earlier_one_away(bench):
    batch = bench.plan()
    decide(bench, batch)
    bench.clock.sleep(1)
    decide(bench, batch, by=ADA, request="try-2")
    assert standing(bench, batch).user_id == "ben"


def test_an_answer_is_recorded_once(bench):
    """A worker may die after writing it down; it is told again, perhaps otherwise."""
    batch = bench.plan()
    first = decide(bench, batch)
    again = record_approval(bench.ledger, batch, request="try-1", approved=False, approver=ADA)
    assert again == first
    assert [event.kind for event in bench.ledger.events(batch=batch)] == ["planned", "asked", "approved"]


def test_an_answer_to_no_question_is_refused(bench):
    batch = bench.plan()
    with pytest.raises(PlanRefused, match="knows of no question 'try-9'"):
        record_approval(bench.ledger, batch, request="try-9", approved=True, approver=BEN)


def test_silence_closes_the_question(bench):
    batch = bench.plan()
    ask(bench.ledger, batch, request="try-1")
    record_silence(bench.ledger, batch, request="try-1", note="nobody answered in time")
    late = record_approval(bench.ledger, batch, request="try-1", approved=True, approver=BEN)
    assert late.choice is Choice.VOID
    refused(bench, batch, "nobody answered in time")


def test_an_approval_of_another_batch_does_not_count(bench):
    acme, other = bench.plan(), bench.plan(("e9", bench.NL), batch_id="other")
    decide(bench, other)
    refused(bench, acme, "has no approval")
    assert bench.place(other, require_approval=True) is None


def test_an_approval_of_another_account_does_not_count(bench):
    mine, theirs = bench.plan(), bench.plan(account="another")
    decide(bench, theirs)
    refused(bench, mine, "has no approval")


# ---- the price moved ----------------------------------------------------------------------------------------


def test_an_approval_of_the_plan_before_does_not_count(bench):
    decide(bench, bench.plan())
    bench.server.set_price(bench.GB, "1.50")
    dearer = bench.plan()
    refused(
        bench,
        dearer,
        r"has no approval of the plan .* \(4\.50 USD.*the last answer: approved by Ben for plan",
    )


def test_a_plan_that_changed_while_the_question_stood_is_not_approved_by_the_answer(bench):
    batch = bench.plan()
    ask(bench.ledger, batch, request="try-1")
    bench.server.set_price(bench.GB, "1.50")
    dearer = bench.plan()
    answer = record_approval(bench.ledger, batch, request="try-1", approved=True, approver=BEN)
    assert answer.choice is Choice.VOID
    assert f"now {dearer.plan_hash[:12]} for 4.50 USD" in answer.note
    refused(bench, dearer, "did not count")


def test_the_price_moved_after_the_approval(bench):
    batch = bench.plan()
    decide(bench, batch)
    bench.server.set_price(bench.GB, "1.50")
    refused(bench, batch, r"was planned at 4\.08 USD and now costs 4\.50 USD")


def test_a_question_about_an_old_plan_is_not_asked(bench):
    old = bench.plan()
    bench.server.set_price(bench.GB, "1.50")
    bench.plan()
    with pytest.raises(PlanRefused, match="Nobody was asked"):
        ask(bench.ledger, old, request="try-1")


# ---- where the money moves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trick", ["replanned", "rejected"])
def test_leave_is_asked_again_in_the_transaction_of_the_intent(bench, trick):
    """After every other check, and before the order is written down as being sent."""
    batch = bench.plan()
    decide(bench, batch)

    def meanwhile(step):
        if step is Step.PACED and trick == "replanned":
            bench.server.set_price(bench.GB, "1.50")
            bench.plan()
        elif step is Step.PACED:
            bench.clock.sleep(0.01)
            decide(bench, batch, approved=False, request="try-2")

    with pytest.raises(PlanRefused):
        bench.place(batch, require_approval=True, on_step=meanwhile)
    assert bench.server.orders() == []
    assert set(bench.states(batch)) == {OrderState.PLANNED}


def test_a_rejection_stops_the_rest_of_a_batch(bench):
    batch = bench.plan(("e1", bench.GB, 25))
    decide(bench, batch)

    def meanwhile(step):
        if step is Step.OUTCOME_COMMITTED:
            bench.clock.sleep(0.01)
            decide(bench, batch, approved=False, request="try-2")

    with pytest.raises(PlanRefused, match="rejected by Ben"):
        bench.place(batch, require_approval=True, on_step=meanwhile)
    assert len(bench.server.orders()) == 1


def test_a_bought_batch_needs_no_approval_to_say_so(bench):
    batch = bench.plan()
    bench.place(batch)
    assert bench.place(batch, require_approval=True) is None
    assert len(bench.server.orders()) == 1


def test_a_lost_order_is_found_without_an_approval(bench):
    """Looking up what was sent needs nobody's leave."""
    batch = bench.plan()
    with pytest.raises(Died):
        bench.place(batch, on_step=dying_at(Step.ANSWERED))
    assert bench.states(batch) == [OrderState.SENDING]
    assert bench.place(batch, require_approval=True) is None
    assert len(bench.server.orders()) == 1


# ---- expiry -------------------------------------------------------------------------------------------------


def test_a_plan_is_valid_for_a_day(bench):
    batch = bench.plan()
    with bench.database.read() as connection:
        left = batch.valid_until - bench.database.now(connection)
    assert 0.99 * DAY * 1000 < left <= DAY * 1000


def test_an_expired_plan_is_not_begun(bench):
    batch = bench.plan(plan_valid_for=timedelta(hours=1))
    bench.clock.sleep(3601)
    with pytest.raises(
        PlanRefused, match=r"its plan was valid until .* UTC and nothing of it has been bought"
    ):
        bench.place(batch)
    assert bench.server.orders() == []


def test_validating_again_renews_it_and_keeps_its_hash(bench):
    batch = bench.plan(plan_valid_for=timedelta(hours=1))
    bench.clock.sleep(3601)
    renewed = bench.plan(plan_valid_for=timedelta(hours=1))
    assert renewed.plan_hash == batch.plan_hash
    assert renewed.valid_until > batch.valid_until
    assert bench.place(renewed) is None


def test_a_batch_that_was_begun_goes_on_after_its_term(bench):
    batch = bench.plan(("e1", bench.GB, 12), plan_valid_for=timedelta(hours=1))

    with pytest.raises(Died):
        bench.place(batch, on_step=dying_at(Step.OUTCOME_COMMITTED))
    bench.clock.sleep(DAY)
    assert bench.place(batch) is None
    assert len(bench.server.orders()) == 2


def test_a_plan_may_be_without_end(bench):
    batch = bench.plan(plan_valid_for=None)
    bench.clock.sleep(365 * DAY)
    assert bench.place(batch) is None


def test_an_expired_plan_is_neither_asked_about_nor_approved(bench):
    batch = bench.plan(plan_valid_for=timedelta(hours=1))
    ask(bench.ledger, batch, request="try-1")
    bench.clock.sleep(3601)
    answer = record_approval(bench.ledger, batch, request="try-1", approved=True, approver=BEN)
    assert (answer.choice, "valid until" in answer.note) == (Choice.VOID, True)
    with pytest.raises(PlanRefused, match="Nobody was asked"):
        ask(bench.ledger, batch, request="try-2")


def test_an_approval_does_not_outlive_the_plans_term(bench):
    batch = bench.plan(plan_valid_for=timedelta(hours=1))
    decide(bench, batch)
    bench.clock.sleep(3601)
    renewed = bench.plan(plan_valid_for=timedelta(hours=1))
    refused(bench, renewed, "an earlier approval ended when the plan expired")
    bench.clock.sleep(1)
    decide(bench, renewed, request="try-2")
    assert bench.place(renewed, require_approval=True) is None


def test_an_approval_stays_while_the_plan_is_renewed_in_time(bench):
    decide(bench, bench.plan())
    bench.clock.sleep(3600)
    assert bench.place(bench.plan(), require_approval=True) is None


def test_an_approval_of_a_price_that_came_back_ended_with_the_term_too(bench):
    first = bench.plan(plan_valid_for=timedelta(hours=1))
    decide(bench, first)
    bench.server.set_price(bench.GB, "1.50")
    bench.plan(plan_valid_for=timedelta(hours=1))
    bench.clock.sleep(3601)
    bench.server.set_price(bench.GB, "1.36")
    again = bench.plan()
    assert again.plan_hash == first.plan_hash
    refused(bench, again, "has no approval")


# ---- the card -----------------------------------------------------------------------------------------------


def test_the_card_is_stored_with_the_batch(bench):
    bench.server.set_balance("100.00")
    batch = bench.plan(("e1", bench.GB, 12), ("e2", bench.NL), client_name="Acme")
    card = batch.cost_card()
    assert (card.client, card.rows, card.units, card.orders) == ("Acme", 2, 13, 2)
    assert (str(card.balance), str(card.balance_after)) == ("100", "82.26")
    assert (card.plan_hash, card.total) == (batch.plan_hash, batch.total)
    assert [(line.name, line.units) for line in card.bundles] == [(bench.GB, 12), (bench.NL, 1)]


def test_the_card_follows_the_prices(bench):
    bench.plan()
    bench.server.set_price(bench.GB, "1.50")
    assert str(bench.plan().cost_card().total) == "4.5"


def test_the_card_of_a_batch_that_was_begun_stays(bench):
    bench.server.set_balance("100.00")
    batch = bench.plan()
    bench.place(batch)
    assert bench.plan().cost_card() == batch.cost_card()


def test_a_purchase_without_leave_to_ask_for_is_as_before():
    """`buy_order` is called without `leave` by benchmarks."""
    assert purchase.buy_order.__kwdefaults__["leave"](None) is None


def test_answers_of_one_batch_are_listed_in_order(bench):
    batch = bench.plan()
    decide(bench, batch, approved=False)
    decide(bench, batch, request="try-2")
    assert [answer.choice for answer in approvals_of(bench.ledger, batch)] == [
        Choice.REJECTED,
        Choice.APPROVED,
    ]
