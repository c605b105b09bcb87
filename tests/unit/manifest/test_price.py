"""Prices and hashes: money adds up, and the same meaning has the same hash."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.manifest import (
    PlanError,
    Quote,
    Unit,
    content_hash,
    expand_units,
    pack_orders,
    plan_hash,
    price_plan,
    read_manifest,
)
from airflow_provider_esimgo.manifest.hashing import money_text

PRICES = {"a": Decimal("1.36"), "b": Decimal("2.28")}


def units_of(**bundles):
    names = [name for name, count in bundles.items() for _ in range(count)]
    return tuple(Unit(number, number + 1, f"E{number}", name) for number, name in enumerate(names, start=1))


def quote(shape, prices=PRICES, currency="USD"):
    return Quote(sum((prices[line.bundle] * line.quantity for line in shape), Decimal(0)), currency, prices)


def plan_of(drafts, quotes=None, *, account="acme@api", batch_id="acme-1"):
    quotes = quotes or {draft.shape: quote(draft.shape) for draft in drafts}
    return price_plan(account=account, batch_id=batch_id, drafts=drafts, quotes=quotes)


DRAFTS = pack_orders(units_of(a=12, b=3))


def test_a_plan_knows_its_total_to_the_cent():
    plan = plan_of(DRAFTS)
    assert plan.total == Decimal("23.16")
    assert [order.total for order in plan.orders] == [Decimal("13.60"), Decimal("9.56")]
    assert (plan.currency, plan.order_count, plan.unit_count) == ("USD", 2, 15)
    assert plan.units == units_of(a=12, b=3)


def test_every_unit_has_its_price():
    order = plan_of(DRAFTS).orders[1]
    assert order.unit_prices == (PRICES["a"],) * 2 + (PRICES["b"],) * 3
    assert [line.subtotal for line in order.lines] == [Decimal("2.72"), Decimal("6.84")]
    assert order.shape == DRAFTS[1].shape


def test_a_plan_bears_the_hash_of_its_manifest():
    manifest = read_manifest(io.BytesIO(b"recipient_ref,bundle,quantity\nE1,a,12\n\nE2,b,3\n"))
    drafts = pack_orders(expand_units(manifest))
    assert plan_of(drafts).content_hash == manifest.content_hash


def test_two_currencies_are_refused():
    quotes = {
        draft.shape: quote(draft.shape, currency=c) for draft, c in zip(DRAFTS, ("USD", "EUR"), strict=True)
    }
    with pytest.raises(PlanError, match="2 currencies \\(EUR, USD\\)"):
        plan_of(DRAFTS, quotes)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda q: replace(q, total=q.total + Decimal("0.01")), "add up to 13.6"),
        (lambda q: replace(q, total=Decimal("NaN")), "amount NaN"),
        (lambda q: replace(q, total=Decimal("-13.60")), "amount -13.60"),
        (lambda q: replace(q, unit_prices={}), "no price for a"),
    ],
)
def test_a_quote_that_contradicts_itself_is_refused(spoil, says):
    quotes = {draft.shape: quote(draft.shape) for draft in DRAFTS}
    quotes[DRAFTS[0].shape] = spoil(quotes[DRAFTS[0].shape])
    with pytest.raises(PlanError, match=says) as refused:
        plan_of(DRAFTS, quotes)
    assert refused.value.cure
    assert "Nothing was bought" in str(refused.value)


def test_a_fraction_of_a_cent_is_rounding():
    shape = DRAFTS[0].shape
    quotes = {draft.shape: quote(draft.shape) for draft in DRAFTS}
    quotes[shape] = Quote(Decimal("13.65"), "USD", {"a": Decimal("1.3645")})
    assert plan_of(DRAFTS, quotes).orders[0].total == Decimal("13.65")


def test_an_order_without_a_quote_is_refused():
    with pytest.raises(PlanError, match="Order 2 has no quote"):
        plan_of(DRAFTS, {DRAFTS[0].shape: quote(DRAFTS[0].shape)})


def test_a_plan_without_orders_is_refused():
    with pytest.raises(PlanError, match="no orders"):
        plan_of((), {(): quote(())})


def test_a_unit_in_two_orders_is_refused():
    with pytest.raises(PlanError, match="Unit 1 is in more than one order"):
        plan_of((*DRAFTS, replace(DRAFTS[0], number=3)))


def test_lines_that_disagree_with_units_are_refused():
    with pytest.raises(PlanError, match="lines say otherwise"):
        plan_of((replace(DRAFTS[0], units=DRAFTS[0].units[1:]), DRAFTS[1]))


def test_money_is_never_a_float():
    with pytest.raises(TypeError, match="Decimal, not float"):
        Quote(1.2, "USD", {})  # type: ignore[arg-type]


@given(st.decimals(-(10**6), 10**6, places=4), st.integers(0, 6))
def test_trailing_zeros_do_not_change_an_amounts_text(amount, zeros):
    longer = Decimal(f"{amount:f}" + "0" * zeros)
    assert money_text(longer) == money_text(amount)
    assert Decimal(money_text(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1.20", "1.2"), ("12E-1", "1.2"), ("1E+2", "100"), ("0.00", "0"), ("-0.0", "0"), ("100", "100")],
)
def test_an_amount_has_one_text(amount, text):
    assert money_text(Decimal(amount)) == text


def test_one_price_written_two_ways_is_one_plan():
    longer = {name: Decimal(f"{price}00") for name, price in PRICES.items()}
    again = plan_of(DRAFTS, {draft.shape: quote(draft.shape, longer) for draft in DRAFTS})
    assert again.plan_hash == plan_of(DRAFTS).plan_hash


def test_whatever_an_approver_approves_is_in_the_hash():
    plan = plan_of(DRAFTS)
    dearer = {**PRICES, "b": Decimal("2.29")}
    other_person = (
        replace(DRAFTS[0], units=(replace(DRAFTS[0].units[0], recipient_ref="E99"), *DRAFTS[0].units[1:])),
        DRAFTS[1],
    )
    others = [
        plan_of(DRAFTS, account="other@api"),
        plan_of(DRAFTS, batch_id="acme-2"),
        plan_of(DRAFTS, {draft.shape: quote(draft.shape, dearer) for draft in DRAFTS}),
        plan_of(DRAFTS, {draft.shape: quote(draft.shape, currency="EUR") for draft in DRAFTS}),
        plan_of(other_person),
        plan_of(pack_orders(units_of(a=12, b=3), max_units_per_order=5)),
    ]
    assert len({plan.plan_hash, *(other.plan_hash for other in others)}) == 7


def test_the_hash_can_be_computed_again_from_the_plan():
    plan = plan_of(DRAFTS)
    again = plan_hash(
        account=plan.account, batch_id=plan.batch_id, currency=plan.currency, orders=plan.orders
    )
    assert again == plan.plan_hash


def test_the_hash_of_a_plan_is_the_same_in_every_release():
    """Approvals are bound to this hash: changing how it is made voids every approval in flight."""
    assert plan_of(DRAFTS).plan_hash == "937974535ef7346b02d8f7ddcc2a805fafb54d27485f8f57ba6d6aa7b1bde756"
    assert plan_of(DRAFTS).content_hash == "4a72c02af34868e14c39e1e64c19e8a3f62c484d2d4b67756b478cd3c04fc32a"


def content(text: bytes) -> str:
    return read_manifest(io.BytesIO(text)).content_hash


def test_a_resaved_file_is_the_same_content():
    original = content(b"recipient_ref,bundle,quantity,name\nE1,a,,Anna\nE2,b,2,Bob\n")
    assert (
        content(b'\xef\xbb\xbfbundle,Recipient_Ref,email,quantity\r\na,E1,,1\r\n\r\nb,"E2",b@x.y,02\r\n')
        == original
    )
    assert content(b"recipient_ref;bundle;quantity\nE1;a;1\nE2;b;2") == original


@pytest.mark.parametrize(
    "changed",
    [
        b"recipient_ref,bundle,quantity\nE2,b,2\nE1,a,1\n",
        b"recipient_ref,bundle,quantity\nE1,a,1\nE2,b,3\n",
        b"recipient_ref,bundle,quantity\nE1,a,1\nE3,b,2\n",
        b"recipient_ref,bundle,quantity,cost_centre\nE1,a,1,CC\nE2,b,2,\n",
        b"recipient_ref,bundle,quantity,country\nE1,a,1,DE\nE2,b,2,\n",
        b"recipient_ref,bundle,quantity,install_by\nE1,a,1,2026-01-01\nE2,b,2,\n",
        b"recipient_ref,bundle,quantity,iccid\nE1,a,1,8944538532008160222\nE2,b,2,\n",
    ],
)
def test_anything_asked_for_differently_is_another_content(changed):
    assert content(changed) != content(b"recipient_ref,bundle,quantity\nE1,a,1\nE2,b,2\n")


def test_rows_and_units_have_one_content_hash():
    manifest = read_manifest(io.BytesIO(b"recipient_ref,bundle,quantity\nE1,a,3\nE2,a,1\n"))
    assert content_hash(manifest.rows) == content_hash(expand_units(manifest)) == manifest.content_hash
