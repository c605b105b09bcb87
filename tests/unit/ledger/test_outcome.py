"""What the answer to one POST means: placed, refused and not sent only where that is plain; else unknown."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.api import NotSentError, RateLimitedError, RefusedError, UnknownOutcomeError
from airflow_provider_esimgo.ledger.outcome import (
    contradictions,
    judge_answer,
    judge_error,
    lines_agree,
    match_iccids,
)
from airflow_provider_esimgo.ledger.states import OrderState

A, B, C = "8944500000000000011", "8944500000000000029", "8944500000000000037"


def an_error(kind, **fields):
    return kind("because", method="POST", path="/orders", **fields)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (an_error(NotSentError), OrderState.PLANNED),
        (an_error(RateLimitedError, status=429), OrderState.PLANNED),
        (an_error(RefusedError, status=400), OrderState.REJECTED),
        (an_error(UnknownOutcomeError, status=503), OrderState.UNKNOWN),
        (an_error(UnknownOutcomeError), OrderState.UNKNOWN),
    ],
)
def test_an_error_means_what_its_class_says(error, state):
    answer = judge_error(error)
    assert answer.state is state
    assert answer.reference is None
    assert answer.evidence == {"error": type(error).__name__, "status": error.status, "message": "because"}


def test_a_rate_limit_says_how_long_to_wait():
    assert judge_error(an_error(RateLimitedError, status=429, retry_after=7.0)).retry_after == 7.0
    assert judge_error(an_error(NotSentError)).retry_after == 0.0


def test_an_answer_that_agrees_is_placed_with_its_esims(values):
    order = values.order(("gb", 2))
    answer = judge_answer(order, values.units(order), values.vendor(("gb", 2, (A, B))))
    assert (answer.state, answer.reference) == (OrderState.PLACED, "ref-1")
    assert answer.iccids == {101: A, 102: B}
    assert answer.source_ip == "192.0.2.1"


def test_an_answer_without_its_esims_is_placed_but_not_assigned(values):
    order = values.order(("gb", 2))
    answer = judge_answer(order, values.units(order), values.vendor(("gb", 2)))
    assert (answer.state, answer.iccids) == (OrderState.PLACED, None)


@pytest.mark.parametrize(
    "contradiction",
    [
        {"total": Decimal("2.01")},
        {"total": Decimal("1.99")},
        {"total": None},
        {"assigned": False},
        {"status": "failed"},
        {"status": "Failed"},
    ],
)
def test_an_answer_that_contradicts_is_unknown_and_claims_no_reference(values, contradiction):
    order = values.order(("gb", 2))
    answer = judge_answer(order, values.units(order), values.vendor(("gb", 2, (A, B)), **contradiction))
    assert (answer.state, answer.reference, answer.iccids) == (OrderState.UNKNOWN, None, None)
    assert answer.evidence["reference"] == "ref-1", "the reference stays in the evidence"
    assert answer.evidence["contradictions"]
    assert answer.message


@pytest.mark.parametrize(
    "line", [("gb", 1), ("gb", 3), ("nl", 2), ("GB", 2)], ids=["fewer", "more", "another", "wrong case"]
)
def test_other_lines_than_asked_for_are_a_contradiction(values, line):
    order = values.order(("gb", 2))
    assert "the lines differ from those asked for" in contradictions(
        order, values.vendor(line, total=order.due)
    )


def test_more_esims_than_units_are_a_contradiction(values):
    order = values.order(("gb", 1))
    assert contradictions(order, values.vendor(("gb", 1, (A, B)))) == ["there are more eSIMs than units"]


def test_an_answer_that_agrees_has_no_contradictions(values):
    order = values.order(("gb", 2), ("nl", 1, (C,)))
    assert contradictions(order, values.vendor(("nl", 1, (C,)), ("gb", 2, (A, B)))) == []
    assert contradictions(order, values.vendor(("nl", 1, (C,)), ("gb", 2), assigned=None)) == []


@pytest.mark.parametrize(
    ("asked", "answered", "agree"),
    [
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1, (A,)), ("gb", 1, (B,))], True),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1, (B,)), ("gb", 1, (A,))], True),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1), ("gb", 1)], True),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1), ("gb", 1, (A,))], True),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1, (B,)), ("gb", 1)], True),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 1, (B,)), ("gb", 1, (C,))], False),
        ([("gb", 1, (A,)), ("gb", 1)], [("gb", 2, (A, B))], False),
        ([("gb", 1, (A,))], [("gb", 1)], True),
        ([("gb", 1, (A,))], [("gb", 1, (B,))], False),
        ([("gb", 2, (A, B))], [("gb", 2, (B, A))], True),
        ([("gb", 2, (A, B))], [("gb", 2, (A, C))], False),
        ([("gb", 1, (A,)), ("nl", 1, (B,))], [("gb", 1, (B,)), ("nl", 1, (A,))], False),
        ([("gb", 1)], [("gb", 1), ("gb", 1)], False),
        ([("gb", 1), ("gb", 1)], [("gb", 1)], False),
        ([("gb", 1)], [], False),
    ],
    ids=[
        "mixed, told",
        "mixed, told the other way round",
        "mixed, untold",
        "mixed, half told",
        "the new one told, the top-up not",
        "topped up on another eSIM",
        "merged lines",
        "a top-up not told yet",
        "a top-up that landed elsewhere",
        "iccids in another order",
        "one of two landed elsewhere",
        "iccids swapped between bundles",
        "one line too many",
        "one line too few",
        "no lines",
    ],
)
def test_lines_agree_as_multisets_of_item_quantity_and_topped_up_esims(values, asked, answered, agree):
    answer = replace(values.vendor(*answered), lines=()) if not answered else values.vendor(*answered)
    assert lines_agree(values.order(*asked), answer) is agree


def test_only_bundle_lines_count(values):
    order = values.order(("gb", 2))
    assert not lines_agree(order, values.retyped(values.vendor(("gb", 2)), "bundleRefund"))
    assert lines_agree(order, values.vendor(("gb", 2), ("gb", 2, (), "bundleAssignment")))


LINE = st.tuples(st.sampled_from(["gb", "nl", "jp"]), st.integers(1, 4))


@given(lines=st.lists(LINE, min_size=1, max_size=5), data=st.data())
def test_the_sequence_of_lines_never_matters_and_a_changed_line_always_does(values, lines, data):
    order = values.order(*lines)
    shuffled = data.draw(st.permutations(lines))
    assert lines_agree(order, values.vendor(*shuffled))
    at = data.draw(st.integers(0, len(lines) - 1))
    item, quantity = shuffled[at]
    changed = [*shuffled[:at], (item, quantity + 1), *shuffled[at + 1 :]]
    assert not lines_agree(order, values.vendor(*changed))


def test_new_esims_are_dealt_to_units_in_manifest_order(values):
    order = values.order(("gb", 2), ("nl", 1))
    matched = match_iccids(values.units(order), values.vendor(("nl", 1, (C,)), ("gb", 2, (B, A))))
    assert matched == {101: B, 102: A, 103: C}


def test_a_topped_up_unit_is_on_its_own_esim(values):
    order = values.order(("gb", 2, (A, B)), ("gb", 1))
    answer = values.vendor(("gb", 1, (C,)), ("gb", 2, (B, A)))
    assert match_iccids(values.units(order), answer) == {101: A, 102: B, 103: C}


def test_esims_are_not_matched_before_all_are_told(values):
    order = values.order(("gb", 2), ("nl", 1))
    for told in ((("gb", 2), ("nl", 1)), (("gb", 2, (A,)), ("nl", 1, (C,))), (("gb", 2, (A, B)), ("nl", 1))):
        assert match_iccids(values.units(order), values.vendor(*told)) is None


def test_a_top_up_on_another_esim_is_a_fault(values):
    order = values.order(("gb", 1, (A,)))
    with pytest.raises(ValueError, match="other eSIMs"):
        match_iccids(values.units(order), values.vendor(("gb", 1, (B,))))


def test_one_esim_for_two_units_is_a_fault(values):
    order = values.order(("gb", 2))
    with pytest.raises(ValueError, match="one eSIM for several units"):
        match_iccids(values.units(order), values.vendor(("gb", 2, (A, A))))


def test_a_reassigned_esim_makes_the_answer_unknown(values):
    order = values.order(("gb", 1, (A,)))
    answer = judge_answer(order, values.units(order), values.vendor(("gb", 1, (B,))))
    assert answer.state is OrderState.UNKNOWN


def test_an_esim_named_twice_makes_the_answer_unknown(values):
    order = values.order(("gb", 2))
    answer = judge_answer(order, values.units(order), values.vendor(("gb", 2, (A, A))))
    assert answer.state is OrderState.UNKNOWN


@given(
    news=st.integers(0, 4),
    topped=st.integers(0, 4),
    split=st.booleans(),
    data=st.data(),
)
def test_each_unit_gets_one_esim_and_no_esim_two_units(values, news, topped, split, data):
    iccids = [f"89{number:017d}" for number in range(news + topped)]
    if not iccids:
        return
    old, issued = iccids[:topped], iccids[topped:]
    lines = ([("gb", topped, tuple(old))] if old else []) + ([("gb", news)] if issued else [])
    order = values.order(*lines)
    told = ([("gb", topped, tuple(data.draw(st.permutations(old))))] if old else []) + (
        [("gb", news, tuple(issued))] if issued else []
    )
    if split:
        told.reverse()
    matched = match_iccids(values.units(order), values.vendor(*told))
    assert matched is not None
    assert sorted(matched.values()) == sorted(iccids)
    assert all(matched[unit.key] == unit.topped_up for unit in values.units(order) if unit.topped_up)
