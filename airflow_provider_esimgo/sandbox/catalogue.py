"""The sandbox's catalogue: some forty bundles in the vendor's naming grammar, over two network profiles.

Countries and their networks are real; prices are invented except the two that public code has seen (GB, AX).
Invariants: names are unique and case-sensitive; two profiles exist, so that a top-up can be incompatible.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

PROFILE_1 = "Profile 1"
PROFILE_2 = "Profile 2"
SMDP_ADDRESS = {PROFILE_1: "rsp-3104.idemia.io", PROFILE_2: "rsp.truphone.com"}


@dataclass(frozen=True)
class Country:
    iso: str
    name: str
    region: str


@dataclass(frozen=True)
class Bundle:
    name: str
    description: str
    groups: tuple[str, ...]
    countries: tuple[Country, ...]
    roaming: tuple[Country, ...]
    data_mb: int  # -1: unlimited
    days: int
    speeds: tuple[str, ...]
    price: Decimal
    profile_name: str

    @property
    def unlimited(self) -> bool:
        return self.data_mb < 0

    @property
    def allowance_bytes(self) -> int:
        """Unlimited: what a day holds before it is throttled (2 GB for Plus, else 1 GB)."""
        if self.unlimited:
            return 2_000_000_000 if "_ULP_" in self.name else 1_000_000_000
        return self.data_mb * 1_000_000


_EUROPE, _ASIA, _AMERICA = "Europe", "Asia", "North America"

COUNTRIES: dict[str, Country] = {
    iso: Country(iso, name, region)
    for iso, name, region in (
        ("GB", "United Kingdom", _EUROPE),
        ("IM", "Isle of Man", _EUROPE),
        ("JE", "Jersey", _EUROPE),
        ("GG", "Guernsey", _EUROPE),
        ("IE", "Ireland", _EUROPE),
        ("NL", "Netherlands", _EUROPE),
        ("BE", "Belgium", _EUROPE),
        ("DE", "Germany", _EUROPE),
        ("FR", "France", _EUROPE),
        ("ES", "Spain", _EUROPE),
        ("PT", "Portugal", _EUROPE),
        ("IT", "Italy", _EUROPE),
        ("AT", "Austria", _EUROPE),
        ("CH", "Switzerland", _EUROPE),
        ("PL", "Poland", _EUROPE),
        ("SE", "Sweden", _EUROPE),
        ("AX", "Aaland Islands", _EUROPE),
        ("TR", "Turkey", _EUROPE),
        ("US", "United States", _AMERICA),
        ("CA", "Canada", _AMERICA),
        ("MX", "Mexico", "LATAM"),
        ("BR", "Brazil", "LATAM"),
        ("AR", "Argentina", "LATAM"),
        ("JP", "Japan", _ASIA),
        ("SG", "Singapore", _ASIA),
        ("TH", "Thailand", _ASIA),
        ("IN", "India", _ASIA),
        ("AE", "United Arab Emirates", "Middle East"),
        ("SA", "Saudi Arabia", "Middle East"),
        ("ZA", "South Africa", "Africa"),
        ("NA", "Namibia", "Africa"),
        ("KE", "Kenya", "Africa"),
        ("AU", "Australia", "Oceania"),
        ("NZ", "New Zealand", "Oceania"),
    )
}

_EUROPE_PLUS = "GB IE NL BE DE FR ES PT IT AT CH PL SE TR"
_REGIONS: dict[str, tuple[Country, str]] = {
    "REUP": (Country("REUP", "Europe+", _EUROPE), _EUROPE_PLUS),
    "RNA": (Country("RNA", "North America", _AMERICA), "US CA MX"),
    "RAS": (Country("RAS", "Asia", _ASIA), "JP SG TH IN"),
    "RLA": (Country("RLA", "Latin America", "LATAM"), "MX BR AR"),
    "RAF": (Country("RAF", "Africa", "Africa"), "ZA NA KE"),
    "RGBS": (Country("RGBS", "Global Standard", "Global"), f"{_EUROPE_PLUS} US CA JP SG TH AU NZ AE ZA"),
}
_ROAMING = {"GB": "IM JE GG", "US": "CA", "NL": "BE DE", "AE": "SA"}

# name, price; an asterisk puts the bundle on the second network profile
_PRICES = """
esim_1GB_7D_GB_V2 1.36
esim_2GB_15D_GB_V2 2.31
esim_3GB_30D_GB_V2 3.12
esim_5GB_30D_GB_V2 4.56
esim_10GB_30D_GB_V2 7.92
esim_1GB_7D_NL_V2 1.42
esim_3GB_30D_NL_V2 3.24
esim_5GB_30D_NL_V2 4.71
esim_10GB_30D_NL_V2 8.16
esim_1GB_7D_DE_V2 1.48
esim_5GB_30D_DE_V2 4.88
esim_1GB_7D_FR_V2 1.51
esim_5GB_30D_FR_V2 4.95
esim_1GB_7D_ES_V2 1.39
esim_3GB_30D_ES_V2 3.18
esim_1GB_7D_IT_V2 1.45
esim_1GB_7D_TR_V2 1.87
esim_1GB_7D_AX_V2 2.28
esim_10GB_30D_IM_U 12.60
esim_1GB_7D_US_V2 2.04
esim_3GB_30D_US_V2 5.10
esim_5GB_30D_US_V2 7.68
esim_10GB_30D_US_V2 13.20
esim_1GB_7D_JP_V2 2.16*
esim_5GB_30D_JP_V2 8.04*
esim_1GB_7D_SG_V2 1.98*
esim_1GB_7D_TH_V2 1.92*
esim_1GB_7D_AE_V2 3.06
esim_1GB_7D_NA_V2 4.20
esim_3GB_30D_ZA_V2 6.36
esim_3GB_30D_AU_V2 5.76
esim_3GB_30D_REUP_V2 4.32
esim_10GB_30D_REUP_V2 11.04
esim_5GB_30D_RNA_V2 9.48
esim_5GB_30D_RAS_V2 9.96*
esim_3GB_30D_RLA_V2 10.20
esim_3GB_30D_RAF_V2 12.36
esim_50GB_90D_RGBS_V2 98.40
esim_UL_1D_TR_V2 1.74
esim_UL_7D_GB_V2 9.12
esim_ULE_7D_US_V2 14.76
esim_ULE_15D_REUP_V2 23.40
esim_ULP_7D_JP_V2 19.80*
"""

_TIERS = {"UL": "Lite", "ULE": "Essential", "ULP": "Plus"}
GROUPS: tuple[tuple[str, str], ...] = (
    ("Standard Fixed", "Bundles with a fixed amount of data"),
    ("Standard Long Duration", "Bundles of 60 days and more"),
    ("Standard Unlimited Lite", "Unlimited, 512 kbps after 1 GB a day"),
    ("Standard Unlimited Essential", "Unlimited, 1.25 Mbps after 1 GB a day"),
    ("Standard Unlimited Plus", "Unlimited, 2 Mbps after 2 GB a day"),
)


def _bundle(name: str, price: str) -> Bundle:
    _, data, duration, area, revision = name.split("_")
    days = int(duration.removesuffix("D"))
    tier = _TIERS.get(data)
    if area in _REGIONS:
        base, members = _REGIONS[area]
        roaming = members.split()
    else:
        base, roaming = COUNTRIES[area], _ROAMING.get(area, "").split()
    group = f"Unlimited {tier}" if tier else "Long Duration" if days >= 60 else "Fixed"
    what = f"Unlimited {tier}" if tier else data
    second = price.endswith("*")
    return Bundle(
        name=name,
        description=f"eSIM, {what}, {days} {'Day' if days == 1 else 'Days'}, {base.name}, {revision}",
        groups=(f"Standard {group}",),
        countries=(base,),
        roaming=tuple(COUNTRIES[iso] for iso in roaming),
        data_mb=-1 if tier else int(data.removesuffix("GB")) * 1000,
        days=days,
        speeds=("2G", "3G", "4G") if revision == "U" else ("2G", "3G", "4G", "5G"),
        price=Decimal(price.rstrip("*")),
        profile_name=PROFILE_2 if second else PROFILE_1,
    )


def standard_catalogue() -> dict[str, Bundle]:
    """A fresh copy, in the catalogue's order."""
    bundles = (_bundle(*row.split()) for row in _PRICES.split("\n") if row)
    return {bundle.name: bundle for bundle in bundles}


