"""The judge is judged: each lie in the books or in the ledger must make it complain, and the truth must not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from ledger_kit.history import Story, complaints
from ledger_kit.market import ACCOUNT, Market

from airflow_provider_esimgo.ledger.records import Stray, StrayKind
from airflow_provider_esimgo.ledger.states import OrderState

Books = dict[str, Any]
Doctor = Callable[[Books, Story], tuple[Books, Story]]


@pytest.fixture
def truth(market: Market) -> tuple[Books, Story]:
    """The books and the ledger after an honest run of three orders."""
    batch = market.plan()
    market.finish(batch)
    return market.sandbox.books(), Story.read(market.ledger, ACCOUNT)


def doctored(story: Story, order: int = 0, **changes: Any) -> Story:
    orders = list(story.orders)
    orders[order] = replace(orders[order], **changes)
    return replace(story, orders=orders)


def bought_again(books: Books, *, by: str = "api") -> Books:
    twin = copy.deepcopy(next(order for order in books["orders"] if order["lines"][0]["type"] == "bundle"))
    twin.update(reference="another", by=by)
    books["orders"].append(twin)
    return books


def first_esim(books: Books) -> dict[str, Any]:
    return next(esim for esim in books["esims"] if esim["bundles"])


def lose_an_order(books: Books, story: Story) -> tuple[Books, Story]:
    books["orders"] = [order for order in books["orders"] if order["reference"] != story.orders[0].reference]
    return books, story


def swap_references(books: Books, story: Story) -> tuple[Books, Story]:
    first, second = story.orders[0].reference, story.orders[1].reference
    return books, doctored(doctored(story, 0, reference=second), 1, reference=first)


def claim_one_reference_twice(books: Books, story: Story) -> tuple[Books, Story]:
    return books, doctored(story, 1, reference=story.orders[0].reference)


def put_two_units_on_one_esim(books: Books, story: Story) -> tuple[Books, Story]:
    units = list(story.units)
    units[1] = replace(units[1], iccid=units[0].iccid)
    return books, replace(story, units=units)


def leave_a_unit_without_esim(books: Books, story: Story) -> tuple[Books, Story]:
    return books, replace(story, units=[replace(story.units[0], iccid=None), *story.units[1:]])


def top_up_another_esim(books: Books, story: Story) -> tuple[Books, Story]:
    units = [
        replace(unit, topped_up="8944000000000000001") if unit.topped_up else unit for unit in story.units
    ]
    return books, replace(story, units=units)


def sell_a_bundle_twice(books: Books, story: Story) -> tuple[Books, Story]:
    bundles = first_esim(books)["bundles"]
    bundles.append(dict(bundles[0]))
    return books, story


def take_a_bundle_away(books: Books, story: Story) -> tuple[Books, Story]:
    first_esim(books)["bundles"].clear()
    return books, story


def charge_a_cent_more(books: Books, story: Story) -> tuple[Books, Story]:
    order = next(order for order in books["orders"] if order["reference"] == story.orders[2].reference)
    order["charged"] = str(Decimal(order["charged"]) + Decimal("0.01"))
    return books, story


def buy_behind_the_ledger(books: Books, story: Story) -> tuple[Books, Story]:
    return bought_again(books), story


def count_a_purchase_as_refused(books: Books, story: Story) -> tuple[Books, Story]:
    return books, doctored(story, state=OrderState.REJECTED, reference=None)


def count_a_purchase_as_planned(books: Books, story: Story) -> tuple[Books, Story]:
    return books, doctored(story, state=OrderState.PLANNED, reference=None)


def claim_a_colleagues_order(books: Books, story: Story) -> tuple[Books, Story]:
    books = bought_again(books, by="portal")
    return books, doctored(story, reference="another")


def own_up_to_a_duplicate(books: Books, story: Story) -> tuple[Books, Story]:
    stray = Stray("another", StrayKind.DUPLICATE, story.orders[0].key, 0)
    return bought_again(books), replace(story, strays=[stray])


def forget_an_event(books: Books, story: Story) -> tuple[Books, Story]:
    told = [event for event in story.events if event.kind == "transition"]
    return books, replace(story, events=[event for event in story.events if event is not told[1]])


def forget_an_attempt(books: Books, story: Story) -> tuple[Books, Story]:
    return books, doctored(story, attempt=2)


def invent_a_transition(books: Books, story: Story) -> tuple[Books, Story]:
    last = next(event for event in reversed(story.events) if event.to_state == "ASSIGNED")
    wrong = replace(last, from_state="ASSIGNED", to_state="PLANNED")
    back = replace(last, from_state="PLANNED", to_state="ASSIGNED")
    return books, replace(story, events=[*story.events, wrong, back])


def send_two_at_once(books: Books, story: Story) -> tuple[Books, Story]:
    books["order_posts"][0]["finished"] = books["order_posts"][1]["arrived"] + 0.001
    return books, story


def hurry(books: Books, story: Story) -> tuple[Books, Story]:
    for at, post in enumerate(books["order_posts"]):
        post["arrived"] = post["finished"] = 1000.0 + at / 1000
    return books, story


def write_down_a_code(books: Books, story: Story) -> tuple[Books, Story]:
    code = first_esim(books)["lpa"].rpartition("$")[2]
    return books, doctored(story, message=f"the vendor said {code}")


def unbalance(books: Books, story: Story) -> tuple[Books, Story]:
    books["balanced"] = False
    return books, story


LIES: dict[Doctor, str] = {
    lose_an_order: "which is no purchase in the books",
    swap_references: "",
    claim_one_reference_twice: "is claimed 2 times",
    put_two_units_on_one_esim: "2 units are on the new eSIM",
    leave_a_unit_without_esim: "has no ICCID",
    top_up_another_esim: "asked for 8944000000000000001",
    sell_a_bundle_twice: "is 2 times on",
    take_a_bundle_away: "is 0 times on",
    charge_a_cent_more: "sum up to",
    buy_behind_the_ledger: "another is in the books and nobody claims it",
    count_a_purchase_as_refused: "counts as not bought",
    count_a_purchase_as_planned: "counts as not bought",
    claim_a_colleagues_order: "which a colleague bought",
    own_up_to_a_duplicate: "1 purchases were made twice (another), expected were 0",
    forget_an_event: "an event goes from",
    forget_an_attempt: "its events tell of 1 attempts",
    invent_a_transition: "no such transition as ASSIGNED to PLANNED",
    send_two_at_once: "while another one was under way",
    hurry: "less than 0.4 s",
    write_down_a_code: "the activation code of",
    unbalance: "do not add up",
}


def test_the_truth_is_believed(truth: tuple[Books, Story]) -> None:
    assert complaints(*truth) == []


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_noticed(truth: tuple[Books, Story], lie: Doctor) -> None:
    found = complaints(*lie(copy.deepcopy(truth[0]), truth[1]), pace=0.4)
    assert any(LIES[lie] in complaint for complaint in found), found


def test_an_open_order_may_have_taken_effect_or_not(truth: tuple[Books, Story]) -> None:
    books, story = truth
    for state in (OrderState.UNKNOWN, OrderState.SENDING, OrderState.REVIEW):
        about = doctored(story, state=state, reference=None)
        units = [
            replace(unit, iccid=None) if unit.order_key == about.orders[0].key else unit
            for unit in about.units
        ]
        events = [
            event
            for event in about.events
            if event.order_key != about.orders[0].key or event.kind != "transition"
        ]
        sending = next(event for event in about.events if event.to_state == "SENDING")
        path = {"UNKNOWN": ["UNKNOWN"], "SENDING": [], "REVIEW": ["UNKNOWN", "REVIEW"]}[state]
        changes = [sending]
        for step in path:
            changes.append(replace(changes[-1], from_state=changes[-1].to_state, to_state=step))
        assert complaints(books, replace(about, units=units, events=[*events, *changes])) == []


def test_a_colleagues_order_is_nobodys_fault(truth: tuple[Books, Story]) -> None:
    books, story = truth
    assert complaints(bought_again(copy.deepcopy(books), by="portal"), story) == []


def test_a_duplicate_that_the_ledger_owns_up_to_may_be_expected(truth: tuple[Books, Story]) -> None:
    assert complaints(*own_up_to_a_duplicate(copy.deepcopy(truth[0]), truth[1]), duplicates=1) == []
