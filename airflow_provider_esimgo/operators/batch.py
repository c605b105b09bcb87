"""The operators that take a batch from a CSV to installed eSIMs.

They are thin: context in, a small JSON manifest out (ids, counts, totals as text, paths), each field also under
its own XCom key, so that `task.output["batch_id"]` works. No row, recipient or code ever goes into XCom.
Only `EsimGoPlaceOrdersOperator` spends, and only in `execute()`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.files import object_path, read_manifest_at
from airflow_provider_esimgo.hooks.install_details import collect_kit
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit import safe_name, write_kit
from airflow_provider_esimgo.ledger.placing import Wait, place_batch
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.policy import Mode
from airflow_provider_esimgo.triggers.settle import EsimGoSettleTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_esimgo.ledger.records import Batch


class EsimGoValidateBatchOperator(BaseOperator):
    """Check a manifest, price it with the vendor's dry run, and freeze the plan in the ledger. Spends nothing.

    Args:
        manifest: path or URL of the CSV (templated).
        batch_id: the batch's name, for example `acme-{{ ds }}` (templated); None derives one from the content.
        max_total: refuse a plan that costs more, for example "500.00" (templated).
        allow_repeat: accept content that another batch already holds.
        storage_conn_id: Airflow connection for the object store, if the manifest is in one that needs it.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id`, `account`, `plan_hash`, `manifest`, `rows`, `units`, `orders`, `total` (text), `currency`.
    """

    template_fields: Sequence[str] = ("manifest", "batch_id", "max_total", "esimgo_conn_id")
    ui_color = "#dcebf7"

    def __init__(
        self,
        *,
        manifest: str,
        batch_id: str | None = None,
        max_total: str | Decimal | None = None,
        allow_repeat: bool = False,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.manifest = manifest
        self.batch_id = batch_id
        self.max_total = max_total
        self.allow_repeat = allow_repeat
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, check, price, store."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            hook.policy.require(Mode.VALIDATE)
            names = frozenset(bundle.name for bundle in hook.client.list_catalogue())
            manifest = read_manifest_at(self.manifest, bundles=names, conn_id=self.storage_conn_id)
            for note in manifest.notes:
                self.log.info("%s", note)
            for fault in manifest.warnings:
                self.log.warning("%s", fault)
            batch = plan_batch(
                hook.client,
                hook.ledger,
                manifest,
                account=hook.account,
                batch_id=self.batch_id or None,
                policy=hook.policy,
                currency=hook.settings.currency,
                max_total=_amount(self.max_total),
                allow_repeat=self.allow_repeat,
            )
            self.log.info(
                "Batch %s: %d rows, %d units in %d orders, %s %s; nothing was bought",
                batch.batch_id,
                batch.row_count,
                batch.unit_count,
                batch.order_count,
                f"{batch.total:,.2f}",
                batch.currency,
            )
            return summary(batch)


class EsimGoPlaceOrdersOperator(BaseOperator):
    """Buy a planned batch, each unit at most once, however often this task runs.

    A run goes on from where the ledger stands: what is bought stays bought, an order of unknown outcome is
    looked up at the vendor and never sent again on a guess, and a doubt stops the batch for a person.

    Args:
        batch_id: a batch that `EsimGoValidateBatchOperator` planned (templated).
        canary: buy one order, check that its eSIMs can be installed, then buy the rest.
        deferrable: wait for unknown outcomes in the triggerer instead of in a worker slot.
        esimgo_conn_id: the eSIM Go connection (templated); its `mode` must be `transact`.

    Returns:
        The same for every run of a bought batch: what `EsimGoValidateBatchOperator` returns, and `states`, the
        number of orders in each state.
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
        deferrable: bool = True,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.canary = canary
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
                hook.client, hook.ledger, batch, hook.policy, canary=self.canary, patience=patience
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


class EsimGoExportQrOperator(BaseOperator):
    """Write the kit of a bought batch: QR images, index and the vendor's archives. Buys nothing, any number of times.

    Args:
        batch_id: a bought batch (templated).
        destination: folder or URL under which `<batch_id>/` is written (templated).
        manifest: the batch's CSV again, to put names and e-mail addresses into the index; they are kept
            nowhere else (templated).
        storage_conn_id: Airflow connection for the object store, if one is needed.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id`, `folder`, `index`, `units`, `qr_codes`, `vendor_files`.
    """

    template_fields: Sequence[str] = ("batch_id", "destination", "manifest", "esimgo_conn_id")
    ui_color = "#dff2df"

    def __init__(
        self,
        *,
        batch_id: str,
        destination: str,
        manifest: str | None = None,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.destination = destination
        self.manifest = manifest
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the install details and write the files."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            batch = hook.ledger.batch(hook.account, self.batch_id)
            manifest = (
                read_manifest_at(self.manifest, conn_id=self.storage_conn_id) if self.manifest else None
            )
            entries, archives = collect_kit(hook.client, hook.ledger, batch, manifest)
            folder = object_path(self.destination, conn_id=self.storage_conn_id) / safe_name(batch.batch_id)
            try:
                files = write_kit(folder, entries, archives)
            except OSError as error:
                raise AirflowException(
                    f"The kit of batch {batch.batch_id!r} cannot be written to {folder}: {error.strerror or error}. "
                    "Nothing was bought and nothing is lost. Cure that and run this task again."
                ) from None
            self.log.info("Kit of batch %s: %d QR codes in %s", batch.batch_id, files.qr_count, files.folder)
            return {
                "batch_id": batch.batch_id,
                "folder": files.folder,
                "index": files.index,
                "units": batch.unit_count,
                "qr_codes": files.qr_count,
                "vendor_files": files.vendor_files,
            }


def _amount(given: str | Decimal | None) -> Decimal | None:
    """A templated amount; what renders to nothing is no cap."""
    if given in (None, "", "None"):
        return None
    try:
        amount = Decimal(str(given).strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise SettingsError(
            f'max_total cannot be {str(given)!r}. Nothing was sent. Give an amount such as "250.00".'
        )
    return amount


def summary(batch: Batch) -> dict[str, Any]:
    """What the operators hand on about a batch: ids, counts, totals as text."""
    return {
        "batch_id": batch.batch_id,
        "account": batch.account,
        "plan_hash": batch.plan_hash,
        "manifest": batch.manifest,
        "rows": batch.row_count,
        "units": batch.unit_count,
        "orders": batch.order_count,
        "total": f"{batch.total:.2f}",
        "currency": batch.currency,
    }
