"""The sensors look once in the worker and then wait in the triggerer; what can never happen fails at once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import BaseSensorOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent
from airflow_lab.desk import CONTEXT, GB, NL, Desk, bought_units

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.hooks.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_esimgo.operators.batch import EsimGoPlaceOrdersOperator
from airflow_provider_esimgo.sensors.bundle import EsimGoBundleSensor
from airflow_provider_esimgo.triggers.batch import EsimGoBatchTrigger
from airflow_provider_esimgo.triggers.bundle import EsimGoBundleTrigger
from airflow_provider_esimgo.triggers.settle import EsimGoSettleTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred


def deferred(act: Any, context: Any = CONTEXT) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as stopped:
        act(context)
    return stopped.value


def stored_and_loaded(trigger: BaseTrigger) -> BaseTrigger:
    """What the triggerer makes of a trigger: it knows no more than path and arguments as JSON."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    kind = getattr(__import__(module, fromlist=[name]), name)
    loaded = kind(**json.loads(json.dumps(arguments)))
    assert loaded.serialize() == (path, arguments)
    return loaded


def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    """The one event that a trigger ends with."""

    async def run() -> list[TriggerEvent]:
        return [event async for event in stored_and_loaded(trigger).run()]

    (event,) = asyncio.run(run())
    assert json.loads(json.dumps(event.payload)) == event.payload
    return event.payload


@pytest.fixture
def four(desk: Desk) -> Desk:
    """A desk with a bought batch of four units."""
    desk.bought(f"ana,{GB},2", f"bo,{NL},2")
    return desk


def revoke(desk: Desk, count: int) -> None:
    for esim in desk.sandbox.orders()[0]["iccids"][:count]:
        for assignment in desk.hook().client.list_bundles(esim):
            desk.hook().client.revoke_bundle(esim, assignment.name)


def iccid(desk: Desk) -> str:
    return desk.sandbox.orders()[0]["iccids"][0]


def poke(sensor: BaseSensorOperator) -> bool:
    return bool(sensor.poke({}))


# the batch sensor, in the worker


def test_it_passes_as_soon_as_the_milestone_is_reached(four: Desk):
    assert not poke(four.sensor())
    four.sandbox.install_all()
    assert poke(four.sensor(milestone="installed"))
    assert not poke(four.sensor())
    four.sandbox.activate_all()
    assert four.sensor().execute({}) is None


@pytest.mark.parametrize("goal", [{"share": 0.5}, {"count": 2}])
def test_a_part_of_the_batch_may_be_enough(four: Desk, goal: dict[str, Any]):
    four.sandbox.install_all()
    four.sandbox.activate_all(1)
    assert not poke(four.sensor(**goal))
    four.sandbox.activate_all(1)
    assert poke(four.sensor(**goal))


def test_what_was_revoked_can_no_longer_become_active(four: Desk):
    revoke(four, 1)
    with pytest.raises(AirflowFailException, match="1 units can no longer get there"):
        four.sensor().execute({})
    assert not poke(four.sensor(share=0.75))


def test_out_of_reach_is_skipped_where_that_is_wanted(four: Desk):
    revoke(four, 1)
    with pytest.raises(AirflowSkipException):
        four.sensor(soft_fail=True).execute({})


@pytest.mark.parametrize("offset", ["+00:00", ""])
def test_at_the_deadline_it_gives_up(four: Desk, offset: str):
    moment = (datetime.now(UTC) - timedelta(seconds=1)).replace(tzinfo=None).isoformat() + offset
    with pytest.raises(AirflowSensorTimeout, match="at the deadline"):
        four.sensor(deadline=moment).execute({})
    with pytest.raises(AirflowSkipException):
        four.sensor(deadline=moment, soft_fail=True).execute({})
    four.sandbox.install_all()
    four.sandbox.activate_all()
    assert four.sensor(deadline=moment).execute({}) is None


@pytest.mark.parametrize("none", ["", "None", None])
def test_a_deadline_that_renders_to_nothing_is_none(four: Desk, none: str | None):
    assert not poke(four.sensor(deadline=none))


def test_a_deadline_that_is_no_moment_is_told_in_one_line(four: Desk):
    with pytest.raises(AirflowFailException, match="'tomorrow' is no moment") as refused:
        four.sensor(deadline="tomorrow").execute({})
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("wrong", [{"share": 0}, {"count": 0}, {"milestone": "aktive"}])
def test_a_goal_that_makes_no_sense_fails_where_the_dag_is_parsed(desk: Desk, wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"must be|is not a valid"):
        desk.sensor(**wrong)


