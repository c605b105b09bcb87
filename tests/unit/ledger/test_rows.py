"""What ledger and vendor know of a manifest's rows is told before anything is priced, all of it at once."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.ledger.rows import QUEUE_LIMIT
from airflow_provider_esimgo.manifest import ManifestError, Severity
from airflow_provider_esimgo.sandbox import PRESET_ICCIDS

ESIM, OTHER = PRESET_ICCIDS[:2]
JP = "esim_1GB_7D_JP_V2"  # of the other network profile


def faults(bench, *rows, **options):
    with pytest.raises(ManifestError) as refused:
        bench.plan(*rows, **options)
    return [(fault.row, fault.code) for fault in refused.value.faults]


def test_every_pair_of_esim_and_bundle_is_asked_about_once(bench):
    rows = [(f"e{number}", bench.GB, 1, ESIM) for number in range(3)]
    bench.plan(*rows, ("e9", bench.NL, 1, ESIM), ("n", bench.NL))
    asked = {call: times for call, times in bench.server.books()["requests"].items() if "esims" in call}
    assert sorted(asked.values()) == [1, 2], asked


def test_all_of_them_are_told_and_nothing_is_priced(bench):
    rows = [("e1", JP, 1, ESIM), ("e2", bench.GB, 1, "8944000000000000003"), ("e3", bench.GB)]
    assert faults(bench, *rows) == [(2, "not_compatible"), (3, "iccid_refused")]
    assert "POST /orders" not in bench.server.books()["requests"]
    assert bench.ledger.batches() == []


def test_an_esim_takes_no_more_than_its_queue(bench):
    rows = [(f"e{number}", bench.GB, 1, ESIM) for number in range(QUEUE_LIMIT + 2)]
    assert [code for _, code in faults(bench, *rows)] == ["queue_full"] * 2
    bench.place(bench.plan(*rows[:-2], batch_id="full"))
    assert faults(bench, ("late", bench.GB, 1, ESIM), batch_id="late") == [(2, "queue_full")]


def test_a_recipient_gets_a_bundle_from_one_batch_only(bench):
    bench.place(bench.plan(("e1", bench.GB), ("e2", bench.NL), batch_id="monday"))
    rows = [("e1", bench.GB), ("e1", bench.NL), ("e3", bench.GB)]
    assert faults(bench, *rows, batch_id="tuesday") == [(2, "bought_before")]
    assert bench.plan(*rows, batch_id="tuesday", allow_repeat=True)


def test_what_was_only_planned_was_not_bought(bench):
    bench.plan(("e1", bench.GB), ("e2", bench.NL), batch_id="monday")
    assert bench.plan(("e1", bench.GB), batch_id="tuesday")


def test_a_plan_that_another_batch_overtook_is_not_renewed(bench):
    bench.plan(("e1", bench.GB), ("e2", bench.NL), batch_id="monday")
    bench.place(bench.plan(("e1", bench.GB), batch_id="tuesday"))
    assert faults(bench, ("e1", bench.GB), ("e2", bench.NL), batch_id="monday") == [(2, "bought_before")]


def test_a_repeat_that_is_allowed_is_a_warning(bench):
    bench.place(bench.plan(("e1", bench.GB), batch_id="monday"))
    from airflow_provider_esimgo.ledger.planning import check_rows  # noqa: PLC0415

    checked = check_rows(
        bench.client,
        bench.ledger,
        bench.manifest(("e1", bench.GB), ("e2", bench.GB)),
        account=bench.ACCOUNT,
        batch_id="tuesday",
        allow_repeat=True,
    )
    assert [(one.row, one.severity) for one in checked.warnings] == [(2, Severity.WARNING)]


def test_a_batch_that_was_begun_is_not_asked_about_again(bench):
    bench.place(batch := bench.plan(("e1", bench.GB, 1, OTHER)))
    bench.server.set(validate_checks_balance=False)

    def asked():
        return [times for call, times in bench.server.books()["requests"].items() if "compatible" in call]

    before = asked()
    assert bench.plan(("e1", bench.GB, 1, OTHER)).plan_hash == batch.plan_hash
    assert asked() == before
