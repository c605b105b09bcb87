"""The limits an account is bought under: mode, pace and caps. Checked when built: a wrong one buys nothing."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from airflow_provider_esimgo.ledger.errors import PlanRefused


class Mode(StrEnum):
    """What a connection may do: each mode allows what the one before it does."""

    READ = "read"  # GET only
    VALIDATE = "validate"  # and price orders with the vendor's dry run
    TRANSACT = "transact"  # and buy

    def allows(self, needed: "Mode") -> bool:
        """Whether this mode is at least the needed one."""
        ranks = list(Mode)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True)
class PurchasePolicy:
    """How an account's orders are bought.

    Attributes:
        mode: what the connection may do.
        max_units_per_order: the vendor advises at most 10 [HC:33263750350481].
        seconds_between_orders: the vendor advises at least 3 [HC:33263750350481].
        settle_seconds: how long an order that cannot be found may still appear; the vendor speaks of
            processing times up to 10 minutes [D25].
        lease_seconds: how long a worker may hold the account without renewing; longer than one POST.
        not_sent_attempts: how often an order that provably did not leave is tried before giving up.
        max_order_total, max_daily_total: caps in the account's currency; None is no cap. Days are UTC.
        price_tolerance: by how much an order's price may have risen since it was planned, as a share.
        profile_id: the branding profile that new eSIMs get; None is the account's first [D25].
        reserve: what must be left of the balance after the plan.
    """

    mode: Mode = Mode.VALIDATE
    max_units_per_order: int = 10
    seconds_between_orders: float = 3.0
    settle_seconds: float = 600.0
    lease_seconds: float = 120.0
    not_sent_attempts: int = 5
    max_order_total: Decimal | None = None
    max_daily_total: Decimal | None = None
    price_tolerance: Decimal = Decimal(0)
    reserve: Decimal = Decimal(0)
    profile_id: str | None = None

    def __post_init__(self) -> None:
        if self.max_units_per_order < 1:
            raise ValueError("max_units_per_order must be at least 1")
        if self.not_sent_attempts < 1:
            raise ValueError("not_sent_attempts must be at least 1")
        if self.lease_seconds <= 0:
            raise ValueError("lease_seconds must be more than 0")
        for name in ("seconds_between_orders", "settle_seconds", "price_tolerance", "reserve"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("max_order_total", "max_daily_total"):
            cap = getattr(self, name)
            if cap is not None and cap < 0:
                raise ValueError(f"{name} must not be negative")

    def require(self, needed: Mode) -> None:
        """Raise `PlanRefused` unless the connection's mode allows what is about to be done."""
        if not self.mode.allows(needed):
            what = "buy" if needed is Mode.TRANSACT else "price orders"
            raise PlanRefused(
                f"The connection's mode is {self.mode.value!r}, which may not {what}. Nothing was sent. "
                f'Set "mode": "{needed.value}" in the extra of the connection to allow it.'
            )
