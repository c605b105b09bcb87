"""Follows a batch in the triggerer until a goal is reached. GET only; milestones it learns go into the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.ledger.milestones import follow_batch
from airflow_provider_esimgo.ledger.records import Milestone
from airflow_provider_esimgo.triggers.poll import PollingTrigger
from airflow_provider_esimgo.triggers.polling import BatchGoal, Judgement


class EsimGoBatchTrigger(PollingTrigger):
    """Fires when a batch has reached its goal, can no longer reach it, or is overdue.

    Args:
        esimgo_conn_id: the eSIM Go connection.
        batch_id: the batch.
        milestone, share, count, deadline: the goal, see `BatchGoal`; the deadline as ISO text.
        poll_interval: the longest time between two looks, in seconds.
    """

    arguments: ClassVar[tuple[str, ...]] = (
        "esimgo_conn_id",
        "batch_id",
        "milestone",
        "share",
        "count",
        "deadline",
        "poll_interval",
    )

    def __init__(
        self,
        *,
        esimgo_conn_id: str,
        batch_id: str,
        milestone: str,
        share: float = 1.0,
        count: int | None = None,
        deadline: str | None = None,
        poll_interval: float = 60.0,
    ) -> None:
        super().__init__()
        self.esimgo_conn_id = esimgo_conn_id
        self.batch_id = batch_id
        self.milestone = milestone
        self.share = share
        self.count = count
        self.deadline = deadline
        self.poll_interval = poll_interval

    def look(self) -> Judgement:
        """Ask the vendor how far the batch is."""
        deadline = datetime.fromisoformat(self.deadline) if self.deadline else None
        goal = BatchGoal(Milestone(self.milestone), self.share, self.count, deadline)
        return look_at_batch(self.esimgo_conn_id, self.batch_id, goal)


def look_at_batch(esimgo_conn_id: str, batch_id: str, goal: BatchGoal, context: Any = None) -> Judgement:
    """Ask the vendor how far a batch is, and compare it with the goal."""
    # one look at a large batch takes minutes
    with (
        explained(esimgo_conn_id),
        EsimGoHook(esimgo_conn_id, context=context, in_background=True) as hook,
    ):
        batch = hook.ledger.batch(hook.account, batch_id)
        return goal.judge(follow_batch(hook.client, hook.ledger, batch, goal.milestone))
