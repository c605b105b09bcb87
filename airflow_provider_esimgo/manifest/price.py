"""Orders and the vendor's quotes into a priced plan, frozen under its hash.

Money is `Decimal` throughout. A plan has one currency, and every quote adds up to the cent: a quote that
contradicts itself is refused here, before it can be approved or paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_esimgo.manifest.hashing import content_hash, money_text, plan_hash
from airflow_provider_esimgo.manifest.model import Unit
from airflow_provider_esimgo.manifest.pack import DraftLine, OrderDraft, Shape

HALF_A_CENT = Decimal("0.005")


class PlanError(ValueError):
    """Orders and quotes do not make a plan. Nothing was bought."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} Nothing was bought. {self.cure}"


@dataclass(frozen=True)
class Quote:
    """What the vendor's `validate` said of one order shape. `unit_prices` is by bundle name."""

    total: Decimal
    currency: str
    unit_prices: Mapping[str, Decimal]

    def __post_init__(self) -> None:
        for amount in (self.total, *self.unit_prices.values()):
            if not isinstance(amount, Decimal):
                raise TypeError(f"money is Decimal, not {type(amount).__name__}")


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line of an order with the price of each of its units."""

    bundle: str
    quantity: int
    iccids: tuple[str, ...]
    unit_price: Decimal

    @property
    def subtotal(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """An order as it will be sent, and what it costs. Its units stand in the sequence of its lines."""

    number: int
    units: tuple[Unit, ...]
    lines: tuple[PricedLine, ...]
    total: Decimal

    @property
    def shape(self) -> Shape:
        return tuple(DraftLine(line.bundle, line.quantity, line.iccids) for line in self.lines)

    @property
    def unit_prices(self) -> tuple[Decimal, ...]:
        """The price of each unit, in the sequence of `units`."""
        return tuple(line.unit_price for line in self.lines for _ in range(line.quantity))


@dataclass(frozen=True)
class Plan:
    """A batch cut into orders and priced. Approval is bound to `plan_hash`."""

    account: str
    batch_id: str
    content_hash: str
    orders: tuple[PricedOrder, ...]
    total: Decimal
    currency: str
    plan_hash: str

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every unit of the plan, by its number."""
        return tuple(
            sorted((unit for order in self.orders for unit in order.units), key=lambda unit: unit.number)
        )

    @property
    def unit_count(self) -> int:
        return sum(len(order.units) for order in self.orders)

    @property
    def order_count(self) -> int:
        return len(self.orders)


def price_plan(
    *, account: str, batch_id: str, drafts: Iterable[OrderDraft], quotes: Mapping[Shape, Quote]
) -> Plan:
    """Put a price on every draft, from the quote of its shape, and freeze the result."""
    drafts = tuple(drafts)
    if not drafts:
        raise PlanError("The plan has no orders.", "Check that the manifest has rows.")
    _check_units_once(drafts)
    orders = tuple(_priced(draft, quotes) for draft in drafts)
    currencies = sorted({quotes[draft.shape].currency for draft in drafts})
    if len(currencies) > 1:
        raise PlanError(
            f"The orders are quoted in {len(currencies)} currencies ({', '.join(currencies)}).",
            "Ask the vendor why one account has several; split the manifest by currency if it is meant.",
        )
    units = sorted((unit for draft in drafts for unit in draft.units), key=lambda unit: unit.number)
    return Plan(
        account=account,
        batch_id=batch_id,
        content_hash=content_hash(units),
        orders=orders,
        total=sum((order.total for order in orders), Decimal(0)),
        currency=currencies[0],
        plan_hash=plan_hash(account=account, batch_id=batch_id, currency=currencies[0], orders=orders),
    )


def _check_units_once(drafts: tuple[OrderDraft, ...]) -> None:
    times = Counter(unit.number for draft in drafts for unit in draft.units)
    repeated = sorted(number for number, count in times.items() if count > 1)
    if repeated:
        raise PlanError(
            f"Unit {repeated[0]} is in more than one order ({len(repeated)} such units).",
            "Pack the manifest's units once, with pack_orders; if you did, please report this.",
        )
    for draft in drafts:
        if sum(line.quantity for line in draft.lines) != len(draft.units):
            raise PlanError(
                f"Order {draft.number} has {len(draft.units)} units but its lines say otherwise.",
                "Build orders with pack_orders; if you did, please report this.",
            )


def _priced(draft: OrderDraft, quotes: Mapping[Shape, Quote]) -> PricedOrder:
    quote = quotes.get(draft.shape)
    if quote is None:
        raise PlanError(
            f"Order {draft.number} has no quote.", "Validate each distinct order shape once, then plan again."
        )
    for amount in (quote.total, *quote.unit_prices.values()):
        if not amount.is_finite() or amount < 0:
            raise PlanError(
                f"The quote for order {draft.number} has the amount {amount}.",
                "Validate again; if it persists, ask the vendor.",
            )
    missing = sorted({line.bundle for line in draft.lines} - quote.unit_prices.keys())
    if missing:
        raise PlanError(
            f"The quote for order {draft.number} has no price for {', '.join(missing)}.",
            "Validate again; if it persists, check that the bundle is still in the catalogue.",
        )
    lines = tuple(
        PricedLine(line.bundle, line.quantity, line.iccids, quote.unit_prices[line.bundle])
        for line in draft.lines
    )
    added = sum((line.subtotal for line in lines), Decimal(0))
    if abs(added - quote.total) > HALF_A_CENT:
        raise PlanError(
            f"The quote for order {draft.number} says {money_text(quote.total)} {quote.currency} "
            f"but its lines add up to {money_text(added)}.",
            "Validate again; if it persists, ask the vendor for the price before buying.",
        )
    return PricedOrder(draft.number, draft.units, lines, quote.total)
