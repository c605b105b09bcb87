"""What it takes to install an eSIM: from /esims/assignments as JSON or CSV, and from orders.

Must stay true: matching ids, PIN, PUK and install links are secrets and never in a repr.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, instant, rows
from airflow_provider_esimgo.api.models.states import ProfileStatus


@dataclass(frozen=True)
class InstallDetails:
    """One eSIM's install details [D24][D25]; "" where the reply's form does not carry the field.

    `reference` and `bundle` come with the CSV form and with one of the documented JSON forms only.
    """

    iccid: str
    matching_id: str = field(default="", repr=False)
    smdp_address: str = ""
    profile_status: str = ""
    pin: str = field(default="", repr=False)
    puk: str = field(default="", repr=False)
    apple_install_url: str = field(default="", repr=False)
    android_install_url: str = field(default="", repr=False)
    reference: str = ""
    bundle: str = ""
    first_installed: str = ""

    @property
    def activation_code(self) -> str | None:
        """`LPA:1$host$matchingId`, or None while either half is missing. A secret."""
        host = re.sub(r"^https?://", "", self.smdp_address.strip(), flags=re.IGNORECASE).rstrip("/")
        return f"LPA:1${host}${self.matching_id}" if host and self.matching_id else None

    @property
    def profile(self) -> ProfileStatus:
        return ProfileStatus.read(self.profile_status)

    @property
    def first_installed_at(self) -> datetime | None:
        return instant(self.first_installed)

    @classmethod
    def parse(cls, fields: Fields) -> InstallDetails:
        return cls(
            iccid=fields.text("iccid"),
            matching_id=fields.text("matchingId"),
            smdp_address=fields.text("smdpAddress", "rspUrl"),
            profile_status=fields.text("profileStatus"),
            pin=fields.text("pin"),
            puk=fields.text("puk"),
            apple_install_url=fields.text("appleInstallUrl"),
            android_install_url=fields.text("androidInstallUrl"),
            reference=fields.text("reference"),
            bundle=fields.text("bundle"),
            first_installed=fields.text("firstInstalledDateTime"),
        )


def install_details_from_json(payload: object) -> list[InstallDetails]:
    """One object for one eSIM, an array for several [D25]; a wrapper is tolerated."""
    return _with_iccid(rows(payload, "esims", identity="iccid"))


def looks_like_csv(text: str) -> bool:
    """The vendor does not always label it: a first line that names ICCID and opens no JSON and no HTML."""
    header = text.lstrip("\ufeff \r\n").partition("\n")[0]
    return "iccid" in header.lower() and not header.startswith(("{", "[", "<"))


def install_details_from_csv(text: str) -> list[InstallDetails]:
    """Quoted or not, four columns or more, in any order: read by header name.

    Live: `ICCID,Matching ID,RSP URL,Bundle,Reference` [3P]; documented: quoted, without Reference [D21][D25].
    """
    lines = list(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline="")))
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        raise MalformedError("the CSV reply is empty")
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in lines[0]]
    if "iccid" not in names:
        raise MalformedError("the CSV reply has no ICCID column")
    table: list[Mapping[str, str]] = [dict(zip(names, line, strict=False)) for line in lines[1:]]
    return _with_iccid([Fields(row, "a CSV row") for row in table])


def _with_iccid(found: list[Fields]) -> list[InstallDetails]:
    details = [InstallDetails.parse(fields) for fields in found]
    if not all(one.iccid for one in details):
        raise MalformedError("an entry of the install details has no ICCID")
    return details
