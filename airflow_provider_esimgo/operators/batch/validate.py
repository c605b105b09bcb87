"""From a manifest to a priced plan in the ledger. Spends nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.export import batch_folder, remember_kit
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.files import ReportFiles, object_path, write_report
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.hooks.validation import inspect_with_catalogue, plan_inspection
from airflow_provider_esimgo.kit.folder import KitFolder
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
from airflow_provider_esimgo.operators.batch.summary import summary

if TYPE_CHECKING:
    from airflow.sdk import Context


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
                self._report_refusal(hook, replace(inspection, faults=error.faults))
                raise
            files = self._report(hook, inspection, batch.batch_id, {batch.key})
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

    def _report(
        self, hook: EsimGoHook, inspection: Inspection, batch_id: str, batch_keys: Collection[int] = ()
    ) -> ReportFiles | None:
        if not self.report_destination:
            return None
        folder = object_path(self.report_destination, conn_id=self.storage_conn_id) / batch_folder(batch_id)
        remember_kit(  # it is as personal as the kit, and purged with it
            hook,
            batch_keys,
            KitFolder(folder),
            conn_id=self.storage_conn_id,
            counts={"rows": inspection.row_count},
        )
        try:
            files = write_report(folder, inspection, quarantined=self.on_faults is OnFaults.QUARANTINE)
        except OSError as error:
            raise AirflowException(
                f"The report cannot be written to {folder}: {error.strerror or error}. Nothing was bought. "
                "Cure that and run this task again."
            ) from None
        self.log.info("Report: %s", files.report)
        return files

    def _report_refusal(self, hook: EsimGoHook, inspection: Inspection) -> None:
        """A report that cannot be written does not hide what is wrong with the file."""
        try:
            self._report(hook, inspection, self.batch_id or inspection.name)
        except (AirflowException, SettingsError) as error:
            self.log.error("%s", error)  # noqa: TRY400 - one line says it all


def _amount(name: str, given: str | Decimal | None) -> Decimal | None:
    """A templated amount; what renders to nothing is none."""
    if given in (None, "", "None"):
        return None
    try:
        return amount(name, given)
    except LimitError as error:
        raise SettingsError(f"{error.message[:-1]}. Nothing was sent. {error.cure}") from None
