"""Identifiers the sandbox hands out: ICCIDs, activation codes, references, assignment ids.

Each is a pure function of a seed and a serial, so that a seeded run repeats exactly.
Invariants: an ICCID has 19 digits and passes Luhn; under one seed, two serials never share an identifier.
"""

from __future__ import annotations

import hashlib
import uuid

DEFAULT_KEY = "sandbox-0f7c2e5a9d4b4b6e8a31"
ORGANISATION = "Sandbox Reseller Ltd"
CURRENCY = "USD"
DEFAULT_BRANDING_ID = "5f0c1b52-6f0e-4d7c-9c38-0f4f0a6f2b11"
BRANDING_IDS = (DEFAULT_BRANDING_ID, "b3a9f2de-17c4-4f6e-8a55-6c1f3d2e9a40")

FIRST_SERIAL = 1001  # serials below belong to the preset eSIMs
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` + it pass Luhn."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character)
        if place % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def iccid(seed: int, serial: int) -> str:
    body = f"8944{(50000 + seed) % 100000:05d}{serial:09d}"
    return body + luhn_digit(body)


PRESET_ICCIDS: tuple[str, ...] = tuple(iccid(0, number) for number in range(1, 7))


def _digest(seed: int, serial: int, what: str) -> bytes:
    return hashlib.sha256(f"{seed}/{what}/{serial}".encode()).digest()


def matching_id(seed: int, serial: int) -> str:
    number = int.from_bytes(_digest(seed, serial, "matching"), "big")
    characters = []
    for _ in range(20):
        number, rest = divmod(number, 36)
        characters.append(_ALPHABET[rest])
    text = "".join(characters)
    return "-".join(text[start : start + 5] for start in range(0, 20, 5))


def pin_and_puk(seed: int, serial: int) -> tuple[str, str]:
    number = int.from_bytes(_digest(seed, serial, "pin")[:8], "big")
    return f"{number % 10**4:04d}", f"{number // 10**4 % 10**8:08d}"


def reference(seed: int, serial: int) -> str:
    return str(uuid.UUID(bytes=_digest(seed, serial, "reference")[:16], version=4))


def assignment_id(serial: int) -> str:
    return str(215_000_000 + serial)


def usage_id(serial: int) -> int:
    return 4_500_000 + serial
