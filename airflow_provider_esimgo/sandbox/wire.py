"""How records look on the wire: field names and shapes of the API, under v2.4 or v2.5.

Money leaves as JSON numbers exact to the cent. Invariant: under v2.4 no field appears that 2.5 introduced.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from airflow_provider_esimgo.sandbox.catalogue import Bundle, Country
from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.order_request import OrderRequest
from airflow_provider_esimgo.sandbox.records import Assignment, Batch, Esim, Order, OrderLine
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store


def money(amount: Decimal) -> float | int:
    """The shortest JSON number that reads as this amount: a float prints as the decimal it was made from."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def smdp_address(esim: Esim, settings: Settings) -> str:
    address = esim.smdp_address
    forms = {"http": f"http://{address}", "space": address.replace(".", " ", 1), "dollar": f"{address}$"}
    return forms.get(settings.smdp_address, address)


def install_urls(esim: Esim, settings: Settings) -> dict[str, str]:
    lpa = quote(esim.lpa, safe="") if settings.install_url == "percent" else esim.lpa
    return {
        f"{maker}InstallUrl": f"https://esimsetup.{maker}.com/esim_qrcode_provisioning?carddata={lpa}"
        for maker in ("apple", "android")
    }


# orders


def _line(line: OrderLine, store: Store, settings: Settings, *, esims: bool, iccids: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if esims and line.iccids:
        shown["esims"] = [
            {
                "iccid": iccid,
                "matchingId": store.esims[iccid].matching_id,
                "smdpAddress": smdp_address(store.esims[iccid], settings),
            }
            for iccid in line.iccids
        ]
    shown |= {"type": line.type, "item": line.item}
    if iccids and line.iccids:
        shown["iccids"] = list(line.iccids)
    return shown | {
        "quantity": line.quantity,
        "subTotal": money(line.subtotal),
        "pricePerUnit": money(line.price),
        "AllowReassign": line.allow_reassign,
    }


def validation(
    request: OrderRequest, store: Store, settings: Settings, total: Decimal, now: int
) -> dict[str, Any]:
    lines = [
        OrderLine("bundle", line.item, line.quantity, store.catalogue[line.item].price, line.allow_reassign)
        for line in request.lines
    ]
    return {
        "order": [_line(line, store, settings, esims=False, iccids=False) for line in lines],
        "total": money(total),
        "valid": True,
        "currency": "USD",
        settings.date_field: rfc3339(now, settings.date_digits),
        "assigned": request.assign,
    }


def order(
    order: Order, store: Store, settings: Settings, now: int, *, esims: bool = True, iccids: bool = True
) -> dict[str, Any]:
    """As list, detail and reply tell it; an order that is not ready has no eSIMs yet."""
    ready = order.ready_at <= now
    running = (
        f"{order.running_balance:.2f}"
        if settings.running_balance == "string"
        else money(order.running_balance)
    )
    return {
        "order": [
            _line(
                line,
                store,
                settings,
                esims=esims and ready,
                iccids=iccids and (ready or not order.withholds_iccids),
            )
            for line in order.lines
        ],
        "total": money(order.total),
        "currency": "USD",
        "status": order.status if ready else settings.in_progress,
        "statusMessage": order.message if ready else "Order processing",
        "orderReference": order.reference,
        settings.date_field: rfc3339(order.created, settings.date_digits),
        "assigned": order.assigned,
        "sourceIP": order.source_ip,
        "runningBalance": running,
    }


# eSIMs and what is on them


def esim_row(esim: Esim, *, new: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "iccid": esim.iccid,
        "customerRef": esim.customer_ref,
        "lastAction": esim.last_action,
        "actionDate": rfc3339(esim.action_at),
        "physical": False,
        "assignedDate": rfc3339(esim.assigned_at),
    }
    return row | {"state": esim.state} if new else row


def esim_detail(esim: Esim, settings: Settings, *, new: bool, additional: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "iccid": esim.iccid,
        "pin": esim.pin,
        "puk": esim.puk,
        "matchingId": esim.matching_id,
        "smdpAddress": smdp_address(esim, settings),
        "profileStatus": profile_status(esim, new=new),
        "firstInstalledDateTime": esim.first_installed,
        "customerRef": esim.customer_ref,
    }
    urls = install_urls(esim, settings)
    if new:
        detail |= {"brandingId": esim.branding_id, "profileName": esim.profile_name, "state": esim.state}
        if "installUrl" in additional:
            return detail | urls
    return (
        detail | {"appleInstallUrl": urls["appleInstallUrl"]} if "appleInstallUrl" in additional else detail
    )


def profile_status(esim: Esim, *, new: bool) -> str:
    return "Unavailable" if esim.profile_status == "Deactivated" and not new else esim.profile_status


def assignment(held: Assignment, settings: Settings, now: int, *, new: bool) -> dict[str, Any]:
    state = held.state_at(now)
    shown: dict[str, Any] = {
        "id": held.id,
        "callTypeGroup": "data",
        "initialQuantity": held.initial,
        "remainingQuantity": held.remaining,
        "assignmentDateTime": rfc3339(held.at),
        "assignmentReference": held.reference,
        "bundleState": state.capitalize() if settings.state_case == "title" else state,
        "unlimited": held.unlimited,
    }
    if not new:
        return shown
    if held.start is not None and held.end is not None:
        shown |= {"startTime": rfc3339(held.start), "endTime": rfc3339(held.end)}
    allowance = {
        "type": "DATA",
        "service": "STANDARD",
        "description": "Data",
        "initialAmount": held.initial,
        "remainingAmount": held.remaining,
        "unit": "BYTES",
        "unlimited": held.unlimited,
    }
    return shown | {"allowances": [allowance]}


# catalogue and inventory


def _countries(countries: tuple[Country, ...]) -> list[dict[str, str]]:
    return [{"name": one.name, "region": one.region, "iso": one.iso} for one in countries]


def _allowance(bundle: Bundle) -> dict[str, Any]:
    return {
        "type": "DATA",
        "service": "STANDARD",
        "description": bundle.description,
        "amount": bundle.data_mb,
        "unit": "MB",
        "unlimited": bundle.unlimited,
    }


def bundle(bundle: Bundle, *, new: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": bundle.name,
        "description": bundle.description,
        "groups": list(bundle.groups),
        "countries": _countries(bundle.countries),
        "dataAmount": bundle.data_mb,
        "duration": bundle.days,
        "speed": list(bundle.speeds),
        "autostart": True,
        "unlimited": bundle.unlimited,
        "roamingEnabled": _countries(bundle.roaming),
        "price": money(bundle.price),
        "billingType": "FixedCost",
    }
    return shown | {"profileName": bundle.profile_name, "allowances": [_allowance(bundle)]} if new else shown


def inventory_item(bundle: Bundle, batches: list[Batch], *, new: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": bundle.name,
        "desc": bundle.description,
        "useDms": False,
        "available": [
            {
                "id": batch.usage_id,
                "total": batch.total,
                "remaining": batch.remaining,
                "expiry": rfc3339(batch.expires)[:10],
            }
            for batch in batches
        ],
        "countries": [one.iso for one in bundle.countries],
        "data": bundle.data_mb,
        "duration": bundle.days,
        "durationUnit": "day",
        "autostart": True,
        "unlimited": bundle.unlimited,
        "speed": None,
    }
    return shown | {"allowances": [_allowance(bundle)]} if new else shown
