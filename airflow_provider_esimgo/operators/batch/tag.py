"""Names a batch's eSIMs at the vendor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.hooks.tags import DEFAULT_TEMPLATE, check_template, tag_esims
from airflow_provider_esimgo.ledger.holdings import holdings_of_batch
from airflow_provider_esimgo.ledger.policy import Mode

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoTagEsimsOperator(BaseOperator):
    """Write `customerRef` on each eSIM of a bought batch, so that the vendor's portal shows whose it is.

    May run any number of times: what bears its reference already is left alone, and a run that was stopped is
    gone on with. Costs nothing.

    Args:
        batch_id: a bought batch (templated).
        template: how a reference is made of `{batch_id}`, `{recipient_ref}`, `{bundle}`, `{cost_centre}` and
            `{iccid}`.
        esimgo_conn_id: the eSIM Go connection (templated); mode `validate` is enough, since nothing is
            bought.

    Returns:
        `batch_id`, `set` (by this run), `already`, `refused` (by the vendor: deactivated eSIMs, say).
    """

    template_fields: Sequence[str] = ("batch_id", "esimgo_conn_id")
    ui_color = "#e6e6f7"

    def __init__(
        self,
        *,
        batch_id: str,
        template: str = DEFAULT_TEMPLATE,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.template = template
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Name what does not bear its name yet."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            if hook.policy.mode is Mode.READ:
                raise SettingsError(
                    "The connection's mode is 'read', which only looks; naming eSIMs writes to them. Nothing was sent. "
                    'Set "mode": "validate" in its extra: that may name, and buys nothing.'
                )
            check_template(self.template)
            batch = hook.ledger.batch(hook.account, self.batch_id)
            tagged = tag_esims(hook.client, holdings_of_batch(hook.ledger, batch), self.template)
            self.log.info(
                "Batch %s: %d eSIMs named, %d were named before, %d were refused",
                batch.batch_id,
                tagged.set,
                tagged.already,
                tagged.refused,
            )
            return {
                "batch_id": batch.batch_id,
                "set": tagged.set,
                "already": tagged.already,
                "refused": tagged.refused,
            }
