"""Follows one bundle on one eSIM in the triggerer. GET only; needs no ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.triggers.poll import PollingTrigger
from airflow_provider_esimgo.triggers.polling import Judgement, StateGoal


class EsimGoBundleTrigger(PollingTrigger):
    """Fires when a bundle on an eSIM is in one of some states, or will never be.

    Args:
        esimgo_conn_id: the eSIM Go connection.
        iccid, bundle: which bundle on which eSIM.
        states: the states waited for.
        poll_interval: the longest time between two looks, in seconds.
    """

    arguments: ClassVar[tuple[str, ...]] = ("esimgo_conn_id", "iccid", "bundle", "states", "poll_interval")

    def __init__(
        self,
        *,
        esimgo_conn_id: str,
        iccid: str,
        bundle: str,
        states: Sequence[str],
        poll_interval: float = 60.0,
    ) -> None:
        super().__init__()
        self.esimgo_conn_id = esimgo_conn_id
        self.iccid = iccid
        self.bundle = bundle
        self.states = list(states)
        self.poll_interval = poll_interval

    def look(self) -> Judgement:
        """Ask the vendor for the bundle's state."""
        return look_at_bundle(self.esimgo_conn_id, self.iccid, self.bundle, StateGoal(self.states))


def look_at_bundle(esimgo_conn_id: str, iccid: str, bundle: str, goal: StateGoal) -> Judgement:
    """Ask the vendor for a bundle's state, of its newest assignment, and compare it with the goal."""
    with explained(esimgo_conn_id), EsimGoHook(esimgo_conn_id) as hook:
        assignments = hook.client.get_bundle(iccid, bundle)
        newest = max(assignments, key=lambda assignment: assignment.assigned, default=None)
        return goal.judge(iccid, bundle, newest.state if newest else None)
