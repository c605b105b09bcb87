"""What a plan must keep to: the client's own totals, and the money that each cost centre may spend.

Read strictly, for a limit that is misread is none. Everything that is broken is told at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from airflow_provider_esimgo.manifest.inspection import Inspection
from airflow_provider_esimgo.manifest.price import Plan, PlanError

NO_COST_CENTRE = ""
_TOTALS = ("rows", "units", "total")
_MORE = 5  # cost centres that are named before the rest is counted


class LimitError(PlanError):
    """A limit that was given is broken, or cannot be read. Nothing was bought."""


@dataclass(frozen=True)
class ControlTotals:
    """What the client says the file holds, as on a delivery note. None: not said."""

    rows: int | None = None
    units: int | None = None
    total: Decimal | None = None

    @classmethod
    def read(cls, given: Mapping[str, object] | None) -> ControlTotals:
        """From what a DAG says, such as `{"rows": 50, "units": "60", "total": "81.60"}`."""
        given = given or {}
        if unknown := sorted(set(map(str, given)) - set(_TOTALS)):
            raise LimitError(
                f"control_totals does not know {', '.join(map(repr, unknown))}.",
                f"Give {', '.join(_TOTALS)}, or some of them.",
            )
        rows, units = (_count(name, given.get(name)) for name in ("rows", "units"))
        total = given.get("total")
        return cls(rows, units, None if _nothing(total) else amount("control_totals['total']", total))

    def check_file(self, inspection: Inspection) -> None:
        """Rows and units of the file as it was sent: rows that are put aside count."""
        broken = []
        if self.rows is not None and self.rows != inspection.row_count:
            broken.append(f"{self.rows:,} rows, but it has {inspection.row_count:,}")
        if self.units is not None and self.units != inspection.unit_count:
            found = "some quantities cannot be read"
            if inspection.unit_count is not None:
                found = f"it asks for {inspection.unit_count:,}"
            broken.append(f"{self.units:,} units, but {found}")
        if broken:
            raise LimitError(
                f"By its control totals {inspection.name} has {'; and '.join(broken)}.",
                "Ask the sender whether the file is whole; correct the file or the control totals.",
            )

    def check_total(self, plan: Plan, *, whole: bool) -> None:
        """The total of the plan; a plan without the rows that were put aside may only be cheaper."""
        if self.total is None or plan.total == self.total or (not whole and plan.total < self.total):
            return
        raise LimitError(
            f"The plan costs {plan.total:,.2f} {plan.currency}, but by the control totals "
            f"{self.total:,.2f}{'' if whole else ' at most'}.",
            "Ask the sender whether the prices or the rows have changed; correct the file or the control totals.",
        )


@dataclass(frozen=True)
class Limits:
    """The limits of one batch."""

    totals: ControlTotals = field(default_factory=ControlTotals)
    budgets: Mapping[str, Decimal] | None = None
    whole: bool = True  # False: rows were put aside

    def check(self, plan: Plan) -> None:
        """Raise LimitError if the plan breaks one."""
        self.totals.check_total(plan, whole=self.whole)
        if self.budgets is not None:
            check_budgets(plan, self.budgets)


def read_budgets(given: Mapping[str, object] | None) -> dict[str, Decimal] | None:
    """From what a DAG says, such as `{"SALES": "100.00"}`; None: no budgets at all."""
    if given is None:
        return None
    return {str(centre).strip(): amount(f"budgets[{centre!r}]", value) for centre, value in given.items()}


def cost_by_centre(plan: Plan) -> dict[str, Decimal]:
    """What each cost centre pays; units without one are under ''."""
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for order in plan.orders:
        for unit, price in zip(order.units, order.unit_prices, strict=True):
            costs[unit.cost_centre or NO_COST_CENTRE] += price
    return dict(sorted(costs.items()))


def check_budgets(plan: Plan, budgets: Mapping[str, Decimal]) -> None:
    """Every cost centre of the plan has a budget and keeps to it."""
    broken = []
    for centre, cost in cost_by_centre(plan).items():
        named = repr(centre) if centre else "units without a cost centre"
        if centre not in budgets:
            broken.append(f"{named} has no budget and costs {cost:,.2f}")
        elif cost > budgets[centre]:
            over = cost - budgets[centre]
            broken.append(
                f"{named} costs {cost:,.2f}, {over:,.2f} above its budget of {budgets[centre]:,.2f}"
            )
    if broken:
        rest = f"; and {len(broken) - _MORE} more" if len(broken) > _MORE else ""
        raise LimitError(
            f"Batch {plan.batch_id!r} breaks its budgets ({plan.currency}): {'; '.join(broken[:_MORE])}{rest}.",
            "Correct the cost centres in the manifest, shorten it, or change the budgets.",
        )


def amount(what: str, given: object) -> Decimal:
    """A sum of money that is not negative."""
    try:
        read = Decimal(str(given).strip()) if not isinstance(given, bool) else Decimal("NaN")
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or read < 0:
        raise LimitError(f"{what} cannot be {str(given)!r}.", 'Give an amount such as "250.00".')
    return read


def _count(name: str, given: object) -> int | None:
    if _nothing(given):
        return None
    text = str(given).strip()
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise LimitError(
            f"control_totals[{name!r}] cannot be {str(given)!r}.", "Give a whole number such as 50."
        )
    return int(text)


def _nothing(given: object) -> bool:
    """What a template renders to where there is nothing."""
    return given in (None, "", "None")
