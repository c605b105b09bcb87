"""A plan is frozen once: the same again is the same batch, and nothing else slips in under its name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.ledger import planning
from airflow_provider_esimgo.ledger.errors import BatchConflict, PlanRefused
from airflow_provider_esimgo.ledger.policy import Mode
from airflow_provider_esimgo.ledger.records import StrayKind
from airflow_provider_esimgo.ledger.schema import metadata
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.sandbox import PRESET_ICCIDS


def plans(bench):
    return [event for event in bench.ledger.events() if event.kind == "planned"]


def test_a_manifest_becomes_orders_of_units_and_nothing_is_bought(bench):
    batch = bench.plan(("e1", bench.GB, 12), ("e2", bench.NL), ("e3", bench.GB, 1, PRESET_ICCIDS[0]))
    assert (batch.row_count, batch.unit_count, batch.order_count) == (3, 14, 2)
    assert (batch.currency, batch.total) == ("USD", Decimal("1.36") * 13 + Decimal("1.42"))
    orders, units = bench.ledger.orders(batch), bench.ledger.units(batch)
    assert [order.number for order in orders] == [1, 2]
    assert [unit.number for unit in units] == list(range(1, 15))
    assert {order.state for order in orders} == {OrderState.PLANNED}
    assert sum(order.unit_count for order in orders) == 14
    assert sum(order.total for order in orders) == batch.total == sum(unit.price for unit in units)
    assert all(order.due == order.total for order in orders)
    assert {unit.topped_up for unit in units} == {None, PRESET_ICCIDS[0]}
    for order in orders:
        assert len(bench.ledger.units_of(order)) == order.unit_count
    assert bench.server.orders() == []


def test_each_shape_is_priced_once_by_the_vendors_dry_run(bench):
    bench.plan(("e1", bench.GB, 50))
    assert bench.server.books()["requests"]["POST /orders"] == 1


def test_a_batch_without_a_name_is_named_by_its_content(bench):
    first, second = bench.plan(batch_id=None), bench.plan(batch_id=None)
    assert first == second
    assert first.batch_id == f"batch-{first.content_hash[:12]}"


def test_the_same_again_is_the_same_batch(bench):
    first = bench.plan(("e1", bench.GB, 12))
    orders = bench.ledger.orders(first)
    assert bench.plan(("e1", bench.GB, 12)) == first
    assert bench.ledger.orders(first) == orders
    assert len(plans(bench)) == 1


def test_changed_content_under_a_known_id_is_refused_with_both_contents(bench):
    first = bench.plan(("e1", bench.GB, 2))
    with pytest.raises(BatchConflict) as refused:
        bench.plan(("e1", bench.GB, 3))
    told = str(refused.value)
    assert "'acme'" in told
    assert first.content_hash[:12] in told
    assert "Nothing was sent" in told
    assert bench.ledger.batch(bench.ACCOUNT, "acme") == first


def test_repeated_content_under_a_new_id_is_refused_with_both_ids(bench):
    bench.plan(batch_id="monday")
    with pytest.raises(BatchConflict, match=r"'monday'.*'tuesday'.*Nothing was sent.*allow_repeat=True"):
        bench.plan(batch_id="tuesday")
    assert [batch.batch_id for batch in bench.ledger.batches()] == ["monday"]


def test_a_repeat_that_is_meant_is_a_batch_of_its_own(bench):
    monday = bench.plan(batch_id="monday")
    tuesday = bench.plan(batch_id="tuesday", allow_repeat=True)
    assert monday.key != tuesday.key
    assert monday.content_hash == tuesday.content_hash
    assert bench.plan(batch_id="tuesday") == tuesday, "once it is there, running it again needs no leave"
    with pytest.raises(BatchConflict):
        bench.plan(batch_id="wednesday")


def test_accounts_do_not_know_each_others_batches(bench):
    mine = bench.plan()
    theirs = bench.plan(account="another")
    assert mine.key != theirs.key
    assert bench.ledger.batches("another") == [theirs]
    assert {batch.account for batch in bench.ledger.batches()} == {bench.ACCOUNT, "another"}


def test_prices_are_renewed_while_nothing_was_sent(bench):
    first = bench.plan(("e1", bench.GB, 12))
    old = bench.ledger.orders(first)
    bench.server.set_price(bench.GB, "1.50")
    renewed = bench.plan(("e1", bench.GB, 12))
    assert (renewed.key, renewed.total) == (first.key, Decimal("18.00"))
    assert renewed.plan_hash != first.plan_hash
    assert [order.due for order in bench.ledger.orders(renewed)] == [Decimal(15), Decimal(3)]
    assert {unit.price for unit in bench.ledger.units(renewed)} == {Decimal("1.5")}
    assert len(plans(bench)) == 2
    assert not {order.key for order in old} & {order.key for order in bench.ledger.orders(renewed)}, (
        "a worker that read the old orders must not take the new ones for them"
    )


def test_a_renewed_plan_is_what_the_rest_of_the_batch_is_bought_under(bench):
    bench.plan()
    bench.server.set_price(bench.GB, "1.50")
    batch = bench.plan()
    assert bench.place(batch) is None
    assert bench.server.books()["charges"] == "4.50"


def test_a_plan_that_was_begun_is_frozen(bench):
    batch = bench.plan(("e1", bench.GB, 12))
    order = bench.ledger.orders(batch)[0]
    with bench.database.write() as connection:
        bench.ledger.move(connection, order, OrderState.SENDING, attempt=1, owner="me", evidence={})
    bench.server.set_price(bench.GB, "9.00")
    assert bench.plan(("e1", bench.GB, 12)) == batch
    assert bench.ledger.orders(batch)[1].due == Decimal("2.72")


def test_a_plan_with_an_order_in_review_is_frozen(bench):
    batch = bench.plan()
    (order,) = bench.ledger.orders(batch)
    with bench.database.write() as connection:
        bench.ledger.move(connection, order, OrderState.REVIEW, evidence={})
    bench.server.set_price(bench.GB, "9.00")
    assert bench.plan() == batch


def test_a_plan_whose_order_has_a_stray_beside_it_is_frozen(bench):
    """A person declared a lookalike foreign: the order is planned again, and its history stays."""
    batch = bench.plan()
    (order,) = bench.ledger.orders(batch)
    with bench.database.write() as connection:
        bench.ledger.add_stray(connection, order, "theirs", StrayKind.FOREIGN)
    bench.server.set_price(bench.GB, "9.00")
    assert bench.plan() == batch
    assert bench.ledger.orders(batch) == [order]


def test_a_worker_that_starts_to_buy_during_a_renewal_wins(bench, monkeypatch):
    """On PostgreSQL the DELETE waits for the other transaction and then finds the order taken."""
    batch = bench.plan(("e1", bench.GB, 12))
    bench.server.set_price(bench.GB, "1.50")
    monkeypatch.setattr(planning, "begun", lambda *_: False)
    order = bench.ledger.orders(batch)[0]
    with bench.database.write() as connection:
        bench.ledger.move(connection, order, OrderState.SENDING, attempt=1, owner="me", evidence={})
    with pytest.raises(BatchConflict, match="began to be bought"):
        bench.plan(("e1", bench.GB, 12))
    assert bench.ledger.batch(bench.ACCOUNT, "acme") == batch
    assert len(bench.ledger.units(batch)) == 12


@pytest.mark.parametrize("same_id", [True, False])
def test_two_workers_that_store_at_the_same_time_end_as_if_one_came_later(bench, monkeypatch, same_id):
    """The first look sees nothing; the constraint stops the INSERT; the second look decides."""
    real, calls = planning._store, []

    def race(ledger, plan, *rest):
        if not calls:
            calls.append(plan)
            monkeypatch.setattr(planning, "_store", real)
            bench.plan(batch_id="acme" if same_id else "rival")
            raise IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))
        return real(ledger, plan, *rest)

    monkeypatch.setattr(planning, "_store", race)
    if same_id:
        assert bench.plan() == bench.ledger.batch(bench.ACCOUNT, "acme")
    else:
        with pytest.raises(BatchConflict, match="'rival'"):
            bench.plan()
    assert len(bench.ledger.batches()) == 1


def test_the_constraint_itself_forbids_one_content_twice(bench):
    batch = bench.plan()
    table = metadata.tables["esimgo_batches"]
    with bench.database.read() as connection:
        row = dict(connection.execute(table.select()).mappings().one())
    row |= {"id": batch.key + 1, "batch_id": "another"}
    with pytest.raises(IntegrityError), bench.database.write() as connection:
        connection.execute(insert(table).values(row))


def test_a_failed_store_leaves_nothing_behind(bench, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(planning, "_insert_orders", fail)
    with pytest.raises(RuntimeError):
        bench.plan()
    assert bench.ledger.batches() == []
    assert bench.ledger.events() == []


# ---- money ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"currency": "EUR"}, r"costs 4\.08 USD for 3 units, but the connection expects EUR"),
        ({"max_total": Decimal("4.07")}, r"more than max_total=4\.07"),
    ],
)
def test_a_plan_that_money_forbids_is_refused_and_not_stored(bench, options, told):
    with pytest.raises(PlanRefused, match=told) as refused:
        bench.plan(**options)
    assert "Nothing was sent" in str(refused.value)
    assert bench.ledger.batches() == []


def test_caps_allow_what_they_name(bench):
    policy = replace(bench.policy, max_order_total=Decimal("4.08"))
    assert bench.plan(currency="USD", max_total=Decimal("4.08"), policy=policy)


def test_an_order_above_its_cap_is_refused(bench):
    with pytest.raises(PlanRefused, match=r"its order 1 costs 4\.08, more than max_order_total=4"):
        bench.plan(policy=replace(bench.policy, max_order_total=Decimal("4")))


def test_the_balance_must_cover_plan_and_reserve(bench):
    bench.server.set_balance("10.00")
    assert bench.plan(policy=replace(bench.policy, reserve=Decimal("5.92")))
    with pytest.raises(
        PlanRefused, match=r"balance is 10\.00 of which 5\.93 is the reserve.*at least 0\.01 USD"
    ):
        bench.plan(("e2", bench.GB, 3), batch_id="b", policy=replace(bench.policy, reserve=Decimal("5.93")))


def test_a_batch_that_was_begun_may_be_validated_again_without_money(bench):
    bench.place(batch := bench.plan())
    bench.server.set(validate_checks_balance=False)
    bench.server.set_balance("0.00")
    assert bench.plan() == batch


def test_a_connection_that_may_only_read_plans_nothing(bench):
    with pytest.raises(PlanRefused, match="'read', which may not price orders"):
        bench.plan(policy=replace(bench.policy, mode=Mode.READ))
    assert "POST /orders" not in bench.server.books()["requests"]


def test_nobodys_name_reaches_the_ledger(bench):
    from airflow_provider_esimgo.manifest import Manifest, Row, content_hash  # noqa: PLC0415

    rows = (
        Row(2, "e1", bench.GB, name="Ada Lovelace", email="ada@example.com", extra={"desk": "42nd floor"}),
    )
    manifest = Manifest("acme.csv", rows, 0, (), (), ("desk",), content_hash(rows))
    planning.plan_batch(
        bench.client, bench.ledger, manifest, account=bench.ACCOUNT, batch_id="x", policy=bench.policy
    )
    assert not [secret for secret in ("Ada", "example.com", "42nd") if secret in bench.dump()]