@dataclass(frozen=True)
class Network:
    name: str
    brand: str
    mcc: str
    mnc: str
    tadig: str


NETWORKS: dict[str, tuple[Network, ...]] = {
    iso: tuple(Network(*row.split("/")) for row in rows.split(";"))
    for iso, rows in {
        "GB": "EE/EE/234/30/GBRME;O2/O2 UK/234/10/GBRCN;Three/Three UK/234/20/GBRHU",
        "IM": "Manx Telecom/Manx Telecom/234/58/GBRMT",
        "IE": "Three/Three Ireland/272/05/IRLH3;Vodafone/Vodafone Ireland/272/01/IRLEC",
        "NL": "KPN/KPN/204/08/NLDPT;Vodafone/Vodafone NL/204/04/NLDLT",
        "BE": "Proximus/Proximus/206/01/BELTB",
        "DE": "Telekom/Telekom Deutschland/262/01/DEUD1;O2/O2 Germany/262/03/DEUE2",
        "FR": "Orange/Orange France/208/01/FRAF1;SFR/SFR/208/10/FRAF2",
        "ES": "Movistar/Movistar/214/07/ESPTE",
        "PT": "MEO/MEO/268/06/PRTTM",
        "IT": "TIM/TIM/222/01/ITASI",
        "AT": "A1/A1 Telekom/232/01/AUTPT",
        "CH": "Sunrise/Sunrise/228/02/CHEDX",
        "PL": "Orange/Orange Polska/260/03/POL03",
        "SE": "Telia/Telia/240/01/SWETR",
        "AX": "Telia/Telia Finland/244/91/FINTF",
        "TR": "Turkcell/Turkcell/286/01/TURTC",
        "US": "AT&T/AT&T/310/410/USACG;T-Mobile/T-Mobile US/310/260/USAW6",
        "CA": "Rogers/Rogers/302/720/CANRW",
        "MX": "Telcel/Telcel/334/020/MEXTL",
        "BR": "Vivo/Vivo/724/06/BRAV1",
        "AR": "Movistar/Movistar Argentina/722/07/ARGTM",
        "JP": "NTT DOCOMO/docomo/440/10/JPNDO",
        "SG": "Singtel/Singtel/525/01/SGPST",
        "TH": "AIS/AIS/520/03/THAWN",
        "IN": "Airtel/Airtel/404/10/INDAT",
        "AE": "Etisalat/e& UAE/424/02/ARETC",
        "SA": "STC/STC/420/01/SAUAJ",
        "ZA": "Vodacom/Vodacom/655/01/ZAFVC",
        "NA": "MTC/MTC Namibia/649/01/NAM01",
        "KE": "Safaricom/Safaricom/639/02/KENSA",
        "AU": "Telstra/Telstra/505/01/AUSTA",
        "NZ": "Spark/Spark NZ/530/05/NZLTM",
    }.items()
}
