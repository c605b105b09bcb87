"""GET /esims/assignments: install details as CSV, JSON or a ZIP of QR codes.

A QR code carries `LPA:1$<smdp address>$<matching id>` and is rendered once per eSIM.
Invariant: the three forms tell the same codes.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import segno

from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.records import Esim
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.wire import install_urls, profile_status, smdp_address


@dataclass(frozen=True)
class Row:
    esim: Esim
    bundle: str
    reference: str


@functools.lru_cache(maxsize=20_000)
def qr_png(lpa: str) -> bytes:
    """A fixed mask saves trying all eight, four fifths of the time; any mask is a valid code."""
    image = io.BytesIO()
    segno.make(lpa, error="m", micro=False, mask=3).save(image, kind="png", scale=6, border=4)
    return image.getvalue()


def as_csv(rows: list[Row], settings: Settings, additional: str = "") -> bytes:
    quoted = settings.csv_shape == "quoted4"
    text = io.StringIO()
    writer = csv.writer(
        text,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        lineterminator="\r\n" if quoted else "\n",
    )
    with_urls = "installUrl" in additional
    header = ["ICCID", "Matching ID", "RSP URL", "Bundle"] + ([] if quoted else ["Reference"])
    writer.writerow(header + (["Apple Install URL", "Android Install URL"] if with_urls else []))
    for row in rows:
        cells = [row.esim.iccid, row.esim.matching_id, smdp_address(row.esim, settings), row.bundle]
        if not quoted:
            cells.append(row.reference)
        if with_urls:
            cells += install_urls(row.esim, settings).values()
        writer.writerow(cells)
    return text.getvalue().encode()


def as_json(rows: list[Row], settings: Settings, additional: str = "", *, new: bool = True) -> bytes:
    if settings.json_fields == "assignment":
        shown = [
            {
                "iccid": row.esim.iccid,
                "matchingId": row.esim.matching_id,
                "rspUrl": smdp_address(row.esim, settings),
                "bundle": row.bundle,
                "reference": row.reference,
            }
            for row in rows
        ]
    else:
        shown = [_details(esim, settings, additional, new=new) for esim in _esims(rows)]
    single = len(shown) == 1 and settings.json_shape == "auto"
    return json.dumps(shown[0] if single else shown).encode()


def _esims(rows: list[Row]) -> list[Esim]:
    """Each once, in the order of the rows."""
    return list({row.esim.iccid: row.esim for row in rows}.values())


def _details(esim: Esim, settings: Settings, additional: str, *, new: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "iccid": esim.iccid,
        "matchingId": esim.matching_id,
        "smdpAddress": smdp_address(esim, settings),
        "profileStatus": profile_status(esim, new=new),
        "pin": esim.pin,
        "puk": esim.puk,
        "firstInstalledDateTime": rfc3339(esim.first_installed * 1_000_000, 3)
        if esim.first_installed
        else "",
    }
    urls = install_urls(esim, settings)
    if "installUrl" in additional and new:
        return shown | urls
    if "nstallUrl" in additional:
        return shown | {"appleInstallUrl": urls["appleInstallUrl"]}
    return shown


def as_zip(rows: list[Row], settings: Settings, name: str, additional: str = "") -> bytes:
    shape, esims = settings.zip_shape, _esims(rows)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for place, esim in enumerate(esims, start=1):
            if shape == "missing_png" and place == len(esims):
                continue
            held = esims[place % len(esims)] if shape == "swapped_png" else esim
            picture = qr_png(held.lpa)
            if shape == "broken_png" and place == len(esims):
                picture = picture[: len(picture) // 2]
            file.writestr(_member(_png_name(shape, esim, place, name)), picture)
        if shape == "extra_png":
            file.writestr(_member("logo.png"), qr_png("https://sandbox.invalid/logo"))
        folder = f"{name}/" if shape == "nested" else ""
        file.writestr(_member(f"{folder}{name}.csv"), as_csv(rows, settings, additional))
    return archive.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """Without the time of day, so that the same answer twice is the same bytes."""
    return zipfile.ZipInfo(name)


def _png_name(shape: str, esim: Esim, place: int, name: str) -> str:
    if shape == "names":
        return f"qr-code-{place:04d}.png"
    return f"{name}/qr/{esim.iccid}.png" if shape == "nested" else f"{esim.iccid}.png"
