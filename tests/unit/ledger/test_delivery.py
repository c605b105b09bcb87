"""Each unit is handed over once: claims, outcomes, and what only a person may undo."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.ledger.delivery import (
    DeliveryState,
    claim,
    decide,
    deliveries_of,
    record_outcome,
)
from airflow_provider_esimgo.ledger.errors import DeliveredTwice

SENT, REFUSED, UNKNOWN = DeliveryState.SENT, DeliveryState.REFUSED, DeliveryState.UNKNOWN


@pytest.fixture
def bought(bench):
    batch = bench.plan(("e1", bench.GB, 2), ("e2", bench.NL))
    bench.place(batch)
    return batch


def keys(bench, batch):
    return [unit.key for unit in bench.ledger.units(batch)]


def states(bench, batch):
    return [one.state for one in deliveries_of(bench.ledger, batch.account, batch=batch)]


def settle(bench, batch, message_id, state, unit_keys=None):
    mine = unit_keys or keys(bench, batch)[:1]
    record_outcome(bench.ledger, batch, mine, message_id=message_id, state=state, answer="told")


def allow(bench, batch, reason):
    return decide(bench.ledger, deliveries_of(bench.ledger, batch.account), arrived=False, reason=reason)


def test_a_unit_is_claimed_by_one_message(bench, bought):
    first, *_ = keys(bench, bought)
    assert claim(bench.ledger, bought, [first], message_id="<a>")
    assert not claim(bench.ledger, bought, [first], message_id="<b>")
    assert states(bench, bought) == [DeliveryState.SENDING]


def test_a_message_gets_all_of_its_units_or_none(bench, bought):
    first, second, third = keys(bench, bought)
    assert claim(bench.ledger, bought, [second], message_id="<a>")
    assert not claim(bench.ledger, bought, [first, second, third], message_id="<b>")
    assert [one.unit_key for one in deliveries_of(bench.ledger, bought.account)] == [second]


@pytest.mark.parametrize("state", [SENT, UNKNOWN, DeliveryState.SENDING])
def test_what_was_or_may_have_been_sent_is_not_claimed_again(bench, bought, state):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    if state is not DeliveryState.SENDING:
        settle(bench, bought, "<a>", state)
    assert not claim(bench.ledger, bought, [first], message_id="<b>")


def test_what_was_refused_is_claimed_again_with_a_second_attempt(bench, bought):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    settle(bench, bought, "<a>", REFUSED)
    assert claim(bench.ledger, bought, [first], message_id="<b>")
    settle(bench, bought, "<b>", SENT)
    (one,) = deliveries_of(bench.ledger, bought.account)
    assert (one.state, one.attempt, one.message_id) == (SENT, 2, "<b>")


@pytest.mark.parametrize("was", [UNKNOWN, SENT, DeliveryState.SENDING])
def test_a_person_may_allow_another_and_it_is_recorded(bench, bought, was):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    if was is not DeliveryState.SENDING:
        settle(bench, bought, "<a>", was)
    assert allow(bench, bought, "the phone was lost") == 1
    assert claim(bench.ledger, bought, [first], message_id="<b>")
    (event,) = [one for one in bench.ledger.events(batch=bought) if one.kind == "delivery_decided"]
    assert event.evidence == {"unit": first, "was": was, "is": "ALLOWED", "reason": "the phone was lost"}


def test_a_decision_about_what_has_changed_meanwhile_changes_nothing(bench, bought):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    seen = deliveries_of(bench.ledger, bought.account)
    settle(bench, bought, "<a>", SENT)
    assert decide(bench.ledger, seen, arrived=False, reason="too late") == 0
    assert states(bench, bought) == [SENT]


def test_an_answer_that_comes_after_the_permission_still_counts(bench, bought):
    """The mail arrived in spite of all: another one is not sent."""
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    allow(bench, bought, "it hangs")
    settle(bench, bought, "<a>", SENT)
    assert not claim(bench.ledger, bought, [first], message_id="<b>")


def test_two_messages_that_were_both_accepted_are_not_silent(bench, bought):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    allow(bench, bought, "it hangs")
    claim(bench.ledger, bought, [first], message_id="<b>")
    settle(bench, bought, "<b>", SENT)
    with pytest.raises(DeliveredTwice, match="the recipient gets two"):
        settle(bench, bought, "<a>", SENT)
    assert [one.kind for one in bench.ledger.events(batch=bought)].count("delivery_sent") == 2


def test_a_message_of_which_one_half_was_sent_twice_is_not_silent_either(bench, bought):
    both = keys(bench, bought)[:2]
    claim(bench.ledger, bought, both, message_id="<a>")
    first, _ = deliveries_of(bench.ledger, bought.account)
    decide(bench.ledger, [first], arrived=False, reason="only this one")
    claim(bench.ledger, bought, both[:1], message_id="<b>")
    settle(bench, bought, "<b>", SENT, both[:1])
    with pytest.raises(DeliveredTwice, match="for 1 of its units"):
        settle(bench, bought, "<a>", SENT, both)
    assert states(bench, bought) == [SENT, SENT]


def test_an_outcome_may_be_told_twice(bench, bought):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    for _ in range(2):
        settle(bench, bought, "<a>", SENT)
    assert states(bench, bought) == [SENT]


@pytest.mark.parametrize("was", [UNKNOWN, DeliveryState.SENDING])
def test_a_person_may_say_that_it_arrived(bench, bought, was):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    if was is UNKNOWN:
        settle(bench, bought, "<a>", UNKNOWN)
    seen = deliveries_of(bench.ledger, bought.account)
    assert decide(bench.ledger, seen, arrived=True, reason="it is in the log") == 1
    assert states(bench, bought) == [SENT]
    settle(bench, bought, "<a>", UNKNOWN)  # a late word
    assert states(bench, bought) == [SENT]


def test_a_message_is_under_way_until_nobody_can_be_at_it_any_more(bench, bought):
    first, *_ = keys(bench, bought)
    claim(bench.ledger, bought, [first], message_id="<a>")
    (one,) = deliveries_of(bench.ledger, bought.account)
    assert (one.under_way, one.in_doubt) == (True, False)
    bench.clock.sleep(16 * 60)
    (one,) = deliveries_of(bench.ledger, bought.account)
    assert (one.under_way, one.in_doubt) == (False, True)


def test_batches_and_accounts_are_told_apart(bench, bought):
    other = bench.plan(("e9", bench.GB), batch_id="other")
    bench.place(other)
    claim(bench.ledger, other, keys(bench, other), message_id="<a>")
    assert states(bench, bought) == []
    assert states(bench, other) == [DeliveryState.SENDING]
    assert deliveries_of(bench.ledger, "somebody else") == []
