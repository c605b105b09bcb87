"""Reads QR images back, as a phone would, and stops a kit whose images do not hold what they should.

Must stay true: a code that differs is told by fingerprint and ICCID only.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import StrEnum

import zxingcpp
from PIL import Image

from airflow_provider_esimgo.kit.entries import KitEntry, KitNotReady, fingerprint
from airflow_provider_esimgo.kit.qr import Drawing, print_picture

SAMPLE = 50  # images; a smaller kit is read back whole


class Verify(StrEnum):
    """How many of a kit's images are read back before they are handed out."""

    ALL = "all"
    SAMPLE = "sample"
    NONE = "none"

    def pick(self, iccids: Sequence[str]) -> frozenset[str]:
        """The eSIMs whose images are read back; a sample is spread evenly and includes both ends."""
        distinct = list(dict.fromkeys(iccids))
        if self is Verify.NONE:
            return frozenset()
        if self is Verify.ALL or len(distinct) <= SAMPLE:
            return frozenset(distinct)
        last = len(distinct) - 1
        return frozenset(distinct[round(at * last / (SAMPLE - 1))] for at in range(SAMPLE))


def read_code(png: bytes) -> str | None:
    """The text of the one QR code in an image; None where there is none, several, or no image."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            return _read(picture.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _read(picture: Image.Image) -> str | None:
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return found[0].text if len(found) == 1 else None


def verify_drawing(entry: KitEntry, drawing: Drawing) -> None:
    """Raise `KitNotReady` unless both symbols of a drawing scan as the entry's code."""
    for held in (read_code(drawing.png), _read(print_picture(drawing.print_rows))):
        if held != entry.activation_code:
            raise differs(entry.iccid, "the drawn QR code", held, entry.activation_code)


def differs(iccid: str, what: str, held: str | None, code: str) -> KitNotReady:
    """An image of this eSIM holds another text than its activation code."""
    told = "nothing that can be read" if held is None else f"another text (fingerprint {fingerprint(held)})"
    return KitNotReady(
        f"eSIM {iccid}: {what} holds {told}, where its install details say fingerprint {fingerprint(code)}. "
        "The kit was not written, and nothing was bought or lost. Run this task again; if it stays so, ask the "
        'vendor which of the two is right (verify="none" does not look).'
    )
