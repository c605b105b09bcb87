"""What all pages of the sheet share: the pen that draws them, and the text that is the same for everyone.

Menus are called as Apple, Google and Samsung call them in English. The text is laid out by hand, line by line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

    from airflow_provider_esimgo.kit.typeface import Typeface

INK, SOFT, LINE, SHADE = 0.0, 0.35, 0.75, 0.93  # greys, for printers that have no other
_SIZE, _LEADING = 9.5, 13.5
_INDENT = 14.0  # of a step behind its number
_COLUMN = 244.0  # where the second phone begins

_NOTICE = (
    "*This eSIM may be on the phone already: then nothing has to be installed.*",
    "The plan was added to it. Scan the code only if the eSIM is not on the phone.",
)
_BEFORE = (
    "Connect the phone to *Wi-Fi*. The code installs *once*, on one phone.",
    "*Do not delete the eSIM* after the installation: it cannot be installed again.",
)
_IPHONE = (
    ("1", "Open *Settings > Mobile Data* or *Cellular*."),
    ("2", "Tap *Add eSIM*, then *Use QR Code*."),
    ("3", "Scan the code above and follow the screens."),
    ("4", "At your destination, choose it for mobile data"),
    ("", "and switch on *Data Roaming* for it."),
)
_ANDROID = (
    ("1", "Open *Settings > Network & internet > SIMs*"),
    ("", "(on a Samsung *Connections > SIM manager*)."),
    ("2", "Tap *Add eSIM* and scan the code above."),
    ("3", "Follow the screens and switch the eSIM on."),
    ("4", "At your destination, choose it for mobile data"),
    ("", "and switch on *Roaming* for it."),
)
_BY_HAND = (
    "On an iPhone, *Enter Details Manually* on the scanning screen takes the first two.",
    "Most Android phones take the whole code.",
)
_ON_SCREEN = "Or on screen, tap"


@dataclass(frozen=True)
class Part:
    """Drawn on many pages and in the file once; it hangs down from where it is placed."""

    name: str
    height: int


NOTICE = Part("notice", 60)
STEPS = Part("steps", 252)
_LINKS_DOWN = 172.0
#: Left, low, right and high of the install links, from where STEPS is placed: iPhone and Android.
LINKS = tuple((left, -_LINKS_DOWN - 5.0, left + 230.0, -_LINKS_DOWN + 12.0) for left in (0.0, _COLUMN))


@dataclass(frozen=True)
class Pen:
    """Draws on the page at hand."""

    canvas: Canvas
    bold: Typeface
    text: Typeface

    def write(
        self, x: float, y: float, text: str, typeface: Typeface, size: float, grey: float = INK
    ) -> None:
        """One line of text on the baseline y."""
        self.canvas.setFillGray(grey)
        self.canvas.setFont(typeface.name, size)
        self.canvas.drawString(x, y, text)

    def rule(self, left: float, right: float, y: float, grey: float = LINE) -> None:
        """A thin line across."""
        self.canvas.setStrokeGray(grey)
        self.canvas.setLineWidth(0.6)
        self.canvas.line(left, y, right, y)

    def place(self, part: Part, x: float, y: float) -> None:
        """Draw a shared part so that its upper left corner is here."""
        self.canvas.saveState()
        self.canvas.translate(x, y)
        self.canvas.doForm(part.name)
        self.canvas.restoreState()

    def marked(self, x: float, y: float, line: str) -> None:
        """One line in which *this* is bold."""
        for number, piece in enumerate(line.split("*")):
            typeface = self.bold if number % 2 else self.text
            self.write(x, y, piece, typeface, _SIZE)
            x += typeface.width(piece, _SIZE)

    def paragraph(self, x: float, y: float, lines: Iterable[str]) -> None:
        """Lines from the baseline y downwards."""
        for number, line in enumerate(lines):
            self.marked(x, y - number * _LEADING, line)


def define(pen: Pen, width: float) -> None:
    """Put the shared parts into the file, as wide as the page's text."""
    canvas = pen.canvas
    canvas.beginForm(NOTICE.name, 0, -NOTICE.height)
    canvas.setFillGray(SHADE)
    canvas.roundRect(0, -NOTICE.height, width, NOTICE.height - 16, 4, stroke=0, fill=1)
    pen.paragraph(14, -34.5, _NOTICE)
    canvas.endForm()
    canvas.beginForm(STEPS.name, 0, -STEPS.height)
    pen.write(0, -11, "Before you start", pen.bold, 11)
    pen.paragraph(0, -28, _BEFORE)
    _phone(pen, 0, "iPhone", _IPHONE, link="Install on iPhone", since="iOS 17.4 or later")
    _phone(pen, _COLUMN, "Android", _ANDROID, link="Install on Android")
    pen.rule(0, width, -192)
    pen.write(0, -214, "If the code cannot be scanned", pen.bold, 11)
    pen.paragraph(0, -231, _BY_HAND)
    canvas.endForm()


def _phone(
    pen: Pen, x: float, phone: str, steps: Iterable[tuple[str, str]], *, link: str, since: str = ""
) -> None:
    y = -66.0
    pen.write(x, y, phone, pen.bold, 11)
    y -= 3.5
    for number, line in steps:
        y -= _LEADING
        pen.write(x, y, number, pen.text, _SIZE, SOFT)
        pen.marked(x + _INDENT, y, line)
    pen.write(x, -_LINKS_DOWN, _ON_SCREEN, pen.text, 8, SOFT)
    x += pen.text.width(_ON_SCREEN, 8) + 5
    pen.write(x, -_LINKS_DOWN, link, pen.text, _SIZE)
    wide = pen.text.width(link, _SIZE)
    pen.rule(x, x + wide, -_LINKS_DOWN - 2, INK)
    pen.write(x + wide + 5, -_LINKS_DOWN, since, pen.text, 8, SOFT)
