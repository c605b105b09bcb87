"""The vendor's own archives of QR images, kept for their branding: one for each order, each image as it came.

Must stay true: an archive holds the images of exactly those eSIMs that it is meant to hold; an image that holds
another activation code than its eSIM's stops the kit. File names in them are not documented: an image belongs to
the eSIM whose ICCID its name bears, else to the one whose code it holds.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from airflow_provider_esimgo.kit.entries import KitError, KitNotReady, fingerprint
from airflow_provider_esimgo.kit.verify import differs, read_code

_LARGEST = 5_000_000  # bytes of one file; the vendor's images have about a thousand
_ICCID = re.compile(r"(?<![0-9])[0-9]{18,20}(?![0-9])")


@dataclass(frozen=True)
class VendorArchives:
    """What an answer of the vendor became: file names to archives, and the eSIMs it has no image of."""

    files: Mapping[str, bytes] = field(repr=False)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Member:
    name: str
    content: bytes = field(repr=False)
    iccid: str | None = None  # of an image that is an eSIM's

    @property
    def is_table(self) -> bool:
        return self.name.lower().endswith(".csv")


def divide(
    archive: bytes,
    orders: Mapping[str, Collection[str]],
    codes: Mapping[str, str | None],
    verified: Collection[str],
) -> VendorArchives:
    """Make an archive for each order out of one answer about several.

    An answer about one order, all of whose eSIMs are meant, is kept byte for byte; of any other, only the images
    of eSIMs that are meant, and a table's rows about them.

    Args:
        archive: the ZIP as the vendor sent it.
        orders: what each order's archive is to hold: reference to ICCIDs.
        codes: every eSIM of these orders, meant or not, with its activation code as far as it is known.
        verified: the ICCIDs whose images are read back even where their name tells whose they are.

    Raises:
        KitError: an image holds another code than it should, or the archive cannot be read.
    """
    try:
        members = list(_members(archive, codes, verified))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise KitNotReady(
            f"The vendor's archive of order {next(iter(orders))} cannot be read ({type(error).__name__}). The kit was "
            "not written, and nothing was bought or lost. Run this task again."
        ) from None
    there = {member.iccid for member in members if member.iccid}
    wanted = {iccid for iccids in orders.values() for iccid in iccids}
    missing = frozenset(wanted - there)
    if len(orders) == 1 and codes.keys() <= wanted:
        return VendorArchives({f"{next(iter(orders))}.zip": archive}, missing)
    files = {
        f"{reference}.zip": _archive(members, frozenset(iccids))
        for reference, iccids in orders.items()
        if iccids
    }
    return VendorArchives(files, missing)


def _members(archive: bytes, codes: Mapping[str, str | None], verified: Collection[str]) -> Iterator[_Member]:
    by_code = {code: iccid for iccid, code in codes.items() if code}
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for info in opened.infolist():
            if info.is_dir():
                continue
            name = PurePosixPath(info.filename.replace("\\", "/")).name  # no folder of theirs in ours
            if info.file_size > _LARGEST:
                raise KitError(
                    f"The vendor's archive holds a file of {info.file_size:,} bytes, which cannot be a QR image. "
                    "The kit was not written, and nothing was bought or lost; ask the vendor."
                )
            content = opened.read(info)
            iccid = None
            if name.lower().endswith(".png"):
                iccid = _whose(name, content, codes, by_code, verified)
            yield _Member(name, content, iccid)


def _whose(
    name: str,
    image: bytes,
    codes: Mapping[str, str | None],
    by_code: Mapping[str, str],
    verified: Collection[str],
) -> str | None:
    """The eSIM an image is of; None where that cannot be told, or it is of something else, such as a logo."""
    named: list[str] = [iccid for iccid in _ICCID.findall(name) if iccid in codes]
    if len(named) == 1:
        (iccid,) = named
        code = codes[iccid]
        if code and iccid in verified and (held := read_code(image)) != code:
            raise differs(iccid, "the vendor's image", held, code)
        return iccid
    held = read_code(image)
    if held is None or not held.startswith("LPA:"):
        return None
    owner = by_code.get(held)
    if owner is None:
        raise KitError(
            f"The vendor's archive holds an activation code (fingerprint {fingerprint(held)}) that is none of the "
            f"{len(codes)} of these orders. The kit was not written, and nothing was bought or lost; ask the vendor."
        )
    return owner


def _archive(members: list[_Member], iccids: frozenset[str]) -> bytes:
    """The images of these eSIMs, and the rows about them; nothing else, for it may be somebody else's."""
    text = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(text, "w", zipfile.ZIP_STORED) as made:
        for member in members:
            content = member.content if member.iccid in iccids else None
            if member.is_table:
                content = _rows(member.content, iccids)
            if content is None or member.name in taken:
                continue
            taken.add(member.name)
            entry = zipfile.ZipInfo(member.name)  # without a time: the same kit twice is the same bytes
            made.writestr(entry, content)
    return text.getvalue()


def _rows(table: bytes, iccids: frozenset[str]) -> bytes | None:
    """A CSV's rows about these eSIMs; None for what does not say which eSIM a row is about."""
    try:
        lines = list(csv.reader(io.StringIO(table.decode("utf-8-sig", "replace"), newline="")))
    except csv.Error:
        return None
    names = [re.sub("[^a-z]", "", name.lower()) for name in lines[0]] if lines else []
    if "iccid" not in names:
        return None
    at = names.index("iccid")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(lines[0])
    writer.writerows(line for line in lines[1:] if len(line) > at and line[at].strip() in iccids)
    return text.getvalue().encode()
