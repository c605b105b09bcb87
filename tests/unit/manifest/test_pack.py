"""Packing: every unit once, as few orders as can be, the same ones every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.manifest import DraftLine, Unit, pack_orders


def make_units(asked):
    return tuple(
        Unit(number, number + 1, f"E{number}", bundle, iccid)
        for number, (bundle, iccid) in enumerate(asked, start=1)
    )


iccids = st.integers(1, 8).map(lambda n: f"894400000000000000{n}")
units = st.lists(
    st.tuples(st.sampled_from(["b1", "b2", "b3"]), st.one_of(st.none(), iccids)), max_size=60
).map(make_units)
sizes = st.integers(1, 12)


@given(units, sizes)
def test_every_unit_is_in_exactly_one_order(units, size):
    packed = [unit for order in pack_orders(units, max_units_per_order=size) for unit in order.units]
    assert sorted(packed, key=lambda unit: unit.number) == list(units)


@given(units, sizes)
def test_no_order_is_too_large_or_empty(units, size):
    assert all(1 <= len(order.units) <= size for order in pack_orders(units, max_units_per_order=size))


@given(units, sizes)
def test_the_number_of_orders_is_the_minimum(units, size):
    times = Counter(unit.iccid for unit in units if unit.iccid)
    least = max(-(-len(units) // size), max(times.values(), default=0))
    assert len(pack_orders(units, max_units_per_order=size)) == least


@given(units, sizes)
def test_no_order_has_an_iccid_twice(units, size):
    for order in pack_orders(units, max_units_per_order=size):
        topped_up = [unit.iccid for unit in order.units if unit.iccid]
        assert len(topped_up) == len(set(topped_up))


@given(units, sizes, st.randoms())
def test_the_sequence_in_which_units_arrive_does_not_matter(units, size, random):
    shuffled = random.sample(units, len(units))
    assert pack_orders(shuffled, max_units_per_order=size) == pack_orders(units, max_units_per_order=size)


@given(units, sizes)
def test_lines_say_what_the_units_say(units, size):
    for number, order in enumerate(pack_orders(units, max_units_per_order=size), start=1):
        assert order.number == number
        assert order.shape == order.lines
        keys = [(line.bundle, bool(line.iccids)) for line in order.lines]
        assert len(keys) == len(set(keys))
        left = list(order.units)
        for line in order.lines:
            mine, left = left[: line.quantity], left[line.quantity :]
            assert {unit.bundle for unit in mine} == {line.bundle}
            assert [unit.iccid for unit in mine] == list(line.iccids or [None] * line.quantity)
        assert left == []


def test_fifty_units_of_one_bundle_are_five_orders_of_one_shape():
    orders = pack_orders(make_units([("b", None)] * 50))
    assert [order.shape for order in orders] == [(DraftLine("b", 10),)] * 5


def test_bundles_fill_orders_together():
    orders = pack_orders(make_units([("a", None), ("b", None)] * 15))
    assert [order.lines for order in orders] == [
        (DraftLine("a", 10),),
        (DraftLine("a", 5), DraftLine("b", 5)),
        (DraftLine("b", 10),),
    ]


def test_top_ups_stay_out_of_orders_of_new_esims():
    topped_up = [("a", f"894400000000000{n:04}") for n in range(1, 11)]
    orders = pack_orders(make_units([*topped_up, *[("a", None)] * 10]))
    assert [bool(line.iccids) for order in orders for line in order.lines] == [False, True]


def test_an_esim_topped_up_more_often_than_there_are_orders_gets_more_orders():
    orders = pack_orders(
        make_units([(f"b{n}", "8944000000000000001") for n in range(12)] + [("a", None)] * 3)
    )
    assert len(orders) == 12
    assert [len(order.units) for order in orders] == [4] + [1] * 11


def test_repeated_top_ups_disturb_as_few_orders_as_possible():
    twice = [(bundle, f"894400000000000000{n}") for n in range(3) for bundle in ("a", "b")]
    orders = pack_orders(make_units([*twice, *[("a", None)] * 94]))
    assert [any(line.iccids for line in order.lines) for order in orders] == [False] * 8 + [True] * 2


def test_no_units_are_no_orders():
    assert pack_orders(()) == ()


def test_an_order_holds_at_least_one_unit():
    with pytest.raises(ValueError, match="at least 1"):
        pack_orders(make_units([("b", None)]), max_units_per_order=0)


def test_packing_does_not_depend_on_the_hash_seed():
    program = (
        "from airflow_provider_esimgo.manifest import *;"
        "iccids = [f'89440000000000000{n % 5:02}' if n % 3 else None for n in range(80)];"
        "u = [Unit(n, n, f'E{n}', f'b{n % 7}', iccids[n]) for n in range(1, 80)];"
        "print(pack_orders(u))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
