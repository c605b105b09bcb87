"""What comes after a batch: erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.purge import purge

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoPurgeOperator(BaseOperator):
    """Erase kits, and what the ledger holds about people; the money rows stay.

    A kit is found by where it was written; only files that a kit consists of are removed. Of the ledger's units
    `recipient_ref`, `country` and `install_by` are erased, so that later manifests are no longer compared with them.
    What was erased, when and by whom is in the ledger's history. May run any number of times.

    Args:
        older_than: how old a kit, and a batch's last order, must be.
        batch_id: only this batch's, whatever its age unless `older_than` is given too (templated).
        keep_recipients: remove the kits only.
        forget_missing: take kits for gone that another machine wrote to a local folder which this one does not have.
        esimgo_conn_id: the eSIM Go connection, whose account's kits are meant (templated).

    Returns:
        `kits`, `files`, `batches`, `units`: how many were erased; `kept`: what stays for now; the log says why.
    """

    template_fields: Sequence[str] = ("batch_id", "esimgo_conn_id")
    ui_color = "#ececec"

    def __init__(
        self,
        *,
        older_than: timedelta | None = None,
        batch_id: str | None = None,
        keep_recipients: bool = False,
        forget_missing: bool = False,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.older_than = older_than
        self.batch_id = batch_id
        self.keep_recipients = keep_recipients
        self.forget_missing = forget_missing
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Erase, then tell what could not be."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            done = purge(
                hook,
                older_than=self.older_than,
                batch_id=self.batch_id or None,
                keep_recipients=self.keep_recipients,
                forget_missing=self.forget_missing,
            )
            for line in done.kept:
                self.log.warning("Kept: %s", line)
            self.log.info(
                "Erased %d kits (%d files), and the recipients of %d units in %d batches",
                done.kits,
                done.files,
                done.units,
                done.batches,
            )
            if done.failed:
                raise AirflowException(
                    f"{len(done.failed)} kits could not be removed, the rest is done: {'; '.join(done.failed)}. "
                    "Cure that and run this task again."
                )
            return {
                "kits": done.kits,
                "files": done.files,
                "batches": done.batches,
                "units": done.units,
                "kept": len(done.kept),
            }
