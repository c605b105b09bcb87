"""The printable sheet: a page for each recipient, with the code to scan, the code to type, and how to go on.

Must stay true: no code is ever shortened, the QR symbol keeps its quiet zone, and the same entries give the same
bytes. What all pages share is in the file once; each page is compressed as it is made.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_esimgo.kit import guide
from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.kit.qr import QUIET, Drawing
from airflow_provider_esimgo.kit.typeface import bundled, first_that_draws, given, tidy

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_MM = 72 / 25.4
_WIDE, _HIGH = 210 * _MM, 297 * _MM
_LEFT, _TOP = 51.0, _HIGH - 51.0
_RIGHT = _WIDE - _LEFT
_FOOT = 36.0
_SYMBOL = 60 * _MM
_AROUND = 24.0  # the least white on each side of the symbol
_FACTS = _LEFT + _SYMBOL + 32.0
_VALUES = _LEFT + 132.0
_CODE_SIZES = (10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0)  # the largest at which both codes fit on the page
_LEADING = 1.32
_ROW_GAP = 5.0
_NOTHING = "No eSIM of this batch has a code that installs: index.csv says why."
_RUN = re.compile(b"\x01+")


class Sheet:
    """Collects pages; `finish` gives the PDF.

    Args:
        title: stands at the foot of each page.
        font: path of a TrueType file for names that the bundled font cannot draw.

    Raises:
        KitError: the font is not there or is no TrueType font.
    """

    def __init__(self, title: str, *, font: str | None = None) -> None:
        self._bold, self._text, self._mono = map(bundled, ("DejaVuSans-Bold", "DejaVuSans", "DejaVuSansMono"))
        own = () if font is None else (given(font),)
        self._strong, self._plain = (self._bold, self._text, *own), (self._text, *own)
        self._title = tidy(title)
        self._undrawn = 0
        self._pages = 0
        self._canvas = _new_canvas(self._title, self._text.name)
        self._pen = guide.Pen(self._canvas, bold=self._bold, text=self._text)
        guide.define(self._pen, _RIGHT - _LEFT)

    @property
    def undrawn(self) -> int:
        """How many pages leave out a name or a recipient_ref that no font here can draw."""
        return self._undrawn

    def add(self, entry: KitEntry, drawing: Drawing) -> None:
        """One page.

        Args:
            drawing: of this entry's activation code.

        Raises:
            KitError: the entry's code is withheld.
        """
        if not entry.has_code:
            raise KitError(f"eSIM {entry.iccid} has no code to print: {entry.withheld}")
        self._pages += 1
        top = self._heading(entry)
        if entry.topped_up:
            top = self._placed(guide.NOTICE, top)
        self._symbol(drawing.print_rows, top - _AROUND)
        self._facts(entry, top - _AROUND)
        top = top - _AROUND - _SYMBOL - _AROUND
        self._links(entry, top)
        top = self._placed(guide.STEPS, top) - 8
        self._codes(entry, top)
        self._footer()
        self._canvas.showPage()
        _pack(self._canvas)

    def finish(self) -> bytes:
        """The PDF; nothing can be added afterwards. One without pages says so on a page."""
        if not self._pages:
            self._pen.write(_LEFT, _TOP - 24, _NOTHING, self._text, 12)
            self._footer()
        return bytes(self._canvas.getpdfdata())  # type: ignore[no-untyped-call]

    def _heading(self, entry: KitEntry) -> float:
        """Draw whom the page is for; gives where the next thing may begin."""
        pen, name, reference = self._pen, tidy(entry.name or ""), tidy(entry.recipient_ref)
        known = first_that_draws(self._strong, name)
        called = first_that_draws(self._strong, reference)
        self._undrawn += bool((name and not known) or (reference and not called))
        text, typeface = (name, known) if known else (reference, called) if called else (entry.iccid, None)
        typeface = typeface or self._bold
        pen.write(_LEFT, _TOP - 9, "eSIM for", pen.text, 9, guide.SOFT)
        size, lines = typeface.fitted(text, _RIGHT - _LEFT, ((24, 1), (19, 2), (15, 3), (12, 4)))
        y = _TOP - 17
        for line in lines:
            y -= size * 1.2
            pen.write(_LEFT, y, line, typeface, size)
        pen.rule(_LEFT, _RIGHT, y - 13)
        return y - 13

    def _placed(self, part: guide.Part, top: float) -> float:
        self._pen.place(part, _LEFT, top)
        return top - part.height

    def _symbol(self, rows: Sequence[bytes], top: float) -> None:
        """Draw the code as one path: a renderer leaves no hairlines between the rectangles of one path."""
        module = min(_SYMBOL / len(rows), _AROUND / QUIET)
        runs = [
            f"{run.start()} {-row - 1} {run.end() - run.start()} 1 re"
            for row, cells in enumerate(rows)
            for run in _RUN.finditer(cells)
        ]
        self._canvas.addLiteral(
            f"q 0 g {module:.4f} 0 0 {module:.4f} {_LEFT:.2f} {top:.2f} cm\n" + "\n".join(runs) + "\nf Q"
        )

    def _facts(self, entry: KitEntry, top: float) -> None:
        """Plan, reference and ICCID, beside the symbol."""
        plans = [tidy(text) for text in (entry.plan, entry.bundle)]
        plan = next((text for text in plans if first_that_draws(self._strong, text)), "")
        rows = (
            ("Plan", plan, self._strong, ((15.0, 2), (12.0, 3), (9.0, 4))),
            ("Reference", tidy(entry.recipient_ref), self._plain, ((11.0, 2), (9.0, 3))),
            ("ICCID (number of the eSIM)", entry.iccid, (self._mono,), ((11.0, 1), (8.0, 2))),
        )
        pen, y = self._pen, top
        for label, text, typefaces, steps in rows:
            typeface = first_that_draws(typefaces, text)
            if typeface is None:
                continue
            size, lines = typeface.fitted(text, _RIGHT - _FACTS, steps)
            pen.write(_FACTS, y - 7, label, pen.text, 8, guide.SOFT)
            y -= 11
            for line in lines:
                y -= size * 1.25
                pen.write(_FACTS, y, line, typeface, size)
            y -= 15

    def _links(self, entry: KitEntry, top: float) -> None:
        for url, (left, low, right, high) in zip(
            (entry.apple_link, entry.android_link), guide.LINKS, strict=True
        ):
            self._canvas.linkURL(url, (_LEFT + left, top + low, _LEFT + right, top + high))

    def _codes(self, entry: KitEntry, top: float) -> None:
        """What can be typed where the camera does not help, whole."""
        rows = (
            ("SM-DP+ address", entry.smdp_address),
            ("Activation code", entry.matching_id),
            ("Whole code, for Android", entry.activation_code),
        )
        for size in _CODE_SIZES:
            wrapped = [self._mono.lines(code, size, _RIGHT - _VALUES) for _, code in rows]
            high = sum(map(len, wrapped)) * size * _LEADING + 3 * _ROW_GAP
            if high <= top - _FOOT - 14:
                break
        pen, y = self._pen, top
        for (label, _), lines in zip(rows, wrapped, strict=True):
            pen.write(_LEFT, y - 10, label, pen.text, 9, guide.SOFT)
            for line in lines:
                pen.write(_VALUES, y - 10, line, self._mono, size)
                y -= size * _LEADING
            y -= _ROW_GAP

    def _footer(self) -> None:
        pen = self._pen
        number = f"Page {max(self._pages, 1)}"
        room = _RIGHT - _LEFT - 80
        if typeface := first_that_draws(self._plain, self._title):
            pen.write(_LEFT, _FOOT, typeface.cut(self._title, 8, room), typeface, 8, guide.SOFT)
        pen.write(_RIGHT - self._text.width(number, 8), _FOOT, number, self._text, 8, guide.SOFT)


def _new_canvas(title: str, font: str) -> Canvas:
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 - loads for 50 ms

    canvas = Canvas(
        io.BytesIO(),
        pagesize=(_WIDE, _HIGH),
        pageCompression=1,
        invariant=1,
        # reportlab's own is Helvetica, which it would not embed
        initialFontName=font,  # type: ignore[arg-type]
        lang="en",
    )
    canvas.setTitle(title)
    canvas.setAuthor("airflow-provider-esimgo")
    canvas.setCreator("airflow-provider-esimgo")
    canvas.setSubject("How to install your eSIM")
    return canvas


def _pack(canvas: Canvas) -> None:
    """Compress the page just made: reportlab keeps pages as text until the end, and makes ASCII of them then."""
    from reportlab.pdfbase.pdfdoc import PDFDictionary, PDFName, PDFStream  # noqa: PLC0415 - as above

    page = canvas._doc.Pages.pages[-1]  # type: ignore[attr-defined]
    packed = zlib.compress(page.stream.encode("latin-1"))
    page.Contents = PDFStream(PDFDictionary({"Filter": PDFName("FlateDecode")}), packed)
    page.stream = None
