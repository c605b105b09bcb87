"""Bytes to text: UTF-8, UTF-16 by its byte order mark, and Windows-1252 only where no other reading is likely.

A guess would print a wrong name on somebody's sheet, so what cannot be told for sure is refused with its byte.
"""

from __future__ import annotations

import codecs
import re

from airflow_provider_esimgo.manifest.faults import UnreadableError

SAVE_AS_UTF8 = "save the file as 'CSV UTF-8' and send it again"
_BINARY_STARTS = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet (ods)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (xls)"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe\0\0", "UTF-32 text"),
)
# Letters at which Windows-1252, -1250 and -1254 and ISO 8859-1, -2 and -15 agree. DOS and Mac have most of
# their lower-case letters below 0xC0, and in Cyrillic, Greek and Hebrew a whole word is above it.
_AGREED = rb"\xc1\xc2\xc4\xc7\xc9\xcb\xcd\xce\xd3\xd4\xd6\xdc\xdf\xe1\xe2\xe4\xe7\xe9\xeb\xed\xee\xf3\xf4\xf6\xfa\xfc"
_SURE = re.compile(
    rb"(?<=[A-Za-z])[" + _AGREED + rb"](?![\x80-\xff])|(?<![\x80-\xff])[" + _AGREED + rb"](?=[A-Za-z])"
)
_DOS_SHARP_S = 0xE1  # where it is the only letter, it may be a German DOS file's sharp s


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, without its byte order mark, and a note where another encoding than UTF-8 was read."""
    if not data.strip():
        raise UnreadableError("empty_file", "the file is empty", "send a CSV file with a header and rows")
    for start, what in _BINARY_STARTS:
        if data.startswith(start):
            raise UnreadableError("not_csv", f"the file is {what}, not CSV in UTF-8", SAVE_AS_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16(data), ("read as UTF-16",)
    nul = data.find(b"\0")
    if nul >= 0:
        raise UnreadableError(
            "nul_byte",
            f"the file has NUL bytes, the first at byte {nul + 1} (line {_line(data, nul)}): "
            "it is binary, damaged or UTF-16 without its mark",
            SAVE_AS_UTF8,
        )
    try:
        return data.decode("utf-8").lstrip("\ufeff"), ()
    except UnicodeDecodeError as error:
        doubt = None if data.startswith(codecs.BOM_UTF8) else _doubt(data)
        if doubt is None and not data.startswith(codecs.BOM_UTF8):
            return data.decode("cp1252"), ("read as Windows-1252",)
        at = error.start if doubt is None else doubt
        raise UnreadableError(
            "not_utf8",
            f"byte {at + 1} (0x{data[at]:02x}, line {_line(data, at)}) is not UTF-8, and it cannot be told for "
            "sure which Windows, DOS or Mac encoding the file is in",
            SAVE_AS_UTF8,
        ) from None


def _utf16(data: bytes) -> str:
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            "damaged_utf16",
            f"the file begins like UTF-16 but cannot be read at byte {error.start + 1}: it is cut off or damaged",
            SAVE_AS_UTF8,
        ) from None
    if "\0" in text:
        raise UnreadableError(
            "nul_byte",
            f"the file has NUL characters, the first in line {text.count(chr(10), 0, text.index(chr(0))) + 1}: "
            "it is binary or damaged",
            SAVE_AS_UTF8,
        )
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise UnreadableError("empty_file", "the file is empty", "send a CSV file with a header and rows")
    return text


def _doubt(data: bytes) -> int | None:
    """The first byte that another encoding than Windows-1252 would explain as well; None if there is none."""
    sure = {match.start() for match in _SURE.finditer(data)}
    high = [match.start() for match in re.finditer(rb"[\x80-\xff]", data)]
    doubtful = next((at for at in high if at not in sure), None)
    if doubtful is None and {data[at] for at in high} == {_DOS_SHARP_S}:
        return high[0]
    return doubtful


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
