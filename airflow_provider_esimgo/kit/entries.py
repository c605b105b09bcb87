"""What the kit knows of one unit, and the file name it goes under.

Must stay true: activation codes, matching ids and install links are secrets: they are in no repr and in no
error. An entry either has a code that installs, or says why it has none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

_APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="  # iOS 17.4 and later
_ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning?carddata="
_LONGEST_NAME = 80


class KitError(ValueError):
    """A kit cannot be made right, so it is not made; names ICCIDs, never codes."""


class KitNotReady(KitError):
    """What the vendor tells now does not do; later it may."""


@dataclass(frozen=True)
class KitEntry:
    """One unit with what is needed to install it.

    Attributes:
        plan: the bundle in plain words, "1 GB for 7 days, United Kingdom".
        withheld: why this entry has no code, for people; "" for one that has its code.
        extra: the client's own columns of the manifest's row, by their own names.
    """

    recipient_ref: str
    bundle: str
    iccid: str
    smdp_address: str = ""
    matching_id: str = field(default="", repr=False)
    plan: str = ""
    profile_status: str = ""
    cost_centre: str | None = None
    topped_up: bool = False
    withheld: str = ""
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    apple_url: str | None = field(default=None, repr=False)
    android_url: str | None = field(default=None, repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.withheld:
            return
        if not self.smdp_address or not self.matching_id:
            raise KitNotReady(f"eSIM {self.iccid} has no install details yet. The kit was not written.")
        if re.search(r"[\s$/:]", self.smdp_address):
            raise KitError(
                f"eSIM {self.iccid} has the SM-DP+ address {self.smdp_address!r}, which is no bare host name: "
                "phones would refuse its QR code. The kit was not written; ask the vendor."
            )
        if "$" in self.matching_id or re.search(r"\s", self.matching_id):
            raise KitError(
                f"eSIM {self.iccid} has a matching id with a '$' or a space: its QR code would be wrong. "
                "The kit was not written; ask the vendor."
            )

    @property
    def has_code(self) -> bool:
        """Whether there is something to install."""
        return not self.withheld

    @property
    def activation_code(self) -> str:
        """What the QR code holds; "" when it is withheld. A secret."""
        return f"LPA:1${self.smdp_address}${self.matching_id}" if self.has_code else ""

    @property
    def apple_link(self) -> str:
        """Installs on iPhones from iOS 17.4 on; the vendor's own link wins. "" when withheld. A secret."""
        return (self.apple_url or _APPLE + quote(self.activation_code, safe="")) if self.has_code else ""

    @property
    def android_link(self) -> str:
        """Installs on Android; the vendor's own link wins. "" when withheld. A secret."""
        return (self.android_url or _ANDROID + quote(self.activation_code, safe="")) if self.has_code else ""

    @property
    def qr_name(self) -> str:
        """The QR image's file name without its ending: safe on every file system, and unique by the ICCID."""
        known = safe_name(self.recipient_ref) if self.recipient_ref else ""
        return f"{known}-{self.iccid}" if known else self.iccid


def safe_name(text: str) -> str:
    """A file name that keeps what is harmless of a text: letters, digits, dot, dash and underscore."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    return kept[:_LONGEST_NAME] or "unnamed"


def folder_name(text: str) -> str:
    """A folder's name that no other text has: what cannot be kept of it is told apart by a mark."""
    safe = safe_name(text)
    return safe if safe == text else f"{safe}-{fingerprint(text)[:10]}"


def fingerprint(secret: str) -> str:
    """What may be told of a code: two alike have the same one, and it leads back to neither."""
    return sha256(secret.encode()).hexdigest()[:12]
