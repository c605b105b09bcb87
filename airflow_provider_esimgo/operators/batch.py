"""The operators that take a batch from a CSV to installed eSIMs.

They are thin: context in, a small JSON manifest out (ids, counts, totals as text, paths), each field also under
its own XCom key, so that `task.output["batch_id"]` works. No row, recipient or code ever goes into XCom.
Only `EsimGoPlaceOrdersOperator` spends, and only in `execute()`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.files import ReportFiles, inspect_manifest_at, object_path, write_report
from airflow_provider_esimgo.hooks.install_details import collect_kit
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.hooks.validation import inspect_with_catalogue, plan_inspection
from airflow_provider_esimgo.kit import safe_name, write_kit
from airflow_provider_esimgo.ledger.placing import Wait, place_batch
from airflow_provider_esimgo.ledger.planning import PLAN_VALID_FOR
from airflow_provider_esimgo.ledger.policy import Mode
from airflow_provider_esimgo.manifest import Inspection, ManifestError, OnFaults
from airflow_provider_esimgo.manifest.faults import counted
from airflow_provider_esimgo.manifest.limits import (
    ControlTotals,
    LimitError,
    Limits,
    amount,
    read_budgets,
)
from airflow_provider_esimgo.triggers.settle import EsimGoSettleTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_esimgo.ledger.records import Batch
    from airflow_provider_esimgo.manifest import Manifest


class EsimGoValidateBatchOperator(BaseOperator):
    """Check a manifest, price it with the vendor's dry run, and freeze the plan in the ledger. Spends nothing.

    Args:
        manifest: path or URL of the CSV or workbook (templated).
        batch_id: the batch's name, for example `acme-{{ ds }}` (templated); None derives one from the content.
        default_bundle: what rows that name no bundle ask for (templated).
        on_faults: "fail" buys nothing of a file in which a row has an error; "quarantine" plans its good rows
            and puts the others aside into `faults.csv`, for which it needs `report_destination`. A fault of the
            file itself always fails.
        report_destination: folder or URL under which `<batch_id>/report.html` and `faults.csv` are written,
            whatever comes of the file; they hold the client's own rows, so give the kit's (templated).
        control_totals: what the sender says the file holds: `rows`, `units`, `total`, or some of them (templated).
        budgets: what each cost centre may spend in this batch, for example {"SALES": "100.00"}; one that is not
            named may spend nothing, and "" is for rows without one (templated).
        max_total: refuse a plan that costs more, for example "500.00" (templated).
        reserve: what must be left of the balance after the plan (templated).
        allow_repeat: accept content that another batch already holds. Rows that another batch bought are then
            warnings; else they are errors.
        client: for whom it is bought; shown on the cost card (templated).
        plan_valid_for: how long the plan may wait to be begun; None is without end.
        storage_conn_id: Airflow connection for the object store, if the manifest is in one that needs it.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id`, `account`, `plan_hash`, `manifest`, `rows`, `units`, `orders`, `total` (text), `currency`; and
        `warnings`, `quarantined` (counts), `report`, `faults` (paths or None).
    """

    template_fields: Sequence[str] = (
        "manifest",
        "batch_id",
        "default_bundle",
        "report_destination",
        "control_totals",
        "budgets",
        "max_total",
        "reserve",
        "client",
        "esimgo_conn_id",
    )
    ui_color = "#dcebf7"

    def __init__(
        self,
        *,
        manifest: str,
        batch_id: str | None = None,
        default_bundle: str | None = None,
        on_faults: Literal["fail", "quarantine"] = "fail",
        report_destination: str | None = None,
        control_totals: Mapping[str, Any] | None = None,
        budgets: Mapping[str, Any] | None = None,
        max_total: str | Decimal | None = None,
        reserve: str | Decimal | None = None,
        allow_repeat: bool = False,
        client: str | None = None,
        plan_valid_for: timedelta | None = PLAN_VALID_FOR,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.manifest = manifest
        self.batch_id = batch_id
        self.default_bundle = default_bundle
        self.on_faults = OnFaults(on_faults)
        self.report_destination = report_destination
        self.control_totals = control_totals
        self.budgets = budgets
        self.max_total = max_total
        self.reserve = reserve
        self.allow_repeat = allow_repeat
        self.client = client
        self.plan_valid_for = plan_valid_for
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, check, price, store; and write the report, whatever came of it."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            hook.policy.require(Mode.VALIDATE)
            self._check_arguments()
            limits = Limits(ControlTotals.read(self.control_totals), read_budgets(self.budgets))
            policy = replace(hook.policy, reserve=_amount("reserve", self.reserve) or hook.policy.reserve)
            max_total = _amount("max_total", self.max_total)
            inspection = inspect_with_catalogue(
                hook,
                self.manifest,
                default_bundle=self.default_bundle or None,
                conn_id=self.storage_conn_id,
            )
            for note in inspection.notes:
                self.log.info("%s", note)
            try:
                batch, inspection = plan_inspection(
                    hook,
                    inspection,
                    on_faults=self.on_faults,
                    limits=limits,
                    account=hook.account,
                    batch_id=self.batch_id or None,
                    policy=policy,
                    currency=hook.settings.currency,
                    max_total=max_total,
                    allow_repeat=self.allow_repeat,
                    client_name=self.client or None,
                    plan_valid_for=self.plan_valid_for,
                )
            except ManifestError as error:
                self._report_refusal(replace(inspection, faults=error.faults))
                raise
            files = self._report(inspection, batch.batch_id)
            quarantined = len(inspection.faulty_rows)
            if len(inspection.faults):
                self.log.warning(
                    "%s: %s\n%s", inspection.name, counted(inspection.faults), inspection.faults.table()
                )
            if quarantined:
                self.log.warning("%d rows were put aside, nothing is bought for them", quarantined)
            self.log.info(
                "Batch %s: %d rows, %d units in %d orders, %s %s; nothing was bought",
                batch.batch_id,
                batch.row_count,
                batch.unit_count,
                batch.order_count,
                f"{batch.total:,.2f}",
                batch.currency,
            )
            return {
                **summary(batch),
                "warnings": len(inspection.faults.warnings),
                "quarantined": quarantined,
                "report": files.report if files else None,
                "faults": files.faults if files else None,
            }

    def _check_arguments(self) -> None:
        if self.on_faults is OnFaults.QUARANTINE and not self.report_destination:
            raise SettingsError(
                'on_faults="quarantine" needs a report_destination, or the rows that are put aside would be lost. '
                "Nothing was sent. Give the folder of the kits."
            )
        for name in ("control_totals", "budgets"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, Mapping):
                raise SettingsError(
                    f"{name} cannot be {given!r}. Nothing was sent. Give a dict; its values may be templates."
                )

    def _report(self, inspection: Inspection, batch_id: str) -> ReportFiles | None:
        if not self.report_destination:
            return None
        folder = object_path(self.report_destination, conn_id=self.storage_conn_id) / safe_name(batch_id)
        try:
            files = write_report(folder, inspection, quarantined=self.on_faults is OnFaults.QUARANTINE)
        except OSError as error:
            raise AirflowException(
                f"The report cannot be written to {folder}: {error.strerror or error}. Nothing was bought. "
                "Cure that and run this task again."
            ) from None
        self.log.info("Report: %s", files.report)
        return files

    def _report_refusal(self, inspection: Inspection) -> None:
        """A report that cannot be written does not hide what is wrong with the file."""
        try:
            self._report(inspection, self.batch_id or inspection.name)
        except (AirflowException, SettingsError) as error:
            self.log.error("%s", error)  # noqa: TRY400 - one line says it all


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


class EsimGoExportQrOperator(BaseOperator):
    """Write the kit of a bought batch: QR images, index and the vendor's archives. Buys nothing, any number of times.

    Args:
        batch_id: a bought batch (templated).
        destination: folder or URL under which `<batch_id>/` is written (templated).
        manifest: the batch's CSV again, to put names and e-mail addresses into the index; they are kept
            nowhere else (templated).
        default_bundle: as for `EsimGoValidateBatchOperator` (templated).
        storage_conn_id: Airflow connection for the object store, if one is needed.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id`, `folder`, `index`, `units`, `qr_codes`, `vendor_files`.
    """

    template_fields: Sequence[str] = (
        "batch_id",
        "destination",
        "manifest",
        "default_bundle",
        "esimgo_conn_id",
    )
    ui_color = "#dff2df"

    def __init__(
        self,
        *,
        batch_id: str,
        destination: str,
        manifest: str | None = None,
        default_bundle: str | None = None,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.batch_id = batch_id
        self.destination = destination
        self.manifest = manifest
        self.default_bundle = default_bundle
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def _people(self) -> Manifest:
        """The manifest's rows, for their names; those that were put aside in planning are put aside again."""
        inspection = inspect_manifest_at(
            self.manifest or "", default_bundle=self.default_bundle or None, conn_id=self.storage_conn_id
        )
        return inspection.manifest(OnFaults.QUARANTINE)

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the install details and write the files."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            batch = hook.ledger.batch(hook.account, self.batch_id)
            manifest = self._people() if self.manifest else None
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


def _amount(name: str, given: str | Decimal | None) -> Decimal | None:
    """A templated amount; what renders to nothing is none."""
    if given in (None, "", "None"):
        return None
    try:
        return amount(name, given)
    except LimitError as error:
        raise SettingsError(f"{error.message[:-1]}. Nothing was sent. {error.cure}") from None


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
