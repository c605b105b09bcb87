"""What happens to eSIMs after the sale: install, first use, use, suspension, revocation, deletion.

The control calls stand for devices and people; the rest is the API. Invariants: an ended bundle never comes back;
a started bundle is never refunded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.catalogue import COUNTRIES, NETWORKS
from airflow_provider_esimgo.sandbox.clock import DAY
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.ordering import record_refund
from airflow_provider_esimgo.sandbox.records import Assignment, Batch, Esim, OrderLine
from airflow_provider_esimgo.sandbox.store import Store

REFUND_PERIOD = 60 * DAY
FIRST_USE_BYTES = 1_000


def install(store: Store, iccids: Iterable[str], *, at: int | None = None) -> list[str]:
    """The eSIMs' profiles get installed on devices; those already there are left alone."""
    at = store.clock.now() if at is None else at
    done = []
    with store.transaction():
        for iccid in iccids:
            esim = store.esims[iccid]
            if esim.profile_status == "Installed" or esim.state == "deactivated":
                continue
            store.put(
                dataclasses.replace(
                    esim, profile_status="Installed", first_installed=esim.first_installed or at // 1_000_000
                )
            )
            done.append(iccid)
    return done


def activate(
    store: Store, iccids: Iterable[str], *, bundle: str | None = None, at: int | None = None
) -> list[str]:
    """The oldest queued bundle of each eSIM sees its first use; an eSIM not yet installed is installed with it."""
    at = store.clock.now() if at is None else at
    done = []
    with store.transaction():
        for iccid in iccids:
            esim = store.esims[iccid]
            if esim.state != "active":
                continue
            queued = [
                held for held in esim.bundles if held.state == "queued" and bundle in (None, held.bundle)
            ]
            if not queued or queued[0].state_at(at) == "lapsed":
                continue
            install(store, [iccid], at=at)
            store.put(_first_use(store, store.esims[iccid], queued[0], at))
            done.append(iccid)
    return done


def _first_use(store: Store, esim: Esim, held: Assignment, at: int) -> Esim:
    offer = store.catalogue[held.bundle]
    covered = [country.iso for country in (*offer.countries, *offer.roaming) if country.iso in COUNTRIES]
    esim = esim.with_assignment(
        dataclasses.replace(
            held,
            state="active",
            start=at,
            end=at + held.days * DAY,
            remaining=held.initial - FIRST_USE_BYTES,
        )
    )
    if not esim.last_seen:
        esim = esim.told("eSIM First Attachment", at)
    esim = dataclasses.replace(esim, last_seen=at, country=covered[0] if covered else "")
    return esim.told("eSIM First Use", at, held.bundle)


def use(store: Store, iccids: Iterable[str], *, share: Decimal, bundle: str | None = None) -> list[str]:
    """Active bundles have now used `share` (0 to 1) of their data; all of it depletes them."""
    now = store.clock.now()
    done = []
    with store.transaction():
        for iccid in iccids:
            esim = store.esims[iccid]
            for held in esim.bundles:
                if held.state_at(now) != "active" or bundle not in (None, held.bundle):
                    continue
                left = int(held.initial * (1 - share))
                state = "depleted" if left <= 0 and not held.unlimited else "active"
                esim = esim.with_assignment(dataclasses.replace(held, remaining=max(left, 0), state=state))
                esim = esim.told("eSIM Utilisation Alert", now, held.bundle, f"{int(share * 100)}% Used")
                done.append(iccid)
            store.put(esim)
    return done


# the API's own operations


def find_esim(store: Store, iccid: str, now: int) -> Esim:
    esim = store.esims.get(iccid)
    if esim is None or esim.visible_at > now:
        raise ApiError(403, "access denied")
    return esim


def usable_esim(store: Store, iccid: str, now: int) -> Esim:
    esim = find_esim(store, iccid, now)
    if esim.state == "deactivated":
        raise ApiError(400, f"eSIM is deactivated: {iccid}")
    return esim


def suspend(store: Store, iccid: str, *, suspended: bool, by: str = "partner") -> str:
    with store.transaction():
        esim = usable_esim(store, iccid, store.clock.now())
        if esim.suspended_by == "policy" and by != "policy":
            raise ApiError(403, "eSIM is suspended by policy")
        if (esim.state == "suspended") == suspended:
            raise ApiError(400, f"eSIM is {'already' if suspended else 'not'} suspended")
        store.put(
            dataclasses.replace(
                esim,
                state="suspended" if suspended else "active",
                suspended_by=by if suspended else "",
            ).told("eSIM Updated", store.clock.now())
        )
    return f"eSIM {'suspended' if suspended else 'unsuspended'} successfully"


def delete(store: Store, iccid: str) -> str:
    """Revokes every bundle without refund; the eSIM stays as deactivated and cannot come back."""
    with store.transaction():
        now = store.clock.now()
        esim = usable_esim(store, iccid, now)
        for held in esim.bundles:
            if held.state_at(now) in ("queued", "processing", "active", "depleted"):
                esim = esim.with_assignment(dataclasses.replace(held, state="revoked"))
                esim = esim.told("Bundle Revoked", now, held.bundle)
        store.put(dataclasses.replace(esim, state="deactivated", profile_status="Deactivated"))
    return "eSIM deleted successfully"


def to_revoke(esim: Esim, bundle: str, now: int, assignment_id: str | None) -> Assignment:
    """The named assignment, else the oldest unused one of that bundle, else the oldest in use."""
    held = [one for one in esim.bundles if one.bundle == bundle]
    if assignment_id:
        held = [one for one in held if one.id == assignment_id]
    for states in (("queued", "processing"), ("active", "depleted")):
        for one in held:
            if one.state_at(now) in states:
                return one
    raise ApiError(400, f"no bundle {bundle} to revoke on eSIM {esim.iccid}")


def revoke(
    store: Store,
    iccid: str,
    bundle: str,
    *,
    assignment_id: str | None = None,
    to_balance: bool = False,
    refunds: bool = True,
    dry_run: bool = False,
) -> str:
    with store.transaction():
        now = store.clock.now()
        esim = usable_esim(store, iccid, now)
        held = to_revoke(esim, bundle, now, assignment_id)
        unused = held.state_at(now) in ("queued", "processing") and now - held.at < REFUND_PERIOD
        if not unused or not refunds:
            text = "Successfully Revoked Bundle"
        elif to_balance and assignment_id:
            text = "Successfully Revoked Bundle, bundle has been refunded to balance"
        else:
            text = "Successfully Revoked Bundle, bundle has been refunded to inventory"
        if dry_run:
            return text
        esim = esim.with_assignment(dataclasses.replace(held, state="revoked"))
        esim = esim.told("Bundle Revoked", now, bundle)
        if text.endswith("balance"):
            line = OrderLine("bundleRefund", bundle, 1, Decimal(0))
            record_refund(store, (line,), held.price, "", now)
            esim = esim.told("Bundle Refunded To Balance", now, bundle)
        elif text.endswith("inventory"):
            usage_id = identifiers.usage_id(store.next_serial("usage"))
            store.put(Batch(usage_id, bundle, 1, 1, held.price, held.at, held.at + 365 * DAY))
            esim = esim.told("Bundle Refunded to Inventory", now, bundle)
        store.put(esim)
        return text


def location(esim: Esim) -> tuple[str, str, str, str, int]:
    """TADIG, network, brand, country, last seen; blank before the first attachment."""
    if not esim.last_seen or esim.country not in NETWORKS:
        return "", "", "", "", 0
    network = NETWORKS[esim.country][0]
    return network.tadig, network.name, network.brand, esim.country, esim.last_seen
