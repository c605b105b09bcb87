"""Rows and values turn into each other without loss, and JSON has one form."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from airflow_provider_esimgo.api import OrderLine, OrderRequest
from airflow_provider_esimgo.ledger.records import (
    Actor,
    Batch,
    Milestone,
    Order,
    StrayKind,
    Unit,
    canonical_json,
    lines_to_json,
    request_from_json,
)
from airflow_provider_esimgo.ledger.schema import batches, orders, units
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.sandbox import PRESET_ICCIDS

ICCIDS = st.lists(st.from_regex(r"89\d{17}", fullmatch=True), max_size=4, unique=True)
LINES = st.builds(
    lambda item, quantity, iccids: OrderLine(item, len(iccids) or quantity, tuple(iccids)),
    st.text(min_size=1, max_size=20),
    st.integers(1, 1000),
    ICCIDS,
)


@given(st.lists(LINES, min_size=1, max_size=5))
def test_an_orders_lines_survive_the_ledger(lines):
    request = OrderRequest(tuple(lines))
    text = lines_to_json(request)
    assert request_from_json(text) == request
    assert lines_to_json(request_from_json(text)) == text


def test_json_has_one_form():
    assert canonical_json({"b": 1, "a": ["ü", None]}) == '{"a":["ü",null],"b":1}'


def test_an_actor_tells_only_what_is_known():
    assert json.loads(Actor(dag_id="d", try_number=2, map_index=0).to_json()) == {
        "dag_id": "d",
        "try_number": 2,
        "map_index": 0,
    }
    assert Actor().to_json() == "{}"


def rows(bench, table):
    with bench.database.read() as connection:
        return connection.execute(select(table)).mappings().all()


def test_rows_are_read_as_values(bench):
    batch = bench.plan(("e1", bench.GB, 1, PRESET_ICCIDS[0]), ("e2", bench.GB))
    assert Batch.from_row(rows(bench, batches)[0]) == batch
    order = Order.from_row(rows(bench, orders)[0])
    assert isinstance(order.state, OrderState)
    assert (order.total, order.balance_before) == (Decimal("2.72"), None)
    assert order.request == OrderRequest(
        (OrderLine(bench.GB, 1), OrderLine(bench.GB, 1, (PRESET_ICCIDS[0],)))
    )
    found = [Unit.from_row(row) for row in rows(bench, units)]
    assert {(unit.recipient_ref, unit.topped_up, unit.milestone) for unit in found} == {
        ("e1", PRESET_ICCIDS[0], None),
        ("e2", None, None),
    }
    bench.place(batch)
    assert {Unit.from_row(row).milestone for row in rows(bench, units)} == {Milestone.ASSIGNED}
    bought = Order.from_row(rows(bench, orders)[0])
    assert (bought.state, bought.balance_before) == (OrderState.ASSIGNED, Decimal(5000))


def test_money_is_text_at_rest(bench):
    bench.place(bench.plan())
    for table, columns in (
        (batches, ["total"]),
        (orders, ["total", "due", "balance_before"]),
        (units, ["price"]),
    ):
        for row in rows(bench, table):
            for column in columns:
                assert isinstance(row[column], str)
                assert row[column] == format(Decimal(row[column]).normalize(), "f")


def test_a_stray_is_read_as_a_value(bench):
    (order,) = bench.ledger.orders(bench.plan())
    with bench.database.write() as connection:
        bench.ledger.add_stray(connection, order, "ref-9", StrayKind.FOREIGN)
    (stray,) = bench.ledger.strays(bench.ACCOUNT)
    assert (stray.reference, stray.kind, stray.order_key) == ("ref-9", StrayKind.FOREIGN, order.key)
