"""Buys a planned batch. The only operator that spends, and only in `execute()`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.ledger.placing import Wait, place_batch
from airflow_provider_esimgo.ledger.policy import Mode
from airflow_provider_esimgo.operators.batch.summary import summary
from airflow_provider_esimgo.triggers.settle import EsimGoSettleTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoPlaceOrdersOperator(BaseOperator):
    """Buy a planned batch, each unit at most once, however often this task runs.

    A run goes on from where the ledger stands: what is bought stays bought, an order of unknown outcome is
    looked up at the vendor and never sent again on a guess, and a doubt stops the batch for a person.

    Args:
        batch_id: a batch that `EsimGoValidateBatchOperator` planned (templated).
        canary: buy one order, check that its eSIMs can be installed, then buy the rest.
        require_approval: buy nothing unless exactly this plan is approved in the ledger, by an
            `EsimGoApprovalOperator`.
        deferrable: wait for unknown outcomes in the triggerer instead of in a worker slot.
        esimgo_conn_id: the eSIM Go connection (templated); its `mode` must be `transact`.

    Returns:
        The same for every run of a bought batch: `batch_id`, `account`, `plan_hash`, `manifest`, `rows`, `units`,
        `orders`, `total` (text), `currency`, and `states`, the number of orders in each state.
    """

    template_fields: Sequence[str] = ("batch_id", "esimgo_conn_id")
    ui_color = "#f7e7c6"

    #: Seconds that are waited out in the worker; a longer wait is handed to the triggerer.
    patience: ClassVar[float] = 30.0

    def __init__(
        self,
        *,
        batch_id: str,
        canary: bool = False,
        require_approval: bool = False,
        deferrable: bool = True,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.canary = canary
        self.require_approval = require_approval
        self.deferrable = deferrable
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Buy what is left to buy; hand long waits to the triggerer."""
        may_defer = self.deferrable and bool(context)
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            hook.policy.require(Mode.TRANSACT)
            batch = hook.ledger.batch(hook.account, self.batch_id)
            sent_before = sum(order.attempt for order in hook.ledger.orders(batch))
            patience = self.patience if may_defer else inf
            wait = place_batch(
                hook.client,
                hook.ledger,
                batch,
                hook.policy,
                canary=self.canary,
                require_approval=self.require_approval,
                patience=patience,
            )
            if wait is None:
                orders = hook.ledger.orders(batch)
                self.log.info(
                    "Batch %s is bought: %d units in %d orders, of which this run sent %d",
                    batch.batch_id,
                    batch.unit_count,
                    len(orders),
                    sum(order.attempt for order in orders) - sent_before,
                )
                states = Counter(order.state.value for order in orders)
                return {**summary(batch), "states": dict(sorted(states.items()))}
        self._defer(wait)
        raise AssertionError("defer() does not return")

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """The wait is over: go on as a new run would."""
        if event and event.get("message"):
            self.log.info("%s", event["message"])
        return self.execute(context)

    def _defer(self, wait: Wait) -> None:
        self.log.info("Waiting outside of the worker, %.0f s for now: %s", wait.seconds, wait.reason)
        self.defer(
            trigger=EsimGoSettleTrigger(esimgo_conn_id=self.esimgo_conn_id, seconds=wait.seconds),
            method_name="resume",
        )
