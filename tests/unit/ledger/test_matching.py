"""Design §6.3, clause by clause: what the vendor's books say about an order whose outcome is unknown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.ledger.matching import Ruling, balance_agrees, judge, matches_exactly

OURS = frozenset({"192.0.2.1"})


@pytest.fixture(scope="session")
def order(values):
    """Two units at 1 each, balance 100 before, UNKNOWN."""
    return values.order(("gb", 2))


def ruling(order, look):
    verdict = judge(order, look)
    assert verdict.evidence["ruling"] == verdict.ruling
    assert verdict.reason
    return verdict.ruling


# ---- adopt ------------------------------------------------------------------------------------------------


def test_one_unclaimed_match_is_adopted_before_settle_and_at_the_first_look(values, order):
    found = values.vendor(("gb", 2))
    verdict = judge(order, values.look(found, settled=False, looks=1, balance=Decimal(98)))
    assert (verdict.ruling, verdict.found) == (Ruling.ADOPT, found)


def test_a_match_from_a_known_address_is_adopted(values, order):
    assert ruling(order, values.look(values.vendor(), addresses=OURS)) is Ruling.ADOPT


def test_a_match_without_an_address_is_adopted(values, order):
    assert ruling(order, values.look(values.vendor(source_ip=None), addresses=OURS)) is Ruling.ADOPT


def test_a_match_beside_a_lookalike_from_elsewhere_is_adopted(values, order):
    twin = values.vendor(reference="ref-2", source_ip="198.51.100.23")
    verdict = judge(order, values.look(twin, values.vendor(), addresses=OURS))
    assert (verdict.ruling, verdict.found and verdict.found.reference) == (Ruling.ADOPT, "ref-1")


@pytest.mark.parametrize("word", ["completed", "Completed", "COMPLETED"])
def test_the_case_of_the_status_does_not_matter(values, order, word):
    assert ruling(order, values.look(values.vendor(status=word))) is Ruling.ADOPT


def test_a_claimed_order_is_nobody_elses(values, order):
    look = values.look(values.vendor(), claimed={"ref-1": values.SENT_AT - 1})
    assert ruling(order, look) is Ruling.NEVER_PLACED


def test_a_stray_is_never_adopted(values, order):
    look = values.look(values.vendor(after=60), claimed={"ref-1": None}, balance=Decimal(98))
    assert ruling(order, look) is Ruling.NEVER_PLACED, "the stray explains the balance"


# ---- wait -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settled", "looks"), [(False, 1), (False, 9), (True, 1)])
def test_nothing_found_waits_for_settle_and_a_second_look(values, order, settled, looks):
    assert ruling(order, values.look(settled=settled, looks=looks)) is Ruling.WAIT


@pytest.mark.parametrize("status", ["processing", "pending", "", "some word"])
def test_a_match_that_is_not_done_is_waited_for_and_then_reviewed(values, order, status):
    found = values.vendor(status=status)
    assert ruling(order, values.look(found, settled=False)) is Ruling.WAIT
    assert ruling(order, values.look(found)) is Ruling.REVIEW


def test_a_lookalike_is_waited_for_and_then_reviewed(values, order):
    found = values.vendor(total=Decimal("2.01"))
    assert ruling(order, values.look(found, settled=False)) is Ruling.WAIT
    assert ruling(order, values.look(found)) is Ruling.REVIEW


# ---- never placed -----------------------------------------------------------------------------------------


def test_nothing_found_after_settle_and_an_unmoved_balance_is_never_placed(values, order):
    assert ruling(order, values.look()) is Ruling.NEVER_PLACED


def test_a_balance_that_fell_by_the_total_is_reviewed(values, order):
    assert ruling(order, values.look(balance=Decimal(98))) is Ruling.REVIEW


def test_a_balance_that_fell_by_something_else_is_reviewed(values, order):
    assert ruling(order, values.look(balance=Decimal("98.64"))) is Ruling.REVIEW


@pytest.mark.parametrize("missing", ["before", "now"])
def test_a_balance_nobody_knows_is_reviewed(values, missing):
    order = values.order(("gb", 2), balance_before=None if missing == "before" else Decimal(100))
    look = values.look(balance=None if missing == "now" else Decimal(100))
    assert ruling(order, look) is Ruling.REVIEW


# ---- rejected ---------------------------------------------------------------------------------------------


def test_a_match_that_failed_without_a_charge_is_rejected(values, order):
    for assigned in (True, None, False):  # the vendor's sample says false
        failed = values.vendor(status="failed", assigned=assigned)
        assert ruling(order, values.look(failed)) is Ruling.REJECTED


@pytest.mark.parametrize(("settled", "looks"), [(False, 2), (True, 1)])
def test_a_match_that_failed_may_be_an_earlier_one_while_ours_is_still_to_come(values, order, settled, looks):
    failed = values.vendor(status="failed", assigned=False, after=-30)
    assert ruling(order, values.look(failed, settled=settled, looks=looks)) is Ruling.WAIT
    ours = values.vendor(reference="ref-2", after=30)
    assert ruling(order, values.look(failed, ours, balance=Decimal(98))) is Ruling.REVIEW


def test_a_match_that_failed_but_was_charged_is_reviewed_after_settle(values, order):
    failed = values.vendor(status="failed")
    assert ruling(order, values.look(failed, balance=Decimal(98), settled=False)) is Ruling.WAIT
    assert ruling(order, values.look(failed, balance=Decimal(98))) is Ruling.REVIEW


def test_a_match_that_failed_and_was_refunded_is_rejected(values, order):
    failed = values.vendor(("gb", 2), status="failed", after=60)
    refund = values.vendor(("gb", 2, (), "bundleRefund"), total=Decimal(0), reference="r", after=61)
    assert ruling(order, values.look(refund, failed)) is Ruling.REJECTED


# ---- review -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settled", [False, True])
def test_two_matches_are_reviewed_at_once(values, order, settled):
    verdict = judge(order, values.look(values.vendor(), values.vendor(reference="ref-2"), settled=settled))
    assert (verdict.ruling, verdict.found) == (Ruling.REVIEW, None)
    assert [one["reference"] for one in verdict.evidence["candidates"]] == ["ref-1", "ref-2"]


@pytest.mark.parametrize(
    "difference",
    [{"total": Decimal(3)}, {"total": None}, {"assigned": False}, {"source_ip": "198.51.100.23"}],
    ids=["total", "no total", "assignment", "address"],
)
def test_the_same_lines_with_a_difference_are_never_adopted(values, order, difference):
    found = values.vendor(**difference)
    assert not matches_exactly(order, found, OURS)
    assert ruling(order, values.look(found, addresses=OURS, balance=Decimal(98))) is Ruling.REVIEW


def test_the_evidence_tells_what_was_seen(values, order):
    evidence = judge(order, values.look(values.vendor(), values.vendor(("nl", 1), reference="x"))).evidence
    assert evidence["listed"] == 2
    assert evidence["candidates"][0]["reference"] == "ref-1"
    assert (evidence["balance_before"], evidence["balance_now"]) == ("100", "100")


# ---- the balance ------------------------------------------------------------------------------------------


def foreign(values, total, after, **fields):
    return values.vendor(
        ("nl", 1), total=Decimal(total), after=after, **{"reference": f"f{total}@{after}", **fields}
    )


def agrees(values, order, *listed, fell="0", **fields):
    return balance_agrees(order, values.look(*listed, balance=100 - Decimal(fell), **fields))


def test_a_foreign_order_after_the_intent_must_be_in_the_fall(values, order):
    after = foreign(values, "1.42", 60)
    assert agrees(values, order, after, fell="1.42")
    assert not agrees(values, order, after, fell="0")
    assert not agrees(values, order, after, fell="3.42"), "that is the foreign one and ours"


def test_a_foreign_order_before_the_intent_must_not_be_in_the_fall(values, order):
    before = foreign(values, "1.42", -30)
    assert agrees(values, order, before, fell="0")
    assert not agrees(values, order, before, fell="1.42")


@pytest.mark.parametrize("seconds", [-2.9, 0, 2.9])
def test_a_foreign_order_close_to_the_intent_counts_either_way(values, order, seconds):
    near = foreign(values, "1.42", seconds)
    assert agrees(values, order, near, fell="0")
    assert agrees(values, order, near, fell="1.42")
    assert not agrees(values, order, near, fell="2")
    assert not agrees(values, order, near, fell="3.42")


def test_a_foreign_order_close_by_that_costs_as_much_as_ours_proves_nothing(values, order):
    near = foreign(values, "2", 0)
    assert not agrees(values, order, near, fell="2"), "ours or theirs: nobody can tell"
    assert agrees(values, order, near, fell="0")


def test_several_foreign_orders_close_by_that_add_up_to_ours_prove_nothing(values, order):
    near = (foreign(values, "0.80", 0), foreign(values, "1.20", 1))
    assert agrees(values, order, *near, fell="0.80")
    assert not agrees(values, order, *near, fell="2.00")


def test_too_many_orders_close_by_prove_nothing(values, order):
    near = [foreign(values, "1.42", 0, reference=f"f{number}") for number in range(13)]
    assert not agrees(values, order, *near)
    assert agrees(values, order, *near[:12])


def test_our_own_orders_sent_later_are_in_the_fall(values, order):
    later = values.vendor(("nl", 1), total=Decimal(5), after=1, reference="later")
    claimed = {"later": values.SENT_AT + 3000}
    assert agrees(values, order, later, fell="5", claimed=claimed)
    assert not agrees(values, order, later, fell="0", claimed=claimed)


def test_our_own_orders_sent_earlier_are_not_in_the_fall(values, order):
    earlier = values.vendor(("nl", 1), total=Decimal(5), after=-1, reference="earlier")
    claimed = {"earlier": values.SENT_AT - 3000}
    assert agrees(values, order, earlier, fell="0", claimed=claimed)
    assert not agrees(values, order, earlier, fell="5", claimed=claimed)


def test_a_foreign_order_that_failed_may_or_may_not_have_been_charged(values, order):
    failed = foreign(values, "1.42", 60, status="failed")
    assert agrees(values, order, failed, fell="0")
    assert agrees(values, order, failed, fell="1.42")


def test_a_top_up_of_the_balance_proves_nothing(values, order):
    topup = values.retyped(values.vendor(("", 1), total=Decimal(50), after=60), "apiTopup")
    assert not agrees(values, order, topup, fell="-50")
    assert not agrees(values, order, topup, fell="0")


def test_an_apply_from_inventory_costs_nothing(values, order):
    apply = values.retyped(values.vendor(("gb", 1), total=Decimal(0), after=60), "bundleAssignment")
    assert agrees(values, order, apply, fell="0")


def test_a_refund_of_unknown_amount_proves_nothing(values, order):
    """Its row says total 0 [STG]: a refund of as much as ours would hide that ours was charged."""
    refund = values.retyped(values.vendor(("gb", 2), total=Decimal(0), after=60), "bundleRefund")
    assert not agrees(values, order, refund, fell="0")
    assert ruling(order, values.look(refund)) is Ruling.REVIEW


def test_a_refund_after_settle_of_a_charged_order_is_not_never_placed(values, order):
    """Ours was charged and is not listed; a colleague's refund of the same amount evens the balance out."""
    refund = values.retyped(values.vendor(("nl", 2), total=Decimal(0), after=60), "bundleRefund")
    assert ruling(order, values.look(refund, balance=Decimal(100))) is not Ruling.NEVER_PLACED


