"""Which units go into a kit: from the ledger, from any end; what it does not know is asked for at the vendor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.kit.entries import KitError, KitNotReady
from airflow_provider_esimgo.ledger.holdings import (
    Holding,
    Selection,
    holdings_by_iccid,
    holdings_by_recipient,
    holdings_by_reference,
    holdings_of_batch,
)

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook


@dataclass(frozen=True)
class Subject:
    """One unit that goes into a kit. What was bought elsewhere has no recipient and no unit in the ledger."""

    iccid: str
    bundle: str
    reference: str | None
    recipient_ref: str = ""
    cost_centre: str | None = None
    topped_up: bool = False
    batch_key: int | None = None
    unit_key: int | None = None

    @classmethod
    def of(cls, holding: Holding) -> Subject:
        """A unit that the ledger knows, which has its eSIM."""
        unit = holding.unit
        return cls(
            iccid=unit.iccid or "",
            bundle=unit.bundle,
            reference=holding.reference,
            recipient_ref=unit.recipient_ref,
            cost_centre=unit.cost_centre,
            topped_up=unit.topped_up is not None,
            batch_key=holding.batch_key,
            unit_key=unit.key,
        )


def select_subjects(hook: EsimGoHook, selection: Selection) -> list[Subject]:
    """The units that are meant, from the ledger; orders and eSIMs that it does not know, from the vendor."""
    ledger, account = hook.ledger, hook.account
    if selection.batch_id:
        holdings = holdings_of_batch(ledger, ledger.batch(account, selection.batch_id))
        return [Subject.of(holding) for holding in holdings]
    if selection.recipients:
        holdings = holdings_by_recipient(ledger, account, selection.recipients)
        _refuse_unknown("recipient", selection.recipients, {one.unit.recipient_ref for one in holdings})
        return [Subject.of(holding) for holding in holdings]
    if selection.references:
        holdings = holdings_by_reference(ledger, account, selection.references)
        known = {holding.reference for holding in holdings}
        unassigned = [one for one in holdings if one.unit.iccid is None]
        if unassigned:
            raise KitError(
                f"Order {unassigned[0].reference} of batch {unassigned[0].batch_id!r} has {len(unassigned)} units "
                "without an eSIM yet. The kit was not written. Run EsimGoPlaceOrdersOperator for that batch first."
            )
        elsewhere = [
            subject
            for reference in dict.fromkeys(selection.references)
            if reference not in known
            for subject in _bought_elsewhere(hook.client, reference)
        ]
        return [*(Subject.of(holding) for holding in holdings), *elsewhere]
    holdings = holdings_by_iccid(ledger, account, selection.iccids)
    mine = {holding.unit.iccid for holding in holdings}
    others = [iccid for iccid in dict.fromkeys(selection.iccids) if iccid not in mine]
    return [
        *(Subject.of(holding) for holding in holdings),
        *(Subject(iccid, _newest_bundle(hook.client, iccid), None) for iccid in others),
    ]


def _refuse_unknown(what: str, asked: Iterable[str], found: set[str]) -> None:
    unknown = [each for each in asked if each not in found]
    if unknown:
        raise KitError(
            f"The ledger has no eSIM of {what} {unknown[0]!r}"
            f"{f' and {len(unknown) - 1} more' if len(unknown) > 1 else ''}. The kit was not written. Compare it "
            "with the manifest; 'airflow esimgo ledger export' lists who has what."
        )


def _bought_elsewhere(client: EsimGoClient, reference: str) -> list[Subject]:
    """An order that this ledger did not place: from the vendor's portal, say."""
    order = client.get_order(reference)
    subjects = [Subject(iccid, line.item, reference) for line in order.bundle_lines for iccid in line.iccids]
    ordered = sum(line.quantity for line in order.bundle_lines)
    if not subjects or len(subjects) != ordered:
        raise KitNotReady(
            f"Order {reference}, which this ledger did not place, has {len(subjects)} eSIMs for {ordered} bundles. "
            "The kit was not written. If it was placed just now, try again in some minutes; bundles in the "
            "inventory have no eSIM to install."
        )
    return subjects


def _newest_bundle(client: EsimGoClient, iccid: str) -> str:
    held = client.list_bundles(iccid)
    assigned = [(assignment.assigned, bundle.name) for bundle in held for assignment in bundle.assignments]
    return max(assigned, default=("", ""))[1]


def listed_under(hook: EsimGoHook, subjects: Sequence[Subject], selection: Selection) -> dict[str, list[str]]:
    """What each order bought, all of it: the vendor lists whole orders, also where a part was asked for."""
    listed: dict[str, list[str]] = defaultdict(list)
    whole = subjects
    if selection.iccids or selection.recipients:
        references = [subject.reference for subject in subjects if subject.reference]
        whole = [
            Subject.of(holding) for holding in holdings_by_reference(hook.ledger, hook.account, references)
        ]
    for subject in whole:
        if subject.reference and subject.iccid not in listed[subject.reference]:
            listed[subject.reference].append(subject.iccid)
    return dict(listed)
