"""Erases what tells about people when its time is over: kits, and the personal columns of the ledger.

Must stay true: only files that a kit consists of are removed, whatever folder somebody named; a kit that cannot be
seen from here does not count as gone; the money rows stay; a batch in doubt, or one with a kit that is still there,
keeps its recipients.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_esimgo.hooks.files import object_path
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit.folder import KitFolder
from airflow_provider_esimgo.kit.write import purge_kit
from airflow_provider_esimgo.ledger.kits import (
    WrittenKit,
    erase_recipients,
    in_doubt,
    last_moment,
    record_purge,
    written_kits,
)

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
    from airflow_provider_esimgo.ledger.records import Batch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Purged:
    """What was erased, and what was not, with the reason."""

    kits: int
    files: int
    batches: int
    units: int
    kept: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def purge(
    hook: EsimGoHook,
    *,
    older_than: timedelta | None = None,
    batch_id: str | None = None,
    keep_recipients: bool = False,
    forget_missing: bool = False,
) -> Purged:
    """Erase kits and personal columns of one batch, or of everything that is old enough.

    Args:
        older_than: how old a kit, and a batch's last order, must be.
        batch_id: only this batch's.
        keep_recipients: erase the kits only.
        forget_missing: take a kit that another machine wrote, and that is not to be seen from this one, for gone.

    Raises:
        SettingsError: neither is given.
    """
    if older_than is None and not batch_id:
        raise SettingsError(
            "Say what to purge: an age (older_than), a batch_id, or both. Nothing was erased."
        )
    ledger, account = hook.ledger, hook.account
    with ledger.database.read() as connection:
        now = ledger.database.now(connection)
    before = now if older_than is None else now - round(older_than.total_seconds() * 1000)
    chosen = [ledger.batch(account, batch_id)] if batch_id else ledger.batches(account)
    keys = {batch.key for batch in chosen}
    kits = files = 0
    kept: list[str] = []
    failed: list[str] = []
    for kit in written_kits(ledger, account):
        if kit.at > before or (batch_id and not kit.batch_keys & keys):
            continue
        try:
            folder = KitFolder(object_path(kit.folder, conn_id=kit.conn_id))
            if not forget_missing and _is_elsewhere(kit, folder):
                kept.append(
                    f"the kit in {kit.folder} was written on {', '.join(sorted(kit.hosts))} and is not to be seen from "
                    "here: purge there, or say that it is gone (forget_missing)"
                )
                continue
            removed = purge_kit(folder)
        except (OSError, SettingsError) as error:
            failed.append(f"{kit.folder}: {error}")
            continue
        record_purge(ledger, kit, files=removed)
        log.info("%s: %d files removed", kit.folder, removed)
        kits, files = kits + 1, files + removed
    left = written_kits(ledger, account)
    units = erased = 0
    for batch in [] if keep_recipients else chosen:
        if last_moment(ledger, batch) > before:
            continue
        if reason := _why_kept(hook, batch, left):
            kept.append(f"the recipients of batch {batch.batch_id!r}: {reason}")
            continue
        changed = erase_recipients(ledger, batch)
        erased, units = erased + bool(changed), units + changed
    return Purged(kits, files, erased, units, tuple(kept), tuple(failed))


def _is_elsewhere(kit: WrittenKit, folder: KitFolder) -> bool:
    """Whether a local folder may be there all the same: on the disk of a machine that is not this one."""
    return folder.is_local and not folder.exists() and socket.gethostname() not in kit.hosts


def _why_kept(hook: EsimGoHook, batch: Batch, left: list[WrittenKit]) -> str | None:
    if doubt := in_doubt(hook.ledger, batch):
        return f"{doubt}, and they are needed until that is settled"
    if kit := next((kit for kit in left if batch.key in kit.batch_keys), None):
        return f"the kit in {kit.folder} is still there"
    return None
