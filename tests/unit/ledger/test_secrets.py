"""Design §1, promise 3: after any purchase the ledger holds no code, no PIN, no PUK and no key."""

from __future__ import annotations

import re

import pytest

from airflow_provider_esimgo.ledger.errors import LedgerError
from airflow_provider_esimgo.ledger.migrations import HEAD
from airflow_provider_esimgo.ledger.milestones import follow_batch
from airflow_provider_esimgo.ledger.records import Milestone

_NOT_A_PIN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z?"
)  # UUIDs, times
_DIGITS = re.compile(r"\b\d+\b")  # an owner of a lease is a word in which digits stand


@pytest.fixture(autouse=True)
def no_amount_has_four_digits(bench):
    """A balance of 4998 would look like a PIN."""
    bench.server.set_balance("500.00")


def leaks(bench):
    """Every secret the sandbox knows that is found in any column of any table of the ledger."""
    held = bench.dump()
    # a PIN has four digits: only a whole number is one, and the schema's version is none
    numbers = set(_DIGITS.findall(_NOT_A_PIN.sub(" ", held))) - {HEAD}
    found = [bench.server.key] if bench.server.key in held else []
    for esim in bench.server.store.esims.values():
        found += [secret for secret in (esim.matching_id, esim.lpa) if secret in held]
        found += [secret for secret in (esim.pin, esim.puk) if secret in numbers]
    return found


@pytest.mark.parametrize(
    "faults",
    [
        [],
        ["drop_after"],
        ["missing_reference"],
        ["broken_json"],
        ["wrong_total"],
        ["fewer_esims"],
        ["late_esims"],
        ["failed"],
        ["drop_after", "twin"],
        ["duplicate", "status_after"],
        ["rate_limited"],
    ],
    ids="+".join,
)
def test_no_secret_reaches_the_ledger(bench, faults):
    for kind in faults:
        bench.server.fault(kind)
    batch = bench.plan(("e1", bench.GB, 12), ("e2", bench.NL, 1))
    told = ""
    try:
        bench.place(batch, canary=True)
    except LedgerError as error:
        told = str(error)
    bench.server.activate_all()
    follow_batch(bench.client, bench.ledger, batch, Milestone.ACTIVE)
    assert bench.server.orders(), "nothing was bought: this shows nothing"
    assert leaks(bench) == []
    assert not [esim for esim in bench.server.store.esims.values() if esim.matching_id in told]


def test_a_secret_in_the_vendors_refusal_does_not_reach_the_ledger(bench):
    """The vendor's message is kept with the order: what looks like a code is struck out of it."""
    bench.place(bench.plan(("e0", bench.GB), batch_id="first"))
    esim = next(esim for esim in bench.server.store.esims.values() if esim.bundles)
    bench.server.fault(
        "status_before", status=400, message=f"no: {esim.lpa} {esim.matching_id} {bench.server.key}"
    )
    with pytest.raises(LedgerError):
        bench.place(bench.plan())
    assert "no: " in bench.dump()
    assert leaks(bench) == []


def test_the_search_would_find_a_leak(bench):
    bench.place(bench.plan())
    esim = next(iter(bench.server.store.esims.values()))
    (order,) = bench.ledger.orders(bench.ledger.batch(bench.ACCOUNT, "acme"))
    bench.ledger.record(order, "leak", {"lpa": esim.lpa, "pin": esim.pin})
    assert leaks(bench) == [esim.matching_id, esim.lpa, esim.pin]
