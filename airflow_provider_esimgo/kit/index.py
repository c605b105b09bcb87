"""`index.csv`, the kit's table: one row a unit, in the order of the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from airflow_provider_esimgo.kit.entries import KitEntry

INDEX_COLUMNS = (
    "recipient_ref",
    "name",
    "email",
    "cost_centre",
    "iccid",
    "bundle",
    "topped_up",
    "smdp_address",
    "matching_id",
    "activation_code",
    "apple_link",
    "android_link",
    "profile_status",
    "withheld",
    "qr_png",
    "qr_svg",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def index_csv(entries: Iterable[KitEntry]) -> str:
    """The table; the columns of a code are empty where it is withheld."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(INDEX_COLUMNS)
    for entry in entries:
        writer.writerow(
            [
                _cell(entry.recipient_ref),
                _cell(entry.name or ""),
                _cell(entry.email or ""),
                _cell(entry.cost_centre or ""),
                entry.iccid,
                entry.bundle,
                "yes" if entry.topped_up else "no",
                entry.smdp_address,
                entry.matching_id,
                entry.activation_code,
                entry.apple_link,
                entry.android_link,
                entry.profile_status,
                entry.withheld,
                png_name(entry) if entry.has_code else "",
                svg_name(entry) if entry.has_code else "",
            ]
        )
    return text.getvalue()


def png_name(entry: KitEntry) -> str:
    """Where the entry's image is, from the kit's folder."""
    return f"qr/{entry.qr_name}.png"


def svg_name(entry: KitEntry) -> str:
    """The same, drawn with lines."""
    return f"qr/{entry.qr_name}.svg"


def _cell(text: str) -> str:
    """Keep a spreadsheet from taking a person's text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