@pytest.mark.parametrize("unreadable", [{"total": None}, {"created": "soon"}])
def test_an_order_without_total_or_time_proves_nothing(values, order, unreadable):
    assert not agrees(values, order, values.vendor(("nl", 1), **unreadable))


# ---- properties -------------------------------------------------------------------------------------------

CENTS = st.integers(0, 600).map(lambda cents: Decimal(cents) / 100)


@st.composite
def listings(draw, values):
    item, quantity = draw(st.sampled_from([("gb", 2), ("gb", 2), ("gb", 1), ("nl", 2)]))
    return values.vendor(
        (item, quantity),
        reference=draw(st.uuids()).hex,
        total=draw(st.sampled_from([None, Decimal(2), Decimal(2), Decimal(1), Decimal("2.01")])),
        after=draw(st.floats(-60, 600)),
        status=draw(st.sampled_from(["completed", "completed", "failed", "processing"])),
        assigned=draw(st.sampled_from([True, True, False, None])),
        source_ip=draw(st.sampled_from(["192.0.2.1", "198.51.100.23", None])),
    )


@st.composite
def looks(draw, values):
    listed = draw(st.lists(listings(values), max_size=4))
    claims = st.sampled_from([None, values.SENT_AT - 5000, values.SENT_AT + 5000])
    claimed = {one.reference: draw(claims) for one in listed if draw(st.booleans())}
    return values.look(
        *listed,
        claimed=claimed,
        balance=draw(st.none() | CENTS.map(lambda fall: 100 - fall)),
        settled=draw(st.booleans()),
        looks=draw(st.integers(1, 4)),
        addresses=draw(st.sampled_from([frozenset(), OURS])),
        doubt=timedelta(seconds=3),
    )


