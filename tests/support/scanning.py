"""Reads the QR codes of PNGs back, as a phone's camera would."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import zxingcpp


def scanned(png: bytes) -> str:
    """The text of a QR code; segno's PNGs are one-bit greyscale, filtered "up" or not at all."""
    width, height = struct.unpack(">II", png[16:24])
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    rows = lines[:, 1:].copy()
    for number in range(1, height):
        if lines[number, 0] == 2:
            rows[number] += rows[number - 1]
    pixels = np.unpackbits(rows, axis=1)[:, :width] * np.uint8(255)
    (found,) = zxingcpp.read_barcodes(np.ascontiguousarray(pixels))
    return found.text
