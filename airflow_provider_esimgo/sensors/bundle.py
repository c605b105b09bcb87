"""Waits for the state of one bundle on one eSIM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_esimgo.sensors.polling import PollingSensor
from airflow_provider_esimgo.triggers.bundle import EsimGoBundleTrigger, look_at_bundle
from airflow_provider_esimgo.triggers.polling import Judgement, StateGoal

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoBundleSensor(PollingSensor):
    """Waits until a bundle on an eSIM is in one of some states; fails at once when it never will be.

    Args:
        iccid: the eSIM (templated).
        bundle: the bundle's exact name (templated).
        states: the states waited for: processing, queued, active, depleted, expired, revoked, lapsed.
        poke_interval: the longest time between two looks; the first ones come sooner.
    """

    template_fields: Sequence[str] = ("iccid", "bundle", "esimgo_conn_id")

    def __init__(
        self, *, iccid: str, bundle: str, states: Sequence[str] = ("active",), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.iccid = iccid
        self.bundle = bundle
        self.states = list(states)
        StateGoal(self.states)  # a wrong state fails where the DAG is parsed

    def look(self, context: Context) -> Judgement:
        """Ask the vendor for the bundle's state."""
        return look_at_bundle(self.esimgo_conn_id, self.iccid, self.bundle, StateGoal(self.states))

    def trigger(self) -> EsimGoBundleTrigger:
        """The trigger that goes on looking."""
        return EsimGoBundleTrigger(
            esimgo_conn_id=self.esimgo_conn_id,
            iccid=self.iccid,
            bundle=self.bundle,
            states=self.states,
            poll_interval=self.poke_interval,
        )
