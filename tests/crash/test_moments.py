"""Single unlucky moments, made to happen: a plan renewed under way, a commit that is not heard of, an interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from ledger_kit.market import GB, Market, once, orders_of_two
from sqlalchemy.engine import Connection

from airflow_provider_esimgo.api import Order as VendorOrder
from airflow_provider_esimgo.api import OrderRequest
from airflow_provider_esimgo.ledger.errors import LeaseLost, LedgerUnavailable, OrderInReview, PlanRefused
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.reconcile import reconcile_account

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("step", "expected"),
    [(Step.LEASED, PlanRefused), (Step.RESOLVED, PlanRefused), (Step.PACED, PlanRefused)],
    ids=["leased", "resolved", "paced"],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_plan_renewed_under_way_is_not_bought_unseen(
    open_market: Callable[..., Market], kind: str, step: Step, expected: type[Exception]
) -> None:
    """SQLite gives the new orders the old keys: they must not be taken for the approved ones."""
    market = open_market(kind)
    batch = market.plan()

    def plan_anew() -> None:
        market.sandbox.set_price(GB, "9.99")
        assert market.plan().plan_hash != batch.plan_hash

    with pytest.raises(expected):
        market.place(batch, on_step=once(step.value, plan_anew))
    with pytest.raises(PlanRefused, match="planned anew"):
        market.place(batch)
    assert market.sandbox.books()["order_posts"] == []
    assert market.states(batch) == ["PLANNED"] * 3
    market.check()


def test_an_order_requoted_by_a_rival_at_the_last_moment_is_not_sent(market: Market) -> None:
    batch = market.plan()
    first = market.orders(batch)[0]
    requote = once(Step.PACED.value, lambda: market.ledger.requote(first, first.due * 2, {GB: first.due}))
    with pytest.raises(LeaseLost, match="quoted or planned anew"):
        market.place(batch, on_step=requote)
    assert market.sandbox.books()["order_posts"] == []
    market.finish(batch)
    market.check()


def test_the_order_another_batch_is_just_sending_is_no_duplicate_of_ours(market: Market) -> None:
    """Both batches are alike; one comes to its end while the other's order is at the vendor, and not yet claimed."""
    done = market.plan(orders_of_two(1), batch_id="done")
    market.finish(done)
    batch = market.plan(orders_of_two(1), batch_id="under way")
    market.place(batch, on_step=once(Step.ANSWERED.value, lambda: market.place(done, patience=0)))
    assert market.ledger.strays(batch.account) == []
    assert market.states(batch) == ["ASSIGNED"]
    market.check()


def test_what_a_case_before_a_person_is_about_is_no_duplicate_of_another_batch(market: Market) -> None:
    """Else it could not be adopted by the order it belongs to any more."""
    done = market.plan(orders_of_two(1), batch_id="done")
    market.finish(done)
    batch = market.plan(orders_of_two(1), batch_id="in review")
    market.sandbox.fault("drop_after")
    market.sandbox.fault("duplicate")
    with pytest.raises(OrderInReview):
        market.finish(batch)
    assert market.place(done) is None
    assert market.ledger.strays(batch.account) == []


def lose_the_answer_of_a_commit(market: Market, monkeypatch: pytest.MonkeyPatch, step: Step) -> Any:
    """The transaction under way at that step commits, but the connection is gone before that is known."""
    database = market.ledger.database
    write, armed = database.write, []

    @contextmanager
    def committed_unheard() -> Iterator[Connection]:
        with write() as connection:
            yield connection
        if armed:
            armed.clear()
            raise LedgerUnavailable("the connection was closed while it waited for the commit")

    monkeypatch.setattr(database, "write", committed_unheard)
    return once(step.value, lambda: armed.append(True), nth=2)


def test_an_intent_committed_unheard_is_not_sent(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = market.plan()
    on_step = lose_the_answer_of_a_commit(market, monkeypatch, Step.INTENT_WRITTEN)
    with pytest.raises(LedgerUnavailable):
        market.place(batch, on_step=on_step)
    assert market.states(batch) == ["ASSIGNED", "SENDING", "PLANNED"]
    assert len(market.sandbox.orders()) == 1
    market.finish(batch)
    assert market.attempts(batch) == [1, 2, 1]
    market.check()


@pytest.mark.parametrize("misfortune", [None, "missing_reference", "rate_limited", "drop_after"])
def test_an_outcome_committed_unheard_is_written_once(
    market: Market, monkeypatch: pytest.MonkeyPatch, misfortune: str | None
) -> None:
    monkeypatch.setattr("airflow_provider_esimgo.ledger.purchase._OUTCOME_WAITS", (0.0, 0.1))
    batch = market.plan()
    if misfortune:
        market.sandbox.fault(misfortune, nth=2)
    on_step = lose_the_answer_of_a_commit(market, monkeypatch, Step.OUTCOME_WRITTEN)
    assert market.place(batch, on_step=on_step) is None
    assert market.states(batch) == ["ASSIGNED"] * 3
    market.check()


@pytest.mark.parametrize("took_effect", [True, False])
def test_an_interrupt_during_the_post_leaves_the_order_unknown(
    market: Market, monkeypatch: pytest.MonkeyPatch, took_effect: bool
) -> None:
    batch = market.plan()
    place = market.client.place_order

    def interrupted(request: OrderRequest) -> VendorOrder:
        if took_effect:
            place(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(market.client, "place_order", interrupted)
    with pytest.raises(KeyboardInterrupt):
        market.place(batch)
    assert market.states(batch) == ["UNKNOWN", "PLANNED", "PLANNED"]
    monkeypatch.undo()
    market.finish(batch)
    assert market.attempts(batch) == [1 if took_effect else 2, 1, 1]
    market.check()


def test_a_colleague_who_buys_while_we_look_does_not_explain_our_charge_away(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is charged and hidden; theirs costs as much, and comes in the middle of our look at the books."""
    monkeypatch.setattr("airflow_provider_esimgo.ledger.reconcile._DOUBT", timedelta(0))
    batch = market.plan([("ana", GB, 2, None)])
    market.sandbox.fault("drop_after")
    market.sandbox.fault("late_visible", seconds=3600)
    client, list_orders = market.client, market.client.list_orders
    bought: list[str] = []

    def after_a_colleague(**window: Any) -> Any:
        found = list(list_orders(**window))
        line = {"type": "bundle", "item": GB, "quantity": 1}
        if not bought and market.states(batch) == ["UNKNOWN"] and looks() >= 1 and settled():
            bought.append(market.sandbox.buy({"type": "transaction", "assign": True, "order": [line, line]}))
            return list_orders(**window)
        return iter(found)

    def looks() -> int:
        return market.orders(batch)[0].looks

    def settled() -> bool:
        order = market.orders(batch)[0]
        with market.ledger.database.read() as connection:
            return market.ledger.database.now(connection) - (order.unknown_at or 0) > market.settle * 1000

    client.list_orders = after_a_colleague  # type: ignore[method-assign]
    market.place(batch, patience=0)
    for _ in range(200):
        resolved = reconcile_account(client, market.ledger, batch.account, market.policy)
        if resolved.done:
            break
    assert bought
    assert market.states(batch) == ["REVIEW"]
    market.check()