def test_an_unknown_batch_fails_at_once(desk: Desk):
    with pytest.raises(AirflowFailException, match="'nothing'"):
        desk.sensor("nothing").execute({})


def test_a_batch_that_is_not_bought_yet_is_waited_for(desk: Desk):
    desk.validate()
    assert not poke(desk.sensor())


# the bundle sensor


def test_a_bundles_state_is_waited_for(four: Desk):
    def sensor(**fields: Any) -> EsimGoBundleSensor:
        bundle = four.sandbox.orders()[0]["lines"][0]["item"]
        return EsimGoBundleSensor(task_id="wait", iccid=iccid(four), bundle=bundle, **fields)

    assert not poke(sensor())
    assert poke(sensor(states=["Queued", "Active"]))
    four.sandbox.install_all()
    four.sandbox.activate_all()
    assert sensor().execute({}) is None
    revoke(four, 1)
    with pytest.raises(AirflowFailException, match="will never be active"):
        sensor().execute({})
    assert poke(sensor(states=["revoked"]))


# deferral


def test_a_sensor_that_is_satisfied_does_not_defer(four: Desk):
    assert four.sensor(deferrable=True, milestone="assigned").execute(CONTEXT) is None


def test_a_waiting_sensor_hands_its_goal_to_the_triggerer(four: Desk):
    sensor = four.sensor(deferrable=True, share=0.5, deadline="2999-01-01", timeout=timedelta(hours=1))
    stopped = deferred(sensor.execute)
    assert stopped.method_name == "execute_complete"
    assert stopped.timeout == timedelta(hours=1)
    path, arguments = stopped.trigger.serialize()
    assert path == "airflow_provider_esimgo.triggers.batch.EsimGoBatchTrigger"
    assert arguments == {
        "esimgo_conn_id": "esimgo_default",
        "batch_id": "batch",
        "milestone": "active",
        "share": 0.5,
        "count": None,
        "deadline": "2999-01-01T00:00:00+00:00",
        "poll_interval": 60.0,
    }


def test_the_trigger_fires_when_the_goal_is_reached(four: Desk):
    stopped = deferred(four.sensor(deferrable=True).execute)
    four.sandbox.install_all()
    four.sandbox.activate_all()
    event = event_of(stopped.trigger)
    assert event["finding"] == "reached"
    assert four.sensor(deferrable=True).execute_complete(CONTEXT, event) is None


