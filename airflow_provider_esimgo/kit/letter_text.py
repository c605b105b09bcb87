"""What a letter says, and how it says it as text.

Must stay true: `letter_html` says the same, links and codes included; no text of a client breaks a line, hides
or turns about what stands beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

_LONGEST_LINE = 200  # characters of a name, a plan or a subject
_TURNS_ABOUT = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Esim:
    """One eSIM of a letter.

    Attributes:
        plans: its bundles in words.
        topped_up: it is an eSIM that the recipient had before.
        links: phone and install link.
        picture: the QR code's Content-ID.
        side: its width and height, in CSS pixels.
    """

    iccid: str
    plans: tuple[str, ...]
    topped_up: bool
    server: str
    matching_id: str = field(repr=False)
    activation_code: str = field(repr=False)
    links: tuple[tuple[str, str], ...] = field(repr=False)
    picture: str
    picture_file: str
    side: int


@dataclass(frozen=True)
class Letter:
    """What is told to one person."""

    heading: str
    name: str = field(repr=False)
    note: str = field(repr=False)
    esims: tuple[Esim, ...]

    @property
    def greeting(self) -> str:
        return f"Hello {self.name}," if self.name else "Hello,"

    @property
    def opening(self) -> str:
        several = len(self.esims) > 1
        if all(esim.topped_up for esim in self.esims):
            return (
                "There is a new plan on each of your eSIMs."
                if several
                else "There is a new plan on your eSIM."
            )
        what = f"Here are your {len(self.esims)} eSIMs." if several else "Here is your eSIM."
        return f"{what} Installing takes about two minutes and an internet connection."


TOPPED_UP = (
    "This plan was added to an eSIM that may be on your phone already. If it is there, nothing need be "
    "installed."
)
SCAN = "Or show this e-mail on another screen and scan the QR code with the phone"
BY_HAND = "Or enter it by hand"
STEPS = (
    (
        "On an iPhone",
        (
            "Tap “Install on iPhone” (iOS 17.4 or later), or open Settings > Mobile Data or Cellular > Add eSIM > "
            "Use QR Code and scan the code. “Enter Details Manually” there takes the SM-DP+ address and the "
            "activation code.",
            "Follow the screens until the eSIM is on.",
            "At your destination, choose it for mobile data and switch on Data Roaming for it.",
        ),
    ),
    (
        "On an Android phone",
        (
            "Tap “Install on Android”, or open Settings > Network & internet > SIMs > Add eSIM (Samsung: Settings > "
            "Connections > SIM manager > Add eSIM) and scan the code. By hand, enter the whole code, from LPA on.",
            "Follow the screens and switch the eSIM on.",
            "At your destination, choose it for mobile data and switch on roaming for it.",
        ),
    ),
)
CAREFUL = (
    "A code installs once, on one phone, and is only for you: please do not pass this e-mail on. Keep the eSIM on "
    "the phone once it is there, for a deleted one cannot be installed again."
)


def on_one_line(text: str) -> str:
    """A client's text without line breaks and without characters that hide or reorder others; not endless."""
    line = " ".join(_shown(text).split())
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def in_lines(text: str) -> list[str]:
    """A client's text, line by line, each as harmless as `on_one_line` makes it."""
    return [" ".join(_shown(line).split()) for line in text.strip().splitlines()]


def _shown(text: str) -> str:
    plain = _TURNS_ABOUT.sub("", text)
    return "".join(
        char if char in "\t\n\r" or unicodedata.category(char) not in ("Cc", "Cs") else "\ufffd"
        for char in plain
    )


def manual_entry(esim: Esim) -> Iterator[tuple[str, str]]:
    """What a person types in, with its names: iPhones ask for two parts, most Android phones for the whole."""
    yield "SM-DP+ address", esim.server
    yield "Activation code", esim.matching_id
    yield "Whole code, for Android", esim.activation_code


def as_text(letter: Letter) -> str:
    """The letter for those who read mail as text."""
    parts = [letter.greeting, letter.opening]
    if letter.note.strip():
        parts.append("\n".join(in_lines(letter.note)))
    for number, esim in enumerate(letter.esims, start=1):
        parts.append("\n".join(_esim_lines(esim, number if len(letter.esims) > 1 else 0)))
    parts.append("-" * 70)
    for phone, steps in STEPS:
        parts.append(
            "\n".join([f"{phone}:", *(f"{number}. {step}" for number, step in enumerate(steps, start=1))])
        )
    parts.append(CAREFUL)
    return "\n\n".join(parts) + "\n"


def _esim_lines(esim: Esim, number: int) -> Iterator[str]:
    yield "-" * 70
    yield f"{number}. {' + '.join(esim.plans)}" if number else " + ".join(esim.plans)
    yield f"ICCID: {esim.iccid}"
    if esim.topped_up:
        yield f"\n{TOPPED_UP}"
    for phone, link in esim.links:
        yield f"\nInstall on {phone}:\n{link}"
    yield f"\n{SCAN}: it is the picture {esim.picture_file}."
    yield f"\n{BY_HAND}:"
    for what, value in manual_entry(esim):
        yield f"{what}: {value}"
