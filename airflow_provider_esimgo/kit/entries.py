"""What the kit knows of one unit, and the file name it goes under.

Activation codes, matching ids and install links are secrets: they are in no repr and in no error.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import quote

_APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="  # iOS 17.4 and later
_ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning?carddata="
_LONGEST_NAME = 80


class KitError(ValueError):
    """The install details of an eSIM cannot be used; names the ICCID, never the code."""


@dataclass(frozen=True)
class KitEntry:
    """One unit with what is needed to install it."""

    recipient_ref: str
    bundle: str
    iccid: str
    smdp_address: str
    matching_id: str = field(repr=False)
    profile_status: str = ""
    cost_centre: str | None = None
    topped_up: bool = False
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    apple_url: str | None = field(default=None, repr=False)
    android_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.smdp_address or not self.matching_id:
            raise KitError(f"eSIM {self.iccid} has no install details yet")
        if re.search(r"[\s$/:]", self.smdp_address):
            raise KitError(
                f"eSIM {self.iccid} has the SM-DP+ address {self.smdp_address!r}, which is no bare host name: "
                "phones would refuse its QR code. Ask the vendor."
            )
        if "$" in self.matching_id or re.search(r"\s", self.matching_id):
            raise KitError(
                f"eSIM {self.iccid} has a matching id with a '$' or a space: its QR code would be wrong"
            )

    @property
    def activation_code(self) -> str:
        """What the QR code holds. A secret."""
        return f"LPA:1${self.smdp_address}${self.matching_id}"

    @property
    def apple_link(self) -> str:
        """Installs on iPhones from iOS 17.4 on; the vendor's own link wins."""
        return self.apple_url or _APPLE + quote(self.activation_code, safe="")

    @property
    def android_link(self) -> str:
        """Installs on Android; the vendor's own link wins."""
        return self.android_url or _ANDROID + quote(self.activation_code, safe="")

    @property
    def qr_name(self) -> str:
        """The QR image's file name without its ending: safe on every file system, and unique by the ICCID."""
        return f"{safe_name(self.recipient_ref)}-{self.iccid}"


def safe_name(text: str) -> str:
    """A file name that keeps what is harmless of a text: letters, digits, dot, dash and underscore."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    return kept[:_LONGEST_NAME] or "unnamed"
