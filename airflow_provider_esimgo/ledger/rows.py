"""What only ledger and vendor know of a manifest's rows: bought before, eSIMs that cannot take their bundle.

Asked before anything is priced, and told all at once as faults of rows. Reads only: the vendor is asked once
for each distinct eSIM and bundle, and once for each eSIM's queue.
"""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import and_, select

from airflow_provider_esimgo.api import EsimGoClient, RefusedError
from airflow_provider_esimgo.api.models.states import BundleState
from airflow_provider_esimgo.api.profiles import chunks
from airflow_provider_esimgo.ledger.schema import batches, orders, units
from airflow_provider_esimgo.ledger.states import SPENT_OR_UNSURE
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import Fault, Manifest, Row, Severity
from airflow_provider_esimgo.manifest.faults import shown

QUEUE_LIMIT = 30  # bundles queued on one eSIM [HC:16749619803153]
_QUEUED = {BundleState.QUEUED, BundleState.PROCESSING}
_CHUNK = 500  # values in one IN (...)


def find_repeats(
    ledger: Ledger, manifest: Manifest, *, account: str, batch_id: str, allow_repeat: bool
) -> list[Fault]:
    """Rows whose recipient already has, or may have, this bundle from another batch of the account.

    None where the whole content is another batch's: that is refused as a whole, by `store_plan`.
    """
    wanted = {(row.recipient_ref, row.bundle) for row in manifest.rows}
    names = sorted({bundle for _, bundle in wanted})
    earlier: dict[tuple[str, str], str] = {}
    own: set[tuple[str, str]] = set()
    with ledger.database.read() as connection:
        alike = select(batches.c.id).where(
            batches.c.account == account,
            batches.c.content_hash == manifest.content_hash,
            batches.c.batch_id != batch_id,
        )
        if not allow_repeat and connection.execute(alike.limit(1)).first():
            return []
        bought = orders.c.state.in_([state.value for state in SPENT_OR_UNSURE])
        for part in chunks(names, _CHUNK):
            query = (
                select(units.c.recipient_ref, units.c.bundle, batches.c.batch_id)
                .join(orders, orders.c.id == units.c.order_key)
                .join(batches, batches.c.id == units.c.batch_key)
                .where(
                    and_(batches.c.account == account, units.c.bundle.in_(part)),
                    bought,
                )
                .distinct()
            )
            for recipient_ref, bundle, found in connection.execute(query):
                key = (recipient_ref, bundle)
                if found == batch_id:
                    own.add(key)
                elif key in wanted:
                    earlier[key] = found
    severity = Severity.WARNING if allow_repeat else Severity.ERROR
    return [
        Fault(
            "bought_before",
            severity,
            row.number,
            "recipient_ref",
            shown("recipient_ref", row.recipient_ref),
            f"batch {earlier[key]!r} already bought this bundle for this recipient",
            "remove the row; or allow_repeat=True if it is meant to be bought again",
        )
        for row in manifest.rows
        if (key := (row.recipient_ref, row.bundle)) in earlier and key not in own
    ]


def find_top_up_faults(client: EsimGoClient, manifest: Manifest) -> list[Fault]:
    """Rows whose eSIM is not the account's, does not take the bundle, or has no room for it."""
    by_esim: dict[str, list[Row]] = defaultdict(list)
    for row in manifest.rows:
        if row.iccid:
            by_esim[row.iccid].append(row)
    faults = [fault for iccid, rows in by_esim.items() for fault in _faults_of_esim(client, iccid, rows)]
    return sorted(faults, key=lambda fault: fault.row or 0)


def _faults_of_esim(client: EsimGoClient, iccid: str, rows: list[Row]) -> Iterator[Fault]:
    takes: dict[str, bool] = {}
    try:
        for row in rows:
            if row.bundle not in takes:
                takes[row.bundle] = client.is_compatible(iccid, row.bundle)
        held = client.list_bundles(iccid)
    except RefusedError as error:
        for row in rows:
            yield _fault(
                "iccid_refused",
                row,
                f"the vendor does not let this eSIM be topped up ({error.message})",
                "compare the ICCID with its source; the eSIM must belong to this account",
            )
        return
    for row in rows:
        if not takes[row.bundle]:
            yield _fault(
                "not_compatible",
                row,
                f"this eSIM cannot take the bundle {row.bundle}",
                "take a bundle of the same network profile, or leave the ICCID empty for a new eSIM",
            )
    queued = sum(one.bundle_state in _QUEUED for bundle in held for one in bundle.assignments)
    for row in [row for row in rows if takes[row.bundle]][max(0, QUEUE_LIMIT - queued) :]:
        yield _fault(
            "queue_full",
            row,
            f"this eSIM has {queued} bundles waiting already, and {QUEUE_LIMIT} is the most",
            "wait until some are used, or buy a new eSIM",
        )


def _fault(code: str, row: Row, message: str, cure: str) -> Fault:
    return Fault(code, Severity.ERROR, row.number, "iccid", shown("iccid", row.iccid), message, cure)
