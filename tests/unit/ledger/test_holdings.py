"""What was bought is found from any end, and only on its own account."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.ledger.errors import UnknownBatch
from airflow_provider_esimgo.ledger.holdings import (
    Selection,
    holdings_by_iccid,
    holdings_by_recipient,
    holdings_by_reference,
    holdings_of_batch,
)


@pytest.fixture
def bought(bench):
    batch = bench.plan(("ada", bench.GB, 12), ("ben", bench.NL))
    bench.place(batch)
    return batch


def test_a_batch_is_held_in_manifest_order_with_the_order_of_each_unit(bench, bought):
    held = holdings_of_batch(bench.ledger, bought)
    assert [one.unit.number for one in held] == list(range(1, 14))
    assert {one.batch_id for one in held} == {"acme"}
    assert {one.reference for one in held} == {one["reference"] for one in bench.server.orders()}


def test_a_batch_that_is_not_wholly_bought_is_refused(bench):
    with pytest.raises(UnknownBatch, match="3 of the 3 units"):
        holdings_of_batch(bench.ledger, bench.plan())


def test_an_order_an_esim_and_a_recipient_lead_to_the_same_units(bench, bought):
    held = holdings_of_batch(bench.ledger, bought)
    reference = held[0].reference
    iccids = [one.unit.iccid for one in held]
    ledger, account = bench.ledger, bench.ACCOUNT
    assert {one.reference for one in holdings_by_reference(ledger, account, [reference])} == {reference}
    assert holdings_by_iccid(ledger, account, iccids * 2) == held
    assert holdings_by_recipient(ledger, account, ["ben"]) == held[12:]
    for find, value in (
        (holdings_by_reference, reference),
        (holdings_by_iccid, iccids[0]),
        (holdings_by_recipient, "ben"),
    ):
        assert find(ledger, "somebody else", [value]) == []


def test_more_values_than_one_statement_takes_are_asked_for_in_parts(bench, bought):
    held = holdings_of_batch(bench.ledger, bought)
    wanted = [one.unit.iccid for one in held] + [f"none-{number}" for number in range(1200)]
    assert holdings_by_iccid(bench.ledger, bench.ACCOUNT, wanted) == held


def test_a_recipient_whose_esim_is_not_bought_yet_has_none(bench):
    bench.plan(("eve", bench.GB))
    assert holdings_by_recipient(bench.ledger, bench.ACCOUNT, ["eve"]) == []


@pytest.mark.parametrize(
    "given", [{}, {"batch_id": "a", "iccids": ["1"]}, {"references": ["r"], "recipients": ["x"]}]
)
def test_a_selection_is_of_exactly_one_kind(given):
    with pytest.raises(ValueError, match="name one"):
        Selection(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch_id": "acme"}, "batch 'acme'"),
        ({"references": ["r-1"]}, "order r-1"),
        ({"iccids": ["1", "2", "3"]}, "eSIM 1 and 2 more"),
        ({"recipients": ["Ada"]}, "1 recipient"),
        ({"recipients": ["Ada", "Ben"]}, "2 recipients"),
    ],
)
def test_a_selection_tells_what_is_meant_but_no_recipient(given, words):
    assert Selection(**given).words == words
    assert "Ada" not in repr(Selection(**given))
