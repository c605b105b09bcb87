"""A second person says yes to exactly one plan, on Airflow's own page for required actions.

The question is written to the ledger under the plan's hash before it is asked, and the answer beside it; what
the answer is worth is decided there, and checked again in the transaction that precedes each order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.ledger.approval import (
    Approver,
    ask,
    record_approval,
    record_silence,
    standing_approval,
)
from airflow_provider_esimgo.ledger.records import Approval, Choice
from airflow_provider_esimgo.ledger.states import OrderState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_esimgo.ledger.records import Batch
    from airflow_provider_esimgo.ledger.store import Ledger


class EsimGoApprovalOperator(ApprovalOperator):
    """Ask a person to approve a planned batch, with its cost card. Spends nothing.

    An approval counts for the plan that was shown and for no other: a plan that changed or expired while the
    question stood is not approved by its answer. A plan that is approved already is not asked about again.

    Args:
        batch_id: a batch that `EsimGoValidateBatchOperator` planned (templated).
        allow_self_approval: let the person who started the run approve it. Scheduled runs have no such person.
        esimgo_conn_id: the eSIM Go connection (templated).
        subject: the headline; by default what is bought for how much.
        kwargs: of Airflow's `ApprovalOperator`: `assigned_users`, `response_timeout`, `notifiers`;
            `defaults="Reject"` to reject when nobody answered in time (without it the task fails), and
            `fail_on_reject=True` to fail, instead of skipping what comes after, when it was rejected.

    Returns:
        `batch_id`, `account`, `plan_hash`, `choice`, `by`.
    """

    template_fields: Sequence[str] = ("batch_id", "esimgo_conn_id", "subject")
    ui_color = "#f7d9d9"

    def __init__(
        self,
        *,
        batch_id: str,
        allow_self_approval: bool = False,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        subject: str | None = None,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        if "body" in kwargs:
            raise ValueError("body is the cost card; give a subject instead")
        if self.APPROVE in (kwargs.get("defaults") or ()):
            raise ValueError("defaults may be 'Reject' only: an approval is given by a person")
        super().__init__(subject=subject or "", multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.allow_self_approval = allow_self_approval
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Show the card and wait, unless there is nothing to ask."""
        if not context:
            raise AirflowFailException("An approval needs a DAG run, in whose pages it is given.")
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            batch = hook.ledger.batch(hook.account, self.batch_id)
            if not hook.ledger.tally(batch)[OrderState.PLANNED]:
                self.log.info("Batch %s has no order left to send: nothing to approve", batch.batch_id)
                return _summary(batch, None)
            if (earlier := self._earlier(hook.ledger, batch, context)) is not None:
                self.log.info("Plan %s was approved by %s: not asked again", batch.plan_hash[:12], earlier.by)
                return _summary(batch, earlier)
            ask(hook.ledger, batch, request=_request(context), requester=_requester(context))
        card = batch.cost_card()
        self.subject = self.subject or (
            f"Buy {batch.unit_count} eSIM units for {batch.total:,.2f} {batch.currency}: batch {batch.batch_id}"
        )
        self.body = card.markdown(valid_until=batch.expires) if card else f"Plan `{batch.plan_hash}`"
        super().execute(context)
        raise AssertionError("waiting for an answer does not return")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Write the answer to the ledger; go on, skip or fail by what it is worth there."""
        approved = event.get("chosen_options") == [self.APPROVE]
        answered = not event.get("error") and bool(event.get("chosen_options"))
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            batch = hook.ledger.batch(hook.account, self.batch_id)
            request = _request(context)
            if not answered:
                note = (
                    "nobody answered in time"
                    if event.get("error_type") == "timeout"
                    else "the answer was unusable"
                )
                record_silence(hook.ledger, batch, request=request, note=note)
                raise AirflowFailException(
                    f"Batch {batch.batch_id!r} is not approved: {note} ({event.get('error')}). Nothing was sent. "
                    "Clear this task to ask again."
                )
            answer = record_approval(
                hook.ledger,
                batch,
                request=request,
                approved=approved,
                approver=_approver(event),
                allow_self_approval=self.allow_self_approval,
                note=None if event.get("responded_by_user") else "nobody answered in time",
            )
        self.log.info(
            "Batch %s, plan %s: %s by %s", batch.batch_id, answer.plan_hash[:12], answer.choice, answer.by
        )
        if answer.choice is Choice.VOID:
            raise AirflowFailException(
                f"The approval of batch {batch.batch_id!r} by {answer.by} does not count: {answer.note}. Nothing was "
                "sent. Clear this task to ask again; where the plan changed or expired, the task that validates it."
            )
        try:
            super().execute_complete(context, event)  # skips what comes after where it was rejected
        except HITLRejectException:
            raise AirflowFailException(  # a retry would ask again
                f"Batch {batch.batch_id!r} was rejected by {answer.by}. Nothing was sent."
            ) from None
        return _summary(batch, answer)

    def _earlier(self, ledger: Ledger, batch: Batch, context: Context) -> Approval | None:
        """An approval that this task would accept as well."""
        with ledger.database.read() as connection:
            earlier = standing_approval(connection, batch)
        if earlier is None or earlier.user_id is None:
            return None
        approver = Approver(earlier.user_id, earlier.user_name)
        if not self.allow_self_approval and approver.is_same_as(_requester(context)):
            return None
        if self.assigned_users and approver.id not in {user["id"] for user in self.assigned_users}:
            return None
        return earlier


def _request(context: Context) -> str:
    """This try of this task: an answer belongs to the question that was asked in it."""
    return str(context["ti"].id)


def _requester(context: Context) -> str | None:
    """Who started the run; nobody did where it was scheduled."""
    return getattr(context.get("dag_run"), "triggering_user_name", None)


def _approver(event: dict[str, Any]) -> Approver | None:
    user = event.get("responded_by_user")
    return Approver(str(user["id"]), user.get("name")) if user else None


def _summary(batch: Batch, answer: Approval | None) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "account": batch.account,
        "plan_hash": batch.plan_hash,
        "choice": answer.choice.value if answer and answer.choice else None,
        "by": answer.by if answer else None,
    }
