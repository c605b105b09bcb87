"""Placing an order: the one atomic step that charges, issues eSIMs and stores the order.

A `Twist` is what a fault does to that step.
Invariant: whatever the twist, the money entries add up to the balance.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.catalogue import Bundle
from airflow_provider_esimgo.sandbox.clock import DAY, SECOND
from airflow_provider_esimgo.sandbox.order_request import OrderRequest, check_order
from airflow_provider_esimgo.sandbox.records import Assignment, Batch, Esim, Order, OrderLine
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store


@dataclass(frozen=True)
class Twist:
    """How a fault bends one order."""

    fewer: int = 0  # eSIMs left out
    fewer_charge: str = "full"
    esims_after: float = 0  # seconds until the eSIMs are there
    esims_answer: str = ""
    shows_iccids: bool = False
    visible_after: float = 0  # seconds until lists and detail know it
    fails: bool = False
    fails_after: float = 0
    fails_charge: str = ""
    reassigns: bool = False


def place(
    store: Store,
    request: OrderRequest,
    settings: Settings,
    *,
    source_ip: str,
    twist: Twist | None = None,
    by: str = "api",
    at: int | None = None,
) -> Order:
    """Charges, issues and stores, all or nothing."""
    twist = twist or Twist()
    with store.transaction():
        total = check_order(store, request, settings)
        created = store.created_now(at)
        reference, serial = store.new_reference()
        late = settings.async_threshold is not None and request.units > settings.async_threshold
        if late and settings.async_result == "failed":
            twist = dataclasses.replace(
                twist, fails=True, fails_after=twist.fails_after or settings.async_seconds
            )
        if twist.fails:
            return _place_failing(
                store, request, settings, twist, reference, serial, created, source_ip, by, total
            )
        hold = twist.esims_after or (settings.async_seconds if late and request.assign else 0)
        ready_at = created + round(hold * SECOND) if hold else 0
        visible_at = created + round(twist.visible_after * SECOND) if twist.visible_after else 0
        issue = _Issue(store, settings, request, reference, created, max(ready_at, visible_at))
        lines = issue.lines(twist)
        issued = sum(len(line.iccids) for line in lines)
        charged = total
        if twist.fewer and twist.fewer_charge == "issued":
            charged = sum((line.price * len(line.iccids) for line in lines), start=Decimal(0))
        store.move_money("charge", -charged, reference, created)
        if not request.assign:
            _stock(store, lines, created)
        order = Order(
            reference=reference,
            serial=serial,
            created=created,
            lines=lines,
            total=total,
            charged=charged,
            status="completed",
            message=f"Order completed: {issued} eSIMs assigned" if request.assign else "Order completed",
            assigned=request.assign,
            source_ip=source_ip,
            running_balance=store.balance,
            by=by,
            visible_at=visible_at,
            ready_at=ready_at,
            ready_answer=(twist.esims_answer if twist.esims_after else "") or settings.async_answer,
            withholds_iccids=bool(twist.esims_after) and not twist.shows_iccids,
        )
        store.put(order)
        return order


def _place_failing(
    store: Store,
    request: OrderRequest,
    settings: Settings,
    twist: Twist,
    reference: str,
    serial: int,
    created: int,
    source_ip: str,
    by: str,
    total: Decimal,
) -> Order:
    charge = twist.fails_charge or settings.failed_charge
    charged = Decimal(0) if charge == "none" else total
    store.move_money("charge", -charged, reference, created)
    fails_at = created + round(twist.fails_after * SECOND)
    visible_at = created + round(twist.visible_after * SECOND) if twist.visible_after else 0
    order = Order(
        reference=reference,
        serial=serial,
        created=created,
        lines=tuple(
            OrderLine(
                "bundle", line.item, line.quantity, store.catalogue[line.item].price, line.allow_reassign
            )
            for line in request.lines
        ),
        total=total,
        charged=charged,
        status=settings.in_progress,
        message="Order processing",
        assigned=False,
        source_ip=source_ip,
        running_balance=store.balance,
        by=by,
        visible_at=visible_at,
    )
    store.put(order)
    if twist.fails_after:
        store.add_job(fails_at, "fail", reference=reference, payload=charge)
        return order
    return fail_order(store, order, charge, created)


def fail_order(store: Store, order: Order, charge: str, at: int) -> Order:
    """The order becomes `failed`; with `charge` "refund" its money comes back as a bundleRefund."""
    with store.transaction():
        failed = dataclasses.replace(order, status="failed", message="Order processing failed")
        store.put(failed)
        if charge == "refund":
            record_refund(store, order.lines, order.charged, order.reference, at)
        return failed


def record_refund(store: Store, lines: tuple[OrderLine, ...], amount: Decimal, origin: str, at: int) -> Order:
    """A `bundleRefund` row, and the money if any came back."""
    shown = tuple(OrderLine("bundleRefund", line.item, line.quantity, Decimal(0)) for line in lines)
    return _record(store, shown, "refund", amount, "Refund completed", origin, at)


def record_topup(store: Store, amount: Decimal) -> Order:
    line = OrderLine("apiTopup", "", 1, amount)
    return _record(store, (line,), "topup", amount, "Order completed", "", None)


def _record(
    store: Store,
    lines: tuple[OrderLine, ...],
    kind: str,
    amount: Decimal,
    message: str,
    origin: str,
    at: int | None,
) -> Order:
    with store.transaction():
        reference, serial = store.new_reference()
        created = store.created_now(at)
        store.move_money(kind, amount, origin or reference, created)
        order = Order(
            reference=reference,
            serial=serial,
            created=created,
            lines=lines,
            total=sum((line.subtotal for line in lines), start=Decimal(0)),
            charged=Decimal(0),
            status="completed",
            message=message,
            assigned=False,
            source_ip="",
            running_balance=store.balance,
            by=kind,
        )
        store.put(order)
        return order


def _stock(store: Store, lines: tuple[OrderLine, ...], at: int) -> None:
    for line in lines:
        usage_id = identifiers.usage_id(store.next_serial("usage"))
        store.put(Batch(usage_id, line.item, line.quantity, line.quantity, line.price, at, at + 365 * DAY))


@dataclass
class _Issue:
    """Puts the bundles of one order on eSIMs."""

    store: Store
    settings: Settings
    request: OrderRequest
    reference: str
    at: int
    visible_at: int
    index: int = 0

    def lines(self, twist: Twist) -> tuple[OrderLine, ...]:
        left = self.request.units - twist.fewer
        lines = []
        for line in self.request.lines:
            bundle = self.store.catalogue[line.item]
            iccids: list[str] = []
            if self.request.assign:
                targets: tuple[str | None, ...] = line.iccids or (None,) * line.quantity
                for target in targets[: max(left, 0)]:
                    iccids.append(self.assign(bundle, target, reassigns=twist.reassigns))
            left -= line.quantity
            lines.append(
                OrderLine(
                    "bundle",
                    line.item,
                    line.quantity,
                    bundle.price,
                    line.allow_reassign,
                    line.iccids,
                    tuple(iccids),
                )
            )
        return tuple(lines)

    def assign(self, bundle: Bundle, target: str | None, *, reassigns: bool) -> str:
        esim: Esim | None = self.store.esims[target] if target else None
        if esim is None or reassigns or esim.profile_name != bundle.profile_name:
            esim = self.store.new_esim(
                bundle.profile_name, self.at, reference=self.reference, branding_id=self.request.profile_id
            )
            esim = dataclasses.replace(esim, visible_at=self.visible_at)
        put_bundle(self.store, self.settings, esim, bundle, f"{self.reference}-{self.index}", self.at)
        self.index += 1
        return esim.iccid


def put_bundle(
    store: Store, settings: Settings, esim: Esim, bundle: Bundle, reference: str, at: int
) -> Assignment:
    held = Assignment(
        id=identifiers.assignment_id(store.next_serial("assignment")),
        bundle=bundle.name,
        reference=reference,
        at=at,
        price=bundle.price,
        initial=bundle.allowance_bytes,
        remaining=bundle.allowance_bytes,
        unlimited=bundle.unlimited,
        days=bundle.days,
        ready_at=at + round(settings.processing_seconds * SECOND) if settings.processing_seconds else 0,
    )
    esim = dataclasses.replace(esim, bundles=(*esim.bundles, held))
    store.put(esim.told("Bundle Applied", at, bundle.name))
    return held
