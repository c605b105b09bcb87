"""From what was bought to a kit in a folder: what the export operator and `airflow esimgo kit export` share."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.files import inspect_manifest_at, object_path
from airflow_provider_esimgo.hooks.kit import Kit, collect_kit
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit.entries import KitError, fingerprint, folder_name, safe_name
from airflow_provider_esimgo.kit.folder import KitFolder
from airflow_provider_esimgo.kit.mdm import check_formats
from airflow_provider_esimgo.kit.verify import Verify
from airflow_provider_esimgo.kit.write import INDEX, KitFiles, write_kit
from airflow_provider_esimgo.ledger.holdings import Selection
from airflow_provider_esimgo.ledger.kits import record_kit
from airflow_provider_esimgo.manifest import Manifest, OnFaults

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportOptions:
    """How a kit is made; see `EsimGoExportQrOperator`."""

    destination: str
    storage_conn_id: str | None = None
    formats: Sequence[str] = ()
    verify: Verify = Verify.SAMPLE
    even_if_installed: bool = True
    sheet_font: str | None = None


def export_kit(
    hook: EsimGoHook, selection: Selection, options: ExportOptions, *, manifest: Manifest | None = None
) -> KitFiles:
    """Collect a kit and write it to `<destination>/<name>/`; the ledger remembers where.

    Raises:
        SettingsError: the destination or a format cannot be used.
        KitError: something would be wrong, or no code may be handed out.
        AirflowException: the folder cannot be written.
    """
    try:
        formats = check_formats(options.formats)
    except KitError as error:  # before anything is asked for
        raise SettingsError(f"{error}") from None
    destination = object_path(options.destination, conn_id=options.storage_conn_id)
    kit = collect_kit(
        hook,
        selection,
        manifest=manifest,
        even_if_installed=options.even_if_installed,
        verify=options.verify,
    )
    folder = KitFolder(destination / kit_name(selection, kit))
    if not any(entry.has_code for entry in kit.entries):
        raise _nothing_to_hand_out(selection, kit, folder)
    remember_kit(
        hook,
        kit.batch_keys,
        folder,
        conn_id=options.storage_conn_id,
        counts={"units": len(kit.entries), "codes": sum(entry.has_code for entry in kit.entries)},
    )
    try:
        files = write_kit(
            folder,
            kit.entries,
            kit.vendor_zips,
            title=f"eSIMs: {selection.words.replace(chr(39), '')}",
            formats=formats,
            verify=options.verify,
            font=options.sheet_font,
        )
    except OSError as error:
        raise AirflowException(
            f"The kit of {selection.words} cannot be written to {folder}: {error.strerror or error}. "
            "Nothing was bought and nothing is lost. Cure that and run this task again."
        ) from None
    for reason in sorted({entry.withheld for entry in kit.entries if entry.withheld}):
        count = sum(entry.withheld == reason for entry in kit.entries)
        log.warning("%d codes are withheld: %s", count, reason)
    log.info("Kit of %s: %d QR codes in %s", selection.words, files.qr_count, files.folder)
    return files


def remember_kit(
    hook: EsimGoHook,
    batch_keys: Collection[int],
    folder: KitFolder,
    *,
    conn_id: str | None,
    counts: Mapping[str, int],
) -> None:
    """Let the ledger know, before anything is written, where names and codes are about to be."""
    record_kit(
        hook.ledger,
        hook.account,
        batch_keys,
        folder=str(folder),
        conn_id=conn_id,
        host=socket.gethostname() if folder.is_local else None,
        counts=counts,
    )


def _nothing_to_hand_out(selection: Selection, kit: Kit, folder: KitFolder) -> KitError:
    reasons = " · ".join(sorted({entry.withheld for entry in kit.entries}))
    earlier = ""
    if folder.exists(INDEX):
        earlier = (
            f" An earlier kit, with its codes, is still in {folder}: purge it if nobody needs it any more."
        )
    return KitError(
        f"None of the {len(kit.entries)} codes of {selection.words} is handed out: {reasons}. The kit was not "
        "written, and nothing is lost. --even-if-installed (even_if_installed=True) hands out the codes of "
        f"installed eSIMs as well.{earlier}"
    )


_KINDS = ("order", "esim", "recipient")


def kit_name(selection: Selection, kit: Kit) -> str:
    """The kit's own folder: the same for the same selection, unlike any other's, and without a recipient in it."""
    if selection.batch_id:
        return batch_folder(selection.batch_id)
    if selection.recipients:
        return f"recipient-{_mark(sorted({subject.iccid for subject in kit.subjects}))}"
    kind, values = ("order", selection.references) if selection.references else ("esim", selection.iccids)
    distinct = sorted(set(values))
    return f"{kind}-{folder_name(distinct[0])}" if len(distinct) == 1 else f"{kind}s-{_mark(distinct)}"


def batch_folder(batch_id: str) -> str:
    """The folder of a batch's kit, which is its reports' as well."""
    if batch_id.startswith(_KINDS):  # it must not be taken for an order's, say
        return f"{safe_name(batch_id)}-{_mark([batch_id])}"
    return folder_name(batch_id)


def _mark(values: Sequence[str]) -> str:
    return fingerprint("\n".join(values))[:10]


def read_people(location: str, *, default_bundle: str | None = None, conn_id: str | None = None) -> Manifest:
    """The manifest's rows, for their names; those that were put aside in planning are put aside again."""
    inspection = inspect_manifest_at(location, default_bundle=default_bundle, conn_id=conn_id)
    return inspection.manifest(OnFaults.QUARANTINE)
