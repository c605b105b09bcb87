"""A bundle's name in words: `esim_1GB_7D_GB_V2` is 1 GB for 7 days, United Kingdom.

The catalogue decides, not the name: what it tells goes before what the usual grammar
`esim_<data>_<days>_<area>_<revision>` says, and a name outside of the grammar is not guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_NAME = re.compile(
    r"esim_(?P<data>UL[EP]?|[0-9]{1,6}(?:\.[0-9]{1,3})?[MG]B)_(?P<days>[0-9]{1,4})D_(?P<area>[A-Z]{2,6})_(?P<revision>[A-Z0-9]+)"
)
_TIERS = {"UL": "Lite", "ULE": "Essential", "ULP": "Plus"}
#: Regions that the vendor's documents name; a country's code stands for itself.
_REGIONS = {
    "REUP": "Europe+",
    "RNA": "North America",
    "RGB": "Global",
    "RGBS": "Global Standard",
}
UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class BundleName:
    """What a name says by the grammar. `data_mb` is -1 and `tier` set for unlimited ones."""

    data_mb: int
    days: int
    area: str
    revision: str
    tier: str = ""


def read_bundle_name(name: str) -> BundleName | None:
    """A name's parts, or None if it does not follow the grammar."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    data, days = found["data"], int(found["days"])
    tier = _TIERS.get(data, "")
    amount = UNLIMITED if tier else int(Decimal(data[:-2]) * (1000 if data.endswith("GB") else 1))
    return BundleName(amount, days, found["area"], found["revision"], tier)


def in_words(
    name: str, *, data_mb: int | None = None, days: int | None = None, description: str = ""
) -> str | None:
    """Data, days and area in words, as far as name and catalogue tell; None when they do not.

    Args:
        name: the bundle's name.
        data_mb, days, description: what the catalogue says; it goes before the name. -1 MB is unlimited.
    """
    by_name = read_bundle_name(name)
    area = _described_area(description) or (by_name and _REGIONS.get(by_name.area, by_name.area))
    data_mb = data_mb if data_mb is not None or by_name is None else by_name.data_mb
    days = days if days is not None or by_name is None else by_name.days
    if data_mb is None or days is None:
        return None
    tier = f" {by_name.tier}" if by_name and by_name.tier and data_mb == UNLIMITED else ""
    data = f"unlimited{tier}" if data_mb == UNLIMITED else _amount(data_mb)
    words = f"{data} for {days} {'day' if days == 1 else 'days'}"
    return f"{words}, {area}" if area else words


def _amount(data_mb: int) -> str:
    return f"{data_mb} MB" if data_mb < 1000 else f"{Decimal(data_mb) / 1000:f} GB"


def _described_area(description: str) -> str:
    """The area in `eSIM, 1GB, 7 Days, United Kingdom, V2`; empty for a description of another form."""
    parts = [part.strip() for part in description.split(",")]
    return ", ".join(parts[3:-1]) if len(parts) >= 5 and parts[0].casefold() == "esim" else ""
