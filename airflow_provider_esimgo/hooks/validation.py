"""From a file to a plan in the ledger, with what is wrong collected on the way: in file, ledger and at the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_esimgo.hooks.files import inspect_manifest_at
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.rows import find_repeats
from airflow_provider_esimgo.manifest import Inspection, ManifestError, OnFaults
from airflow_provider_esimgo.manifest.limits import Limits

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.catalogue import Catalogue
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
    from airflow_provider_esimgo.ledger.records import Batch

_OF_BUNDLES = {"bundle_case", "unknown_bundle", "country_not_covered"}


def inspect_with_catalogue(
    hook: EsimGoHook, location: str, *, default_bundle: str | None = None, conn_id: str | None = None
) -> Inspection:
    """Read and check a file against the catalogue; a kept catalogue accuses nobody, a fresh one does."""

    def against(catalogue: Catalogue) -> Inspection:
        return inspect_manifest_at(
            location, bundles=catalogue.bundles, default_bundle=default_bundle, conn_id=conn_id
        )

    catalogue = hook.catalogue()
    inspection = against(catalogue)
    accused = any(part.code in _OF_BUNDLES for part in inspection.faults.parts)
    if accused and catalogue.from_cache:
        return against(hook.catalogue(refresh=True))
    return inspection


def plan_inspection(
    hook: EsimGoHook, inspection: Inspection, *, on_faults: OnFaults, limits: Limits, **options: Any
) -> tuple[Batch, Inspection]:
    """Plan what may be bought of a file; tells also what was found out about its rows on the way.

    `options` are those of `plan_batch`.

    Raises:
        ManifestError: with all faults, those that ledger and vendor know of included.
    """
    while True:
        manifest = inspection.manifest(on_faults)
        limits.totals.check_file(inspection)
        whole = not len(inspection.faulty_rows)
        try:
            batch = plan_batch(
                hook.client,
                hook.ledger,
                manifest,
                limits=Limits(limits.totals, limits.budgets, whole=whole),
                put_aside=len(inspection.faulty_rows),
                **options,
            )
        except ManifestError as error:
            inspection = inspection.with_faults(error.faults.parts)
            if on_faults is OnFaults.FAIL:
                raise ManifestError(inspection.faults, inspection.name) from None
            continue
        if options.get("allow_repeat"):  # then they are warnings, which plan_batch puts on the card
            repeats = find_repeats(
                hook.ledger, manifest, account=batch.account, batch_id=batch.batch_id, allow_repeat=True
            )
            inspection = inspection.with_faults(repeats)
        return batch, inspection
