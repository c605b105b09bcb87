"""Writes a kit into a folder, local or in object storage. Pure of HTTP and SQL: it is given everything.

Files come under a temporary name and are renamed, so that a half-written one is never taken for whole; local
ones are readable by their owner only. A second run replaces what the first one wrote.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_esimgo.kit.entries import KitEntry
from airflow_provider_esimgo.kit.qr import render_png

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
    "qr_png",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class KitFiles:
    """What was written, and where."""

    folder: str
    index: str
    qr_count: int
    vendor_files: int


def write_kit(folder: Any, entries: Sequence[KitEntry], vendor_zips: Mapping[str, bytes]) -> KitFiles:
    """Write QR images, the index and the vendor's own archives.

    Args:
        folder: a `pathlib.Path`, or anything that works like one (Airflow's `ObjectStoragePath`).
        entries: one a unit.
        vendor_zips: file name to the archive as the vendor sent it.
    """
    qr = folder / "qr"
    vendor = folder / "vendor"
    for place in (folder, qr, vendor):
        private_folder(place)
    for entry in entries:
        write_file(qr / f"{entry.qr_name}.png", render_png(entry.activation_code))
    for name, archive in vendor_zips.items():
        write_file(vendor / name, archive)
    index = folder / "index.csv"
    write_file(index, index_csv(entries).encode())  # last: where there is an index, there is the rest
    return KitFiles(str(folder), str(index), len(entries), len(vendor_zips))


def index_csv(entries: Iterable[KitEntry]) -> str:
    """The kit's table, one row a unit in manifest order."""
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
                f"qr/{entry.qr_name}.png",
            ]
        )
    return text.getvalue()


def _cell(text: str) -> str:
    """Keep a spreadsheet from taking a person's text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def private_folder(path: Any) -> None:
    """Make a folder, with its parents; a local one is its owner's alone."""
    path.mkdir(parents=True, exist_ok=True)
    _restrict(path, 0o700)


def write_file(path: Any, content: bytes | Iterable[bytes]) -> None:
    """Write a whole file or none; a local one is its owner's alone."""
    parts = (content,) if isinstance(content, bytes) else content
    if _is_local(path):
        local = Path(_local(path))
        temporary = local.with_name(f".{local.name}.part")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        temporary.replace(local)
    else:  # object stores show an object only when it is whole
        with path.open("wb") as file:
            file.writelines(parts)


def _restrict(path: Any, mode: int) -> None:
    if _is_local(path):
        Path(_local(path)).chmod(mode)


def _is_local(path: Any) -> bool:
    # the class tells nothing: with older universal_pathlib a path in a bucket is a pathlib.Path as well
    return getattr(path, "protocol", "") in {"", "file", "local"}


def _local(path: Any) -> str:
    return str(path.path) if hasattr(path, "protocol") else str(path)
