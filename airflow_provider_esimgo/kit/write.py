"""Writes a kit into a folder, local or in object storage. Pure of HTTP and SQL: it is given everything.

Must stay true: what can be wrong is found before the first file is written, as far as it can be; `index.csv` comes
last, so that where there is an index there is the rest, and nothing that an earlier export left and this one did not
write again. Files that are not called as the kit's are called are never touched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_esimgo.kit.entries import KitEntry
from airflow_provider_esimgo.kit.folder import HALF, KitFolder
from airflow_provider_esimgo.kit.index import index_csv, png_name, svg_name
from airflow_provider_esimgo.kit.mdm import mdm_files
from airflow_provider_esimgo.kit.page import ContactSheet
from airflow_provider_esimgo.kit.qr import draw_all
from airflow_provider_esimgo.kit.sheet import Sheet
from airflow_provider_esimgo.kit.verify import Verify, verify_drawing

log = logging.getLogger(__name__)

INDEX, SHEET, PAGE = "index.csv", "sheet.pdf", "index.html"
#: The kit's own folders, and what its files in each are called.
FOLDERS = {
    "qr": r"(.*-)?[0-9]{18,20}\.(png|svg)",
    "vendor": r".*\.zip",
    "mdm": r"intune-.*\.csv|knox-manage\.xlsx|android-management\.jsonl",
}
#: What stands beside them: the manifest's reports are written by the validation, and are as personal.
FILES = (INDEX, SHEET, PAGE, "faults.csv", "report.html")
_TELL_EVERY = 1000  # images


@dataclass(frozen=True)
class KitFiles:
    """What was written, and where."""

    folder: str
    index: str
    qr_count: int
    withheld: int
    vendor_files: int
    mdm_files: int


def write_kit(
    folder: KitFolder,
    entries: Sequence[KitEntry],
    vendor_zips: Mapping[str, bytes],
    *,
    title: str,
    formats: Iterable[str] = (),
    verify: Verify = Verify.SAMPLE,
    font: str | None = None,
    processes: int | None = None,
) -> KitFiles:
    """Write QR images, printable sheet, contact sheet, the vendor's archives, MDM files, and the index.

    Args:
        entries: one a unit; those that are withheld are told of and have no image.
        vendor_zips: file name to archive.
        title: what the sheets are headed with.
        formats: of `kit.mdm.FORMATS`.
        verify: how many images are read back before they are written.
        font: a TrueType file for names that the sheet's own font cannot draw.
        processes: see `kit.qr.draw_all`.

    Raises:
        KitError: something would be wrong; there is no index then, unless of an earlier export.
    """
    shown = [entry for entry in entries if entry.has_code]
    uploads = list(mdm_files(tuple(formats), entries))
    sheet, page = Sheet(title, font=font), ContactSheet(title)
    read_back = verify.pick([entry.iccid for entry in shown])
    codes = [entry.activation_code for entry in shown]
    for number, (entry, drawing) in enumerate(
        zip(shown, draw_all(codes, processes=processes), strict=True), 1
    ):
        if entry.iccid in read_back:
            verify_drawing(entry, drawing)
        folder.put(png_name(entry), drawing.png)
        folder.put(svg_name(entry), drawing.svg)
        sheet.add(entry, drawing)
        page.add(entry, drawing)
        if number % _TELL_EVERY == 0:
            log.info("%d of %d codes are drawn", number, len(shown))
    for entry in entries:
        if not entry.has_code:
            page.add_withheld(entry)
    for name, archive in vendor_zips.items():
        folder.put(f"vendor/{name}", archive)
    for name, content in uploads:
        folder.put(name, content)
    folder.put(SHEET, sheet.finish())
    folder.put(PAGE, page.finish())
    folder.flush()
    # until the new index is there it is no kit: a code that is withheld now must be gone by then
    folder.remove([INDEX])
    folder.remove_strays(FOLDERS)
    folder.put(INDEX, index_csv(entries).encode())
    folder.flush()
    if sheet.undrawn:
        log.warning(
            "%s: %d pages leave out a name that the sheet's font cannot draw, and bear what it can; the contact sheet "
            "and the index have it. sheet_font takes a TrueType file that can",
            SHEET,
            sheet.undrawn,
        )
    return KitFiles(
        folder=str(folder),
        index=f"{folder}/{INDEX}",
        qr_count=len(shown),
        withheld=len(entries) - len(shown),
        vendor_files=len(vendor_zips),
        mdm_files=len(uploads),
    )


def purge_kit(folder: KitFolder) -> int:
    """Remove a kit's files, and its folders where nothing else is in them; how many files there were.

    The index goes first: a kit that is half gone is no kit.
    """
    removed = folder.remove(FILES)
    for name, pattern in {"": "", **FOLDERS}.items():
        removed += folder.remove(folder.names(name, pattern))
        removed += folder.remove(folder.names(name, HALF))
        if name:
            folder.remove_if_empty(name)
    folder.remove_if_empty()
    return removed
