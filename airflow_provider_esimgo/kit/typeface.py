"""The fonts of the sheet, which texts they can draw, and how a text is broken into lines.

Must stay true: what a font has no glyph for, or only a shaping engine draws right, is refused and never becomes
boxes or letters in the wrong order. reportlab is loaded with the first font and not with this module.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

from airflow_provider_esimgo.kit.entries import KitError

if TYPE_CHECKING:
    from reportlab.pdfbase.ttfonts import TTFont

#: Scripts that read from left to right with one glyph a letter, as Unicode's names of their letters begin.
_PLAIN_SCRIPTS = (
    "LATIN ",
    "GREEK ",
    "CYRILLIC ",
    "ARMENIAN ",
    "GEORGIAN ",
    "CJK ",
    "IDEOGRAPHIC ",
    "HIRAGANA ",
    "KATAKANA",
    "HANGUL SYLLABLE ",
    "BOPOMOFO ",
    "HALFWIDTH ",
    "FULLWIDTH ",
    "MODIFIER ",
    "COMBINING ",
    "FEMININE ",
    "MASCULINE ",
)
_PICTURES = "\u2190"  # symbols from here on are arrows, signs and emoji
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Typeface:
    """One font that reportlab can draw with, by the name it knows it under."""

    name: str
    font: TTFont

    def draws(self, text: str) -> bool:
        """Whether the text comes out as it is meant."""
        glyphs = self.font.face.charToGlyph
        return all(ord(char) in glyphs and _is_plain(char) for char in text)

    def width(self, text: str, size: float) -> float:
        """How wide the text is, in points."""
        return float(self.font.stringWidth(text, size))

    def lines(self, text: str, size: float, width: float) -> list[str]:
        """Break a text between words, and inside of those that are wider than a line."""
        lines: list[str] = []
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}" if lines else word
            if self.width(longer, size) <= width:
                lines[-1:] = [longer]
            else:
                lines += self._pieces(word, size, width)
        return lines

    def fitted(self, text: str, width: float, steps: Sequence[tuple[float, int]]) -> tuple[float, list[str]]:
        """The first size at which the text takes no more than that many lines; at the last one it is cut off.

        Args:
            steps: sizes in points with the most lines at each, the largest size first.
        """
        for size, most in steps:
            lines = self.lines(text, size, width)
            if len(lines) <= most:
                return size, lines
        return size, [*lines[: most - 1], self.cut(" ".join(lines[most - 1 :]), size, width)]

    def cut(self, text: str, size: float, width: float) -> str:
        """The text, or as much of its beginning as fits with an ellipsis."""
        if self.width(text, size) <= width:
            return text
        while text and self.width(text + _ELLIPSIS, size) > width:
            text = text[:-1]
        return text.rstrip() + _ELLIPSIS

    def _pieces(self, word: str, size: float, width: float) -> Iterator[str]:
        piece = ""
        for char in word:
            if piece and self.width(piece + char, size) > width:
                # a dash at a line's end is hyphenation to PDF viewers: a code that is copied would lose it
                line = piece.rstrip("-") or piece
                yield line
                piece = piece[len(line) :]
            piece += char
        yield piece


def tidy(text: str) -> str:
    """On one line, letters and accents composed, without characters that are not seen."""
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(char for char in composed if unicodedata.category(char) not in ("Cc", "Cf"))


def first_that_draws(typefaces: Iterable[Typeface], text: str) -> Typeface | None:
    """The first of the fonts that draws the whole text; None for a text that none does, or without ink."""
    return next((one for one in typefaces if one.draws(text)), None) if text.strip() else None


@cache
def bundled(file: str) -> Typeface:
    """A font that comes with this package."""
    return _typeface(files(__package__).joinpath("fonts", f"{file}.ttf").read_bytes())


def given(path: str) -> Typeface:
    """The user's own font.

    Raises:
        KitError: there is no such file, or reportlab cannot embed it.
    """
    cure = "Give the path of a TrueType file (.ttf) on this machine, or none to do without."
    try:
        font = Path(path).read_bytes()
    except OSError as unread:
        raise KitError(f"The sheet's font {path} cannot be read: {unread.strerror}. {cure}") from unread
    try:
        return _typeface(font)
    except Exception as broken:  # whatever the bytes lead reportlab's parser to
        raise KitError(f"The sheet's font {path} is no TrueType font that a PDF can hold. {cure}") from broken


def _typeface(font: bytes) -> Typeface:
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415 - loads for 50 ms
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415

    name = f"esimgo-{sha256(font).hexdigest()[:16]}"  # reportlab's list of fonts is one for the process
    if name not in pdfmetrics.getRegisteredFontNames():
        made = TTFont(name, io.BytesIO(font))
        made.face.makeSubset([0, *list(made.face.charToGlyph)[:1]])  # a file that was cut off fails here
        pdfmetrics.registerFont(made)
    return Typeface(name, cast("TTFont", pdfmetrics.getFont(name)))


@cache
def _is_plain(char: str) -> bool:
    category = unicodedata.category(char)
    if category[0] in "LM":
        return unicodedata.name(char, "").startswith(_PLAIN_SCRIPTS)
    if category == "So" and char >= _PICTURES:
        return False
    return category[0] in "NPSZ" and unicodedata.bidirectional(char) not in ("R", "AL", "AN")