def test_the_trigger_looks_again_until_then(four: Desk, monkeypatch: pytest.MonkeyPatch):
    stopped = deferred(four.sensor(deferrable=True).execute)
    waits: list[float] = []

    async def instead_of_sleeping(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            four.sandbox.install_all()
            four.sandbox.activate_all()

    monkeypatch.setattr("airflow_provider_esimgo.triggers.poll.asyncio.sleep", instead_of_sleeping)
    assert event_of(stopped.trigger)["finding"] == "reached"
    assert len(waits) == 3
    assert waits == sorted(waits)


@pytest.mark.parametrize(("soft", "error"), [(False, AirflowFailException), (True, AirflowSkipException)])
def test_out_of_reach_comes_back_from_the_triggerer(four: Desk, soft: bool, error: type[Exception]):
    stopped = deferred(four.sensor(deferrable=True).execute)
    revoke(four, 1)
    event = event_of(stopped.trigger)
    assert event["finding"] == "unreachable"
    with pytest.raises(error, match="can no longer get there"):
        four.sensor(deferrable=True, soft_fail=soft).execute_complete(CONTEXT, event)


def test_the_deadline_comes_back_from_the_triggerer(four: Desk):
    trigger = EsimGoBatchTrigger(
        esimgo_conn_id="esimgo_default",
        batch_id="batch",
        milestone="active",
        deadline="2026-01-01T00:00:00+00:00",
    )
    event = event_of(trigger)
    assert event["finding"] == "overdue"
    with pytest.raises(AirflowSensorTimeout):
        four.sensor(deferrable=True).execute_complete(CONTEXT, event)


def test_an_error_in_the_triggerer_fails_the_task_so_that_it_may_be_retried(
    four: Desk, instant_retries: None
):
    stopped = deferred(four.sensor(deferrable=True).execute)
    with four.sandbox.refusing():
        event = event_of(stopped.trigger)
    with pytest.raises(AirflowException, match="esimgo_default") as failed:
        four.sensor(deferrable=True).execute_complete(CONTEXT, event)
    assert not isinstance(failed.value, AirflowFailException)


def test_an_error_that_no_retry_cures_is_final_from_the_triggerer_too(four: Desk):
    stopped = deferred(four.sensor(deferrable=True).execute)
    four.connect(password="rotated-since")
    event = event_of(stopped.trigger)
    assert "rotated-since" not in event["message"]
    with pytest.raises(AirflowFailException, match="esimgo_default"):
        four.sensor(deferrable=True).execute_complete(CONTEXT, event)


def test_the_bundle_sensor_defers_as_well(four: Desk):
    order = four.sandbox.orders()[0]
    sensor = EsimGoBundleSensor(
        task_id="wait", iccid=order["iccids"][0], bundle=order["lines"][0]["item"], deferrable=True
    )
    stopped = deferred(sensor.execute)
    assert isinstance(stopped.trigger, EsimGoBundleTrigger)
    four.sandbox.install_all()
    four.sandbox.activate_all()
    event = event_of(stopped.trigger)
    assert event["finding"] == "reached"
    assert sensor.execute_complete(CONTEXT, event) is None


# the place operator


class Impatient(EsimGoPlaceOrdersOperator):
    """Waits for nothing in the worker."""

    patience = 0.0


@pytest.fixture
def doubtful(desk: Desk) -> Desk:
    """A batch whose only order took effect, and will be seen in a moment."""
    desk.connect(settle_seconds=1)
    desk.validate()
    desk.sandbox.fault("drop_after")
    desk.sandbox.fault("late_visible", seconds=0.3)
    return desk


def test_an_unknown_outcome_is_waited_for_in_the_triggerer(doubtful: Desk):
    operator = Impatient(task_id="place", batch_id="batch")
    stopped = deferred(operator.execute)
    assert stopped.method_name == "resume"
    assert isinstance(stopped.trigger, EsimGoSettleTrigger)
    assert isinstance(stored_and_loaded(stopped.trigger), EsimGoSettleTrigger)
    event = event_of(stopped.trigger)
    assert event == {"message": "every order of the account is resolved"}
    assert operator.resume(CONTEXT, event)["states"] == {"ASSIGNED": 1}
    assert bought_units(doubtful.sandbox) == {GB: 2, NL: 1}


def test_the_trigger_that_waits_for_it_sends_nothing_however_often_it_runs(doubtful: Desk):
    stopped = deferred(Impatient(task_id="place", batch_id="batch").execute)
    posts = len(doubtful.sandbox.books()["order_posts"])
    for _ in range(3):
        event_of(stopped.trigger)
    assert len(doubtful.sandbox.books()["order_posts"]) == posts


def test_an_error_in_that_trigger_wakes_the_task_which_looks_for_itself(
    doubtful: Desk, instant_retries: None
):
    operator = Impatient(task_id="place", batch_id="batch")
    stopped = deferred(operator.execute)
    doubtful.connect(password="rotated-since")
    event = event_of(stopped.trigger)
    assert event["message"]
    assert "rotated-since" not in event["message"]
    with pytest.raises(AirflowFailException, match="esimgo_default"):
        operator.resume(CONTEXT, event)


def test_without_deferral_the_worker_waits_itself(doubtful: Desk):
    operator = Impatient(task_id="place", batch_id="batch", deferrable=False)
    assert operator.execute(CONTEXT)["states"] == {"ASSIGNED": 1}
    assert bought_units(doubtful.sandbox) == {GB: 2, NL: 1}


def test_a_look_at_a_large_batch_leaves_half_of_the_requests_to_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    """The vendor counts by address: beside a sensor's look a delivery was turned away until it gave up."""
    paces: list[float] = []

    class Paced(EsimGoClient):
        def __init__(self, *arguments: Any, requests_per_second: float, **fields: Any) -> None:
            paces.append(requests_per_second)
            super().__init__(*arguments, requests_per_second=requests_per_second, **fields)

    desk.bought()
    desk.connect(requests_per_second=10)
    monkeypatch.setattr("airflow_provider_esimgo.hooks.esimgo.EsimGoClient", Paced)
    desk.sensor(milestone="active").look({})
    desk.place()
    assert paces == [5.0, 10.0]
