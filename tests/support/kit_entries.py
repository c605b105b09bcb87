"""Entries as a kit is made of them, in one line."""

from __future__ import annotations

from typing import Any

from airflow_provider_esimgo.kit import KitEntry

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
