"""The organisation behind a key: balance, groups, price lists; and the networks it can use.

Must stay true: the vendor's reply holds the API key and its users' personal data; both are dropped here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from airflow_provider_esimgo.api.models.parse import Fields, instant


@dataclass(frozen=True)
class Organisation:
    """GET /organisation [D24][D25]. `balance` includes `test_credit`; both in `currency`."""

    name: str
    currency: str
    balance: Decimal | None
    test_credit: Decimal | None
    test_credit_expiry: str
    groups: tuple[str, ...]
    business_type: str
    website: str
    address: tuple[str, ...]
    country: str
    tax_liable: str
    callback_url: str = field(repr=False)  # may carry a token of its owner's making

    @property
    def test_credit_expires_at(self) -> datetime | None:
        return instant(self.test_credit_expiry)

    @classmethod
    def parse(cls, fields: Fields) -> Organisation:
        lines = (fields.text(name) for name in ("addr1", "addr2", "city", "postcode"))
        return cls(
            name=fields.required("name"),
            currency=fields.text("currency"),
            balance=fields.money("balance"),
            test_credit=fields.money("testCredit"),
            test_credit_expiry=fields.text("testCreditExpiry"),
            groups=fields.texts("groups"),
            business_type=fields.text("businessType"),
            website=fields.text("website"),
            address=tuple(line for line in lines if line),
            country=fields.text("country"),
            tax_liable=fields.text("taxLiable"),
            callback_url=fields.text("callbackUrl"),
        )


@dataclass(frozen=True)
class TopUp:
    """A card top-up of the balance: what was charged, and the balance after it."""

    amount: Decimal | None
    balance: Decimal | None
    reference: str

    @classmethod
    def parse(cls, fields: Fields) -> TopUp:
        return cls(fields.money("amount"), fields.money("balance"), fields.required("ref"))


@dataclass(frozen=True)
class Group:
    """A product group; `name` filters the catalogue."""

    name: str
    description: str
    price_list_url: str
    icon: str

    @classmethod
    def parse(cls, fields: Fields) -> Group:
        return cls(
            name=fields.text("name"),
            description=fields.text("desc", "description"),
            price_list_url=fields.text("priceListUrl"),
            icon=fields.text("icon"),
        )


@dataclass(frozen=True)
class ConsumptionPrice:
    """One price of a Consumption partner in one country."""

    id: str
    iso: str
    country: str
    price: Decimal | None
    currency: str
    profile: str


@dataclass(frozen=True)
class PriceList:
    """GET /catalogue/prices [D25]. `hash` changes when a price does."""

    hash: str
    prices: tuple[ConsumptionPrice, ...]

    @classmethod
    def parse(cls, fields: Fields) -> PriceList:
        prices = []
        for country in fields.objects("prices"):
            of = (country.objects("country") or [Fields({}, "country")])[0]
            prices += [
                ConsumptionPrice(
                    id=one.text("id"),
                    iso=of.text("iso"),
                    country=of.text("name"),
                    price=one.money("price"),
                    currency=one.text("currency"),
                    profile=one.text("profile"),
                )
                for one in country.objects("prices")
            ]
        return cls(fields.text("hash"), tuple(prices))


@dataclass(frozen=True)
class Network:
    """A mobile network; `tadig` is its operator code (the vendor writes `tagid`)."""

    name: str
    brand_name: str
    mcc: str
    mnc: str
    tadig: str
    speeds: tuple[str, ...]


@dataclass(frozen=True)
class CountryNetworks:
    """The networks of one country; `name` is an ISO code or a country name: the documents disagree."""

    name: str
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, fields: Fields) -> CountryNetworks:
        return cls(
            name=fields.text("name"),
            networks=tuple(
                Network(
                    name=one.text("name"),
                    brand_name=one.text("brandName"),
                    mcc=one.text("mcc"),
                    mnc=one.text("mnc"),
                    tadig=one.text("tagid", "tadig"),
                    speeds=one.texts("speed", "speeds"),
                )
                for one in fields.objects("networks")
            ),
        )
