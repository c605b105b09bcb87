"""Brings together what a kit needs: what was bought, the vendor's install details, the manifest's names.

GET only. Details may lag behind an order by seconds; they are waited for, and never taken short. What the vendor
lists under an order is held against the ledger before anything is written.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_esimgo.api import (
    ApiError,
    Esim,
    EsimGoClient,
    EsimState,
    NotSentError,
    ProfileStatus,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.profiles import Profile, in_few_requests, read_profiles
from airflow_provider_esimgo.hooks.subjects import Subject, listed_under, select_subjects
from airflow_provider_esimgo.kit.bundle_names import in_words
from airflow_provider_esimgo.kit.entries import KitEntry, KitError, KitNotReady
from airflow_provider_esimgo.kit.vendor import divide
from airflow_provider_esimgo.kit.verify import Verify
from airflow_provider_esimgo.ledger.holdings import Selection
from airflow_provider_esimgo.ledger.kits import ERASED_PREFIX
from airflow_provider_esimgo.ledger.milestones import is_installed
from airflow_provider_esimgo.manifest import Manifest, Row

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook

log = logging.getLogger(__name__)

_ATTEMPTS = 8
_LAG = 1.0  # seconds; the vendor's clients report 1 to 2


@dataclass(frozen=True)
class Kit:
    """What is to be written."""

    subjects: Sequence[Subject]
    entries: Sequence[KitEntry]  # one for each subject, in their order
    vendor_zips: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def batch_keys(self) -> frozenset[int]:
        """The batches of which something is in it."""
        return frozenset(subject.batch_key for subject in self.subjects if subject.batch_key is not None)


def collect_kit(
    hook: EsimGoHook,
    selection: Selection,
    *,
    manifest: Manifest | None = None,
    even_if_installed: bool = True,
    archives: bool = True,
    verify: Verify = Verify.SAMPLE,
    sleep: Callable[[float], None] = time.sleep,
) -> Kit:
    """Everything that a kit of the selected units is made of.

    Args:
        manifest: the rows, for names, addresses and the client's own columns.
        even_if_installed: hand out the codes of eSIMs that are, or once were, on a device.
        archives: ask for the vendor's own images too.
        verify: how many of those are read back.

    Raises:
        UnknownBatch: not everything of the batch is bought yet, or the ledger has no such batch.
        KitNotReady: details are missing, or an image is wrong; it may be better later.
        KitError: details contradict the ledger or cannot be used. Both name ICCIDs, never codes.
    """
    subjects = select_subjects(hook, selection)
    people = _people(subjects, manifest, selection)
    listed = listed_under(hook, subjects, selection)
    profiles = _await_profiles(hook.client, subjects, listed, sleep)
    words = _plans(hook, {subject.bundle for subject in subjects})
    entries = [
        _entry(subject, profiles[subject.iccid], people, words, even_if_installed=even_if_installed)
        for subject in subjects
    ]
    zips: dict[str, bytes] = {}
    if archives:
        zips = _archives(hook.client, entries, subjects, profiles, listed, verify)
    return Kit(subjects, entries, zips)


def _await_profiles(
    client: EsimGoClient,
    subjects: Sequence[Subject],
    listed: Mapping[str, Sequence[str]],
    sleep: Callable[[float], None],
) -> dict[str, Profile]:
    """Ask until every eSIM has its matching id and address; again only about the orders that lack some."""
    ours = {iccid for iccids in listed.values() for iccid in iccids}
    wanted = {subject.iccid for subject in subjects}
    found: dict[str, Profile] = {
        iccid: client.get_esim(iccid, install_urls=True) for iccid in sorted(wanted - ours)
    }
    for attempt in range(_ATTEMPTS):
        lacking = {
            reference: iccids
            for reference, iccids in listed.items()
            if not all(iccid in found for iccid in iccids)
        }
        read = _read_if_ready(client, lacking, last=attempt + 1 == _ATTEMPTS)
        strangers = sorted(read.keys() - ours)
        if strangers:
            raise KitError(
                f"The vendor lists {len(strangers)} eSIMs under these orders that the ledger does not know, the first "
                f"is {strangers[0]}. The kit was not written: something may have been bought twice. See 'airflow "
                "esimgo ledger check', and compare the orders with the vendor's portal."
            )
        found |= {iccid: one for iccid, one in read.items() if _tells_all(one)}
        if wanted <= found.keys():
            return found
        log.info("%d of %d eSIMs have install details so far", len(wanted & found.keys()), len(wanted))
        if attempt + 1 < _ATTEMPTS:
            sleep(_LAG * 2**attempt)
    missing = sorted(wanted - found.keys())
    raise KitNotReady(
        f"{len(missing)} of {len(wanted)} eSIMs have no install details yet, the first is {missing[0]}. They are "
        "bought; only the kit was not written. Run this task again in some minutes, then ask the vendor."
    )


def _read_if_ready(
    client: EsimGoClient, asked: Mapping[str, Sequence[str]], *, last: bool
) -> dict[str, Profile]:
    """Too soon after an order the vendor may also answer 500, 503 or nothing [3P]."""
    try:
        return read_profiles(client, asked, install_urls=True)
    except (NotSentError, UnknownOutcomeError) as error:
        if last:
            raise
        log.info("%s", error)
        return {}


def _tells_all(profile: Profile) -> bool:
    return bool(profile.matching_id and profile.smdp_address) or _is_deactivated(profile)


def _is_deactivated(profile: Profile) -> bool:
    return profile.profile is ProfileStatus.DEACTIVATED or (
        isinstance(profile, Esim) and profile.esim_state is EsimState.DEACTIVATED
    )


def _plans(hook: EsimGoHook, bundles: set[str]) -> dict[str, str]:
    """Each bundle in plain words; without a catalogue, what its name tells."""
    try:
        facts = hook.catalogue(stale_ok=True).bundles
    except ApiError as error:
        log.info("The sheets tell bundles by name: the catalogue cannot be read (%s)", error)
        facts = {}
    words = {}
    for bundle in bundles:
        known = facts.get(bundle)
        told = (
            in_words(bundle, data_mb=known.data_mb, days=known.days, description=known.description)
            if known
            else in_words(bundle)
        )
        words[bundle] = told or bundle
    return words


def _entry(
    subject: Subject,
    profile: Profile,
    people: Mapping[tuple[str, str], Row],
    words: Mapping[str, str],
    *,
    even_if_installed: bool,
) -> KitEntry:
    row = people.get((subject.recipient_ref, subject.bundle))
    withheld = _why_withheld(profile, even_if_installed=even_if_installed)
    return KitEntry(
        recipient_ref=subject.recipient_ref,
        bundle=subject.bundle,
        iccid=subject.iccid,
        smdp_address="" if withheld else profile.smdp_address,
        matching_id="" if withheld else profile.matching_id,
        plan=words[subject.bundle],
        profile_status=profile.profile_status,
        cost_centre=subject.cost_centre,
        topped_up=subject.topped_up,
        withheld=withheld,
        name=row.name if row else None,
        email=row.email if row else None,
        apple_url=profile.apple_install_url or None,
        android_url=profile.android_install_url or None,
        extra=row.extra if row else {},
    )


def _why_withheld(profile: Profile, *, even_if_installed: bool) -> str:
    if _is_deactivated(profile):
        return "deactivated: it can no longer be installed"
    if profile.profile is ProfileStatus.UNAVAILABLE:
        return "the vendor says that it cannot be installed; ask for another"
    if not even_if_installed and is_installed(profile):
        return "already installed on a device: its code works once"
    return ""


def _people(
    subjects: Sequence[Subject], manifest: Manifest | None, selection: Selection
) -> dict[tuple[str, str], Row]:
    if manifest is None:
        return {}
    rows = {(row.recipient_ref, row.bundle): row for row in manifest.rows}
    # more rows may have been put aside; and who asks for some orders may hold a part of the file
    if selection.batch_id and any((one.recipient_ref, one.bundle) not in rows for one in subjects):
        if any(subject.recipient_ref.startswith(ERASED_PREFIX) for subject in subjects):
            raise KitError(
                f"The recipients of {selection.words} were erased from the ledger: whose eSIM is whose cannot be told "
                "any more. The kit was not written. Give no manifest for a kit without names."
            )
        raise KitError(
            f"The manifest {manifest.name!r} is not the one that {selection.words} was planned from. The kit was not "
            "written. Give the same file, or none for a kit without names."
        )
    return rows


def _archives(
    client: EsimGoClient,
    entries: Sequence[KitEntry],
    subjects: Sequence[Subject],
    profiles: Mapping[str, Profile],
    listed: Mapping[str, Sequence[str]],
    verify: Verify,
) -> dict[str, bytes]:
    """The vendor's images of what has a code, an archive for each order, with few calls."""
    meant: dict[str, list[str]] = defaultdict(list)
    for entry, subject in zip(entries, subjects, strict=True):
        if entry.has_code and subject.reference:
            meant[subject.reference].append(entry.iccid)
    codes: dict[str, str | None] = {
        iccid: f"LPA:1${profile.smdp_address}${profile.matching_id}" if profile.matching_id else None
        for iccid, profile in profiles.items()
    }
    read_back = verify.pick([iccid for iccids in meant.values() for iccid in iccids])
    zips: dict[str, bytes] = {}
    missing = 0
    for part, archive in in_few_requests(client.get_qr_zip, list(meant)):
        if archive is None:
            log.warning("The vendor gives no images of order %s: one of its eSIMs is deactivated", part[0])
            continue
        theirs = {iccid: codes.get(iccid) for one in part for iccid in listed[one]}
        divided = divide(archive, {one: meant[one] for one in part}, theirs, read_back)
        zips.update(divided.files)
        missing += len(divided.missing)
    if missing:
        log.warning("The vendor's archives have no image of %d eSIMs; our own QR codes are whole", missing)
    return zips
