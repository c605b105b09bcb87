"""Writes the kit of what was bought. Buys nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.export import ExportOptions, export_kit, read_people
from airflow_provider_esimgo.hooks.failures import explained
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit.verify import Verify
from airflow_provider_esimgo.ledger.holdings import Selection

if TYPE_CHECKING:
    from airflow.sdk import Context


class EsimGoExportQrOperator(BaseOperator):
    """Write a kit: QR images, index, contact sheet, printable sheet, the vendor's archives, files for MDM.

    May run any number of times and buys nothing. Of a batch, of orders or of eSIMs: give one of the three.

    Args:
        destination: folder or URL under which `<batch_id>/` (or `order-…/`, `esim-…/`) is written (templated).
        batch_id: a bought batch (templated).
        order_references: the vendor's references of orders, also of such that this ledger did not place (templated).
        iccids: eSIMs of the account (templated).
        manifest: the batch's CSV again, to put names, addresses and the client's own columns into the kit; they
            are kept nowhere else (templated).
        default_bundle: as for `EsimGoValidateBatchOperator` (templated).
        formats: files for device management: "intune", "knox", "android_management" (templated).
        verify: how many QR images are read back before they are handed out: "all", "sample" (50 of them) or "none".
        even_if_installed: hand out the codes of eSIMs that are on a device already; else they are in the index
            without a code.
        sheet_font: a TrueType file on the worker for names that the printable sheet's own font cannot draw.
        storage_conn_id: Airflow connection for the object store, if one is needed.
        esimgo_conn_id: the eSIM Go connection (templated).

    Returns:
        `batch_id` (None for orders and eSIMs), `folder`, `index`, `units`, `qr_codes`, `withheld`, `vendor_files`,
        `mdm_files`.
    """

    template_fields: Sequence[str] = (
        "batch_id",
        "order_references",
        "iccids",
        "destination",
        "manifest",
        "default_bundle",
        "formats",
        "esimgo_conn_id",
    )
    ui_color = "#dff2df"

    def __init__(
        self,
        *,
        destination: str,
        batch_id: str | None = None,
        order_references: Sequence[str] | None = None,
        iccids: Sequence[str] | None = None,
        manifest: str | None = None,
        default_bundle: str | None = None,
        formats: Sequence[str] = (),
        verify: Literal["all", "sample", "none"] = "sample",
        even_if_installed: bool = True,
        sheet_font: str | None = None,
        storage_conn_id: str | None = None,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.destination = destination
        self.batch_id = batch_id
        self.order_references = order_references
        self.iccids = iccids
        self.manifest = manifest
        self.default_bundle = default_bundle
        self.formats = formats
        self.verify = Verify(verify)
        self.even_if_installed = even_if_installed
        self.sheet_font = sheet_font
        self.storage_conn_id = storage_conn_id
        self.esimgo_conn_id = esimgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the install details and write the files."""
        with explained(self.esimgo_conn_id), EsimGoHook(self.esimgo_conn_id, context=context) as hook:
            selection = self._selection()
            people = (
                read_people(
                    self.manifest, default_bundle=self.default_bundle or None, conn_id=self.storage_conn_id
                )
                if self.manifest
                else None
            )
            options = ExportOptions(
                self.destination,
                storage_conn_id=self.storage_conn_id,
                formats=self.formats or (),
                verify=self.verify,
                even_if_installed=self.even_if_installed,
                sheet_font=self.sheet_font,
            )
            files = export_kit(hook, selection, options, manifest=people)
            return {
                "batch_id": self.batch_id or None,
                "folder": files.folder,
                "index": files.index,
                "units": files.qr_count + files.withheld,
                "qr_codes": files.qr_count,
                "withheld": files.withheld,
                "vendor_files": files.vendor_files,
                "mdm_files": files.mdm_files,
            }

    def _selection(self) -> Selection:
        for name in ("order_references", "iccids"):
            if isinstance(getattr(self, name), str):
                raise SettingsError(
                    f"{name} is one text. Nothing was sent. Give a list, also of one; from a template with "
                    "render_template_as_native_obj=True on the DAG."
                )
        try:
            return Selection(
                batch_id=self.batch_id or None,
                references=self.order_references or (),
                iccids=self.iccids or (),
            )
        except ValueError as error:
            raise SettingsError(f"{error}. Nothing was sent. See the operator's batch_id.") from None
