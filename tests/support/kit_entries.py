"""Entries as a kit is made of them, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_esimgo.kit import KitEntry
from airflow_provider_esimgo.kit.page import ContactSheet
from airflow_provider_esimgo.kit.qr import draw

CODE = "K2-1ABCDE-9XYZ01"
ICCID = "8944500000000000014"


def entry(recipient: str = "ACME-1", iccid: str = ICCID, **fields: Any) -> KitEntry:
    fields = {"bundle": "esim_1GB", "smdp_address": "rsp.example", "matching_id": CODE, **fields}
    return KitEntry(recipient_ref=recipient, iccid=iccid, **fields)


def many(count: int) -> list[KitEntry]:
    return [
        entry(f"E{number}", f"89445{number:014d}", matching_id=f"CODE-{number:05d}")
        for number in range(count)
    ]


def contact_sheet(entries: Iterable[KitEntry], *, title: str = "acme-2026-07") -> bytes:
    """The page with a card for each, whether it has its code or not."""
    made = ContactSheet(title)
    for one in entries:
        if one.has_code:
            made.add(one, draw(one.activation_code))
        else:
            made.add_withheld(one)
    return made.finish()
