"""Brings together what the kit needs: the ledger's units, the vendor's install details, the manifest's names.

GET only. Details may lag behind an order by seconds; they are waited for, and never taken short.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from airflow_provider_esimgo.api import EsimGoClient, InstallDetails
from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.ledger.errors import UnknownBatch
from airflow_provider_esimgo.ledger.milestones import REFERENCES_PER_CALL, chunks, install_details
from airflow_provider_esimgo.ledger.records import Batch, Unit
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import Manifest, Row

log = logging.getLogger(__name__)

_ATTEMPTS = 8
_LAG = 1.0  # seconds; the vendor's clients report 1 to 2


def collect_kit(
    client: EsimGoClient,
    ledger: Ledger,
    batch: Batch,
    manifest: Manifest | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[KitEntry], dict[str, bytes]]:
    """The entries and vendor archives of a bought batch.

    Raises:
        UnknownBatch: not everything of the batch is bought yet.
        KitError: details are missing or cannot be used; names ICCIDs, never codes.
    """
    units = ledger.units(batch)
    missing = sum(1 for unit in units if unit.iccid is None)
    if missing:
        raise UnknownBatch(
            f"{missing} of the {len(units)} units of batch {batch.batch_id!r} have no eSIM yet. Nothing was sent. "
            "Run EsimGoPlaceOrdersOperator for it to the end first."
        )
    people = _people(batch, units, manifest)
    references = [order.reference for order in ledger.orders(batch) if order.reference]
    details = _await_details(client, references, {unit.iccid for unit in units if unit.iccid}, sleep)
    entries = [_entry(unit, details[unit.iccid or ""], people) for unit in units]
    archives = {}
    for number, chunk in enumerate(chunks(references, REFERENCES_PER_CALL), start=1):
        name = f"{chunk[0]}.zip" if len(references) == 1 else f"orders-{number:03d}.zip"
        archives[name] = client.get_qr_zip(chunk)
    return entries, archives


def _await_details(
    client: EsimGoClient, references: list[str], wanted: set[str], sleep: Callable[[float], None]
) -> dict[str, InstallDetails]:
    """Ask until every eSIM has its matching id and address."""
    found: dict[str, InstallDetails] = {}
    for attempt in range(_ATTEMPTS):
        found = {
            details.iccid: details
            for details in install_details(client, references)
            if details.matching_id and details.smdp_address
        }
        if wanted <= found.keys():
            return found
        log.info("%d of %d eSIMs have install details so far", len(wanted & found.keys()), len(wanted))
        if attempt + 1 < _ATTEMPTS:
            sleep(_LAG * 2**attempt)
    lacking = sorted(wanted - found.keys())
    raise KitError(
        f"{len(lacking)} of {len(wanted)} eSIMs have no install details yet, the first is {lacking[0]}. They are "
        "bought; only the kit was not written. Run this task again in some minutes, then ask the vendor."
    )


def _entry(unit: Unit, details: InstallDetails, people: Mapping[tuple[str, str], Row]) -> KitEntry:
    row = people.get((unit.recipient_ref, unit.bundle))
    return KitEntry(
        recipient_ref=unit.recipient_ref,
        bundle=unit.bundle,
        iccid=details.iccid,
        smdp_address=_bare_host(details.smdp_address),
        matching_id=details.matching_id,
        profile_status=details.profile_status,
        cost_centre=unit.cost_centre,
        topped_up=unit.topped_up is not None,
        name=row.name if row else None,
        email=row.email if row else None,
        apple_url=details.apple_install_url or None,
        android_url=details.android_install_url or None,
    )


def _bare_host(address: str) -> str:
    """The documents' samples show a scheme, real values are bare hosts: both mean the host [D24]."""
    return address.strip().removeprefix("https://").removeprefix("http://").rstrip("/")


def _people(batch: Batch, units: Sequence[Unit], manifest: Manifest | None) -> dict[tuple[str, str], Row]:
    if manifest is None:
        return {}
    rows = {(row.recipient_ref, row.bundle): row for row in manifest.rows}
    if any(
        (unit.recipient_ref, unit.bundle) not in rows for unit in units
    ):  # more rows may have been put aside
        raise KitError(
            f"The manifest {manifest.name!r} is not the one that batch {batch.batch_id!r} was planned from. The kit "
            "was not written. Give the same file, or none for a kit without names."
        )
    return rows