@given(data=st.data())
def test_never_placed_is_said_only_on_full_evidence(values, order, data):
    look = data.draw(looks(values))
    if judge(order, look).ruling is not Ruling.NEVER_PLACED:
        return
    assert look.settled
    assert look.looks >= 2
    assert balance_agrees(order, look)
    same_lines = [
        one
        for one in look.listed
        if [(line.item, line.quantity) for line in one.lines] == [("gb", 2)]
        and one.reference not in look.claimed
    ]
    assert same_lines == [], "an unclaimed order with the same lines is listed"


@given(data=st.data())
def test_adopted_is_only_a_lone_completed_unclaimed_match(values, order, data):
    look = data.draw(looks(values))
    verdict = judge(order, look)
    if verdict.ruling is not Ruling.ADOPT:
        return
    assert verdict.found is not None
    assert verdict.found.reference not in look.claimed
    assert verdict.found.status == "completed"
    assert verdict.found.total == order.due
    matches = [
        one
        for one in look.listed
        if one.reference not in look.claimed
        and [(line.item, line.quantity) for line in one.lines] == [("gb", 2)]
        and matches_exactly(order, one, look.addresses)
    ]
    assert matches == [verdict.found]


@given(data=st.data())
def test_rejected_is_said_only_when_the_balance_agrees(values, order, data):
    look = data.draw(looks(values))
    verdict = judge(order, look)
    if verdict.ruling is Ruling.REJECTED:
        assert verdict.found is not None
        assert verdict.found.status == "failed"
        assert balance_agrees(order, look)


@given(data=st.data(), charged=st.booleans())
def test_the_balance_never_hides_a_charge(values, order, data, charged):
    """However foreign orders fall around the intent: if ours was charged, the balance does not agree."""
    others = data.draw(st.lists(st.tuples(CENTS, st.floats(-60, 600)), max_size=6))
    fall = order.due if charged else Decimal(0)
    listed = []
    for number, (total, after) in enumerate(others):
        listed.append(foreign(values, total, after, reference=f"f{number}"))
        certain_before, certain_after = after < -3, after > 3
        if certain_after or (not certain_before and data.draw(st.booleans())):
            fall += total
    if charged:
        assert not agrees(values, order, *listed, fell=str(fall))


@given(data=st.data())
def test_the_sequence_of_the_list_never_matters(values, order, data):
    look = data.draw(looks(values))
    shuffled = values.look(
        *data.draw(st.permutations(look.listed)),
        **{
            name: getattr(look, name)
            for name in ("claimed", "balance", "settled", "looks", "addresses", "doubt", "intent_at")
        },
    )
    assert judge(order, look).ruling is judge(order, shuffled).ruling
