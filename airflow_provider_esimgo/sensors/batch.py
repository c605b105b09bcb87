"""Waits until a batch is as far as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.ledger.records import Milestone
from airflow_provider_esimgo.sensors.polling import PollingSensor
from airflow_provider_esimgo.triggers.batch import EsimGoBatchTrigger, look_at_batch
from airflow_provider_esimgo.triggers.polling import BatchGoal, Judgement

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoBatchSensor(PollingSensor):
    """Waits until a share or a number of a batch's units has reached a milestone.

    Fails at once when that can no longer happen (bundles revoked or lapsed), and at the deadline.

    Args:
        batch_id: a bought batch (templated).
        milestone: assigned, installed, active, depleted, expired, lapsed or revoked.
        share: which part of the units has to get there, above 0 and up to 1.
        count: how many units have to get there, instead of a share.
        deadline: a moment in ISO form at which to give up (templated); without an offset it is UTC.
        poke_interval: the longest time between two looks; the first ones come sooner.
    """

    template_fields: Sequence[str] = ("batch_id", "deadline", "esimgo_conn_id")

    def __init__(
        self,
        *,
        batch_id: str,
        milestone: str = "active",
        share: float = 1.0,
        count: int | None = None,
        deadline: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.milestone = Milestone(milestone).value
        self.share = share
        self.count = count
        self.deadline = deadline
        BatchGoal(Milestone(milestone), share, count)  # a wrong goal fails where the DAG is parsed

    def look(self, context: Context) -> Judgement:
        """Ask the vendor how far the batch is."""
        goal = BatchGoal(Milestone(self.milestone), self.share, self.count, self._deadline())
        return look_at_batch(self.esimgo_conn_id, self.batch_id, goal, context)

    def trigger(self) -> EsimGoBatchTrigger:
        """The trigger that goes on looking."""
        deadline = self._deadline()
        return EsimGoBatchTrigger(
            esimgo_conn_id=self.esimgo_conn_id,
            batch_id=self.batch_id,
            milestone=self.milestone,
            share=self.share,
            count=self.count,
            deadline=deadline.isoformat() if deadline else None,
            poll_interval=self.poke_interval,
        )

    def _deadline(self) -> datetime | None:
        if not self.deadline or self.deadline == "None":
            return None
        try:
            moment = datetime.fromisoformat(self.deadline.strip())
        except ValueError:
            raise AirflowFailException(
                f"The deadline {self.deadline!r} is no moment. Give it in ISO form, like 2026-12-31T18:00:00+01:00."
            ) from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
