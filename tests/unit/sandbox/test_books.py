"""Whatever is bought, spoilt, refunded or revoked: opening balance - charges + refunds = balance."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_esimgo.sandbox import lifecycle
from airflow_provider_esimgo.sandbox.clock import parse_rfc3339, rfc3339
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.happenings import catch_up, late_order
from airflow_provider_esimgo.sandbox.order_request import read_order
from airflow_provider_esimgo.sandbox.ordering import Twist, place
from airflow_provider_esimgo.sandbox.sandbox import Sandbox
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store

BUNDLES = ("esim_1GB_7D_GB_V2", "esim_1GB_7D_JP_V2", "esim_50GB_90D_RGBS_V2", "no_such_bundle")

lines = st.fixed_dictionaries(
    {"type": st.just("bundle"), "item": st.sampled_from(BUNDLES), "quantity": st.integers(0, 12)}
)
twists = st.builds(
    Twist,
    fewer=st.integers(0, 3),
    fewer_charge=st.sampled_from(("full", "issued")),
    esims_after=st.sampled_from((0, 60)),
    visible_after=st.sampled_from((0, 60)),
    fails=st.booleans(),
    fails_after=st.sampled_from((0, 60)),
    fails_charge=st.sampled_from(("none", "refund", "kept")),
)
steps = st.one_of(
    st.tuples(st.just("buy"), st.lists(lines, max_size=3), st.booleans(), twists),
    st.tuples(st.just("late"), st.lists(lines, min_size=1, max_size=2)),
    st.tuples(st.just("advance"), st.integers(0, 100)),
    st.tuples(st.just("activate"), st.integers(0, 5)),
    st.tuples(st.just("revoke"), st.integers(0, 20)),
)


def take(sandbox: Sandbox, step: tuple) -> None:
    store = sandbox.store
    match step:
        case ("buy", order, assign, twist):
            body = json.dumps({"type": "transaction", "assign": assign, "order": order}).encode()
            place(store, read_order(body), sandbox.settings, source_ip="127.0.0.1", twist=twist)
        case ("late", order):
            body = json.dumps({"type": "transaction", "assign": True, "order": order}).encode()
            late_order(store, body, "127.0.0.1", 30)
        case ("advance", seconds):
            store.advance(seconds)
            catch_up(store, sandbox.settings)
        case ("activate", count):
            sandbox.activate(sandbox.chosen(everything=True), count)
        case ("revoke", place_of):
            esim = list(store.esims.values())[place_of % len(store.esims)]
            held = esim.bundles[0]
            lifecycle.revoke(store, esim.iccid, held.bundle, assignment_id=held.id, to_balance=True)


@given(st.lists(steps, max_size=12))
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_books_balance_after_anything(taken):
    sandbox = Sandbox(Store(opening_balance=Decimal("300.00")), settings=Settings(failed_charge="refund"))
    for step in taken:
        before = sandbox.books()
        try:
            take(sandbox, step)
        except (ApiError, IndexError):
            after = sandbox.books()
            assert after["orders"] == before["orders"]
            assert after["balance"] == before["balance"]
    books = sandbox.books()
    assert books["balanced"]
    assert Decimal(books["balance"]) >= 0
    assert sum(Decimal(order["charged"]) for order in books["orders"]) == Decimal(books["charges"])
    iccids = [esim["iccid"] for esim in books["esims"]]
    assert len(iccids) == len(set(iccids))


@given(st.lists(steps, max_size=8))
@hypothesis_settings(max_examples=15, deadline=None)
def test_a_file_read_back_is_the_same_store(tmp_path_factory, taken):
    file: Path = tmp_path_factory.mktemp("books") / "sandbox.db"
    first = Sandbox(Store(file=file))
    for step in taken:
        try:
            take(first, step)
        except (ApiError, IndexError):
            continue
    again = Store(file=file)
    for table in ("orders", "esims", "batches", "money", "jobs", "applies", "serials", "balance"):
        assert getattr(again, table) == getattr(first.store, table)
    again.close()
    first.store.close()


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_survive_their_text(at):
    assert parse_rfc3339(rfc3339(at)) == at


def test_times_with_offsets_are_read():
    assert parse_rfc3339("2026-11-23T12:00:00+02:00") == parse_rfc3339("2026-11-23T10:00:00.000Z")
    assert parse_rfc3339("2026-11-23T12:00:00 02:00") == parse_rfc3339("2026-11-23T10:00:00Z")
