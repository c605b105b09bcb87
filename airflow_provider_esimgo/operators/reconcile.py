"""Finds out, on a schedule, what became of orders whose outcome nobody knows. Reads the vendor, never writes to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.ledger.reconcile import reconcile_account
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.triggers.settle import EsimGoSettleTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoReconcileOperator(BaseOperator):
    """Resolve every unknown order of an account from the vendor's books, or put it before a person.

    Args:
        fail_on_review: fail when orders wait for a person, so that somebody is told.
        deferrable: wait for the settle time in the triggerer instead of in a worker slot.
        esimgo_conn_id: the eSIM Go connection (templated); mode `read` is enough.

    Returns:
        `account`, `review` (how many orders wait for a person), `duplicates` (suspected), `resolved` (how many
        orders this look resolved, by ruling).
    """

    template_fields: Sequence[str] = ("esimgo_conn_id",)
    ui_color = "#f2e2e2"

    def __init__(
        self,
        *,
        fail_on_review: bool = True,
        deferrable: bool = True,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fail_on_review = fail_on_review
        self.deferrable = deferrable
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once; wait for what may still appear; look again."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            resolved = reconcile_account(hook.client, hook.ledger, hook.account, hook.policy)
            for resolution in resolved.resolutions:
                order = resolution.order
                self.log.info("Order %d is %s: %s", order.key, order.state, resolution.reason)
            if resolved.look_again_in is None or not (self.deferrable and context):
                return self._report(hook, Counter(each.ruling.value for each in resolved.resolutions))
            wait = resolved.look_again_in
        self.log.info("Looking again in %.0f s, outside of the worker", wait)
        self.defer(
            trigger=EsimGoSettleTrigger(esimgo_conn_id=self.esimgo_conn_id, seconds=wait),
            method_name="resume",
        )
        raise AssertionError("defer() does not return")

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """The trigger has resolved what it could."""
        if event:
            self.log.info("%s", event["message"])
        return self.execute(context)

    def _report(self, hook: EsimGoHook, rulings: Counter[str]) -> dict[str, Any]:
        review = hook.ledger.in_state(hook.account, OrderState.REVIEW)
        duplicates = hook.ledger.duplicates(hook.account)
        if self.fail_on_review and (review or duplicates):
            told = [f"order {order.key}: {order.message}" for order in review]
            told += [
                f"{stray.reference} looks like order {stray.order_key} bought twice" for stray in duplicates
            ]
            raise AirflowFailException(
                f"{len(told)} cases of account {hook.account!r} wait for a person: {'; '.join(told)}. None of them is "
                "sent again by itself. See 'airflow esimgo orders list --state REVIEW' and 'airflow esimgo ledger "
                "check'."
            )
        return {
            "account": hook.account,
            "review": len(review),
            "duplicates": len(duplicates),
            "resolved": dict(rulings),
        }
