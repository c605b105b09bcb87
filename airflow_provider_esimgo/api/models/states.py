"""The vendor's state words as enums, read leniently.

Must stay true: no word crashes. Case does not matter; the model keeps the word as sent, and the enum says
UNKNOWN for one it does not know.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class _Lenient(StrEnum):
    @classmethod
    def read(cls, word: str) -> Self:
        """The member for `word`, whatever its case; UNKNOWN for anything else."""
        try:
            return cls(word.strip().lower())
        except ValueError:
            return cls("unknown")


class BundleState(_Lenient):
    """State of one assignment of a bundle to an eSIM [D24][G:bundle_status]."""

    PROCESSING = "processing"
    QUEUED = "queued"
    ACTIVE = "active"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    LAPSED = "lapsed"
    UNKNOWN = "unknown"


class ProfileStatus(_Lenient):
    """Where an eSIM's profile is; the set differs per SM-DP+ platform [HC:12513660203281][D25]."""

    RELEASED = "released"
    DOWNLOADED = "downloaded"
    INSTALLED = "installed"
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"
    UNAVAILABLE = "unavailable"
    CONFIRMED = "confirmed"
    ERROR = "error"
    DEACTIVATED = "deactivated"
    UNKNOWN = "unknown"


class EsimState(_Lenient):
    """Commercial state of an eSIM, from version 2.5 on [D25]."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    UNKNOWN = "unknown"


class OrderStatus(_Lenient):
    """No enum is published: what is neither completed nor failed is in progress, as far as anyone knows."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
