"""The client's reference on each eSIM: set once, gone on with, within the vendor's limits."""

from __future__ import annotations

from typing import Any

import pytest
from airflow_lab.desk import GB, NL, Desk

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS


def put(desk: Desk) -> int:
    return int(desk.sandbox.books()["requests"].get("PUT /esims", 0))


def references(desk: Desk) -> dict[str, str]:
    return {iccid: esim.customer_ref for iccid, esim in desk.sandbox.store.esims.items() if esim.customer_ref}


@pytest.fixture
def bought(desk: Desk) -> Desk:
    desk.bought(f"ana,{GB},2", f"bo,{NL},1,{PRESET_ICCIDS[0]},SALES")
    return desk


def by_unit(desk: Desk) -> dict[str, str]:
    hook = desk.hook()
    units = hook.ledger.units(hook.ledger.batch(hook.account, "batch"))
    return {unit.iccid or "": unit.recipient_ref for unit in units}


def test_each_esim_gets_its_batch_and_recipient(bought: Desk):
    assert bought.tag() == {"batch_id": "batch", "set": 3, "already": 0, "refused": 0}
    assert references(bought) == {iccid: f"batch/{who}" for iccid, who in by_unit(bought).items()}


def test_a_second_run_sets_nothing(bought: Desk):
    bought.tag()
    before = put(bought)
    assert bought.tag() == {"batch_id": "batch", "set": 0, "already": 3, "refused": 0}
    assert put(bought) == before


def test_a_run_that_was_stopped_is_gone_on_with(desk: Desk):
    desk.bought(f"ana,{GB},10")
    desk.sandbox.fault("status_before", method="PUT", path="^/esims$", nth=7, times=3, status=500)
    with pytest.raises(AirflowException):
        desk.tag()
    assert len(references(desk)) == 6
    assert desk.tag()["set"] == 4
    assert len(references(desk)) == 10


def test_a_hiccup_is_tried_again_since_naming_twice_is_harmless(bought: Desk):
    bought.sandbox.fault("drop_after", method="PUT", path="^/esims$", nth=1)
    assert bought.tag()["set"] == 3


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{recipient_ref}", {"ana", "bo"}),
        ("{batch_id}-{bundle}", {f"batch-{GB}", f"batch-{NL}"}),
        ("x{cost_centre}x", {"xx", "xSALESx"}),
        ("fixed", {"fixed"}),
    ],
)
def test_a_template_says_how(bought: Desk, template: str, told: set[str]):
    bought.tag(template=template)
    assert set(references(bought).values()) == told
    assert bought.tag(template=template)["refused"] == 0


def test_another_template_names_anew(bought: Desk):
    bought.tag()
    assert bought.tag(template="{batch_id}/{recipient_ref}!")["set"] == 3


@pytest.mark.parametrize(
    "template", ["{name}", "{email}", "{0}", "{}", "", "{batch_id", "{recipient_ref.__class__}"]
)
def test_a_template_that_cannot_be_filled_in_names_nothing(bought: Desk, template: str):
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bought.tag(template=template)
    assert put(bought) == 0


def test_a_deactivated_esim_stops_no_other(bought: Desk):
    gone = next(iter(by_unit(bought)))
    bought.hook().client.delete_esim(gone)
    told: dict[str, Any] = bought.tag()
    assert told["set"] + told["refused"] == 3


def test_a_vendor_that_refuses_everything_is_not_asked_a_thousand_times(desk: Desk):
    desk.bought(f"ana,{GB},20")
    desk.sandbox.fault("status_before", method="PUT", path="^/esims$", nth=1, times=1000, status=403)
    with pytest.raises(AirflowFailException, match="403"):
        desk.tag()
    assert put(desk) == 5


def test_a_connection_that_only_looks_names_nothing(bought: Desk):
    bought.connect(mode="read")
    with pytest.raises(AirflowFailException, match=r"only looks.*Nothing was sent"):
        bought.tag()
    bought.connect(mode="validate")
    assert bought.tag()["set"] == 3


def test_a_list_that_does_not_filter_costs_pages_and_loops_not(bought: Desk, monkeypatch: pytest.MonkeyPatch):
    from airflow_provider_esimgo.sandbox import routes_esims  # noqa: PLC0415

    monkeypatch.setattr(routes_esims, "_passes", lambda esim, by, what: True)
    assert bought.tag()["set"] == 3
    assert bought.tag()["already"] == 3
