"""One sandbox: its key, books, switches, faults and log, and what they amount to (`books`).

Everything the HTTP surface does goes through here, so that tests can look in without HTTP.
Invariant: nobody reads the store before what was due has happened (`catch_up`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from airflow_provider_esimgo.sandbox import happenings, lifecycle
from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.faults import FaultRule, FaultScript, read_rule
from airflow_provider_esimgo.sandbox.identifiers import DEFAULT_KEY
from airflow_provider_esimgo.sandbox.order_request import read_order
from airflow_provider_esimgo.sandbox.ordering import place
from airflow_provider_esimgo.sandbox.ratelimit import RateLimiter
from airflow_provider_esimgo.sandbox.records import Esim, Order
from airflow_provider_esimgo.sandbox.request_log import OrderPost, RequestLog
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store

PORTAL_IP = "198.51.100.23"


@dataclass
class Call:
    """One API request under way: what the handlers need to know of it."""

    version: str
    source_ip: str
    rules: list[FaultRule] = field(default_factory=list)
    post: OrderPost | None = None

    @property
    def new(self) -> bool:
        return self.version == "v2.5"

    def rule(self, kind: str) -> FaultRule | None:
        return next((rule for rule in self.rules if rule.kind == kind), None)


class Sandbox:
    def __init__(
        self,
        store: Store,
        *,
        key: str = DEFAULT_KEY,
        settings: Settings | None = None,
        rules: Iterable[FaultRule] = (),
    ) -> None:
        self.store = store
        self.key = key
        self.settings = settings or Settings()
        self._first_settings = self.settings
        self._first_rules = tuple(rules)
        self.faults = FaultScript(self._first_rules, seed=store.seed)
        self.limiter = RateLimiter()
        self.log = RequestLog()

    def catch_up(self) -> None:
        happenings.catch_up(self.store, self.settings)

    def set(self, **switches: Any) -> None:
        self.settings = self.settings.changed(switches)

    def add_faults(self, rules: Iterable[Mapping[str, Any]]) -> None:
        self.faults.append([read_rule(rule) for rule in rules])

    def reset(self) -> None:
        with self.store.lock:
            self.store.reset()
            self.store.clock.wake()
            self.settings = self._first_settings
            self.faults.replace(self._first_rules)
            self.limiter.forget()
            self.log.forget()

    def set_balance(self, balance: Decimal) -> None:
        with self.store.transaction():
            self.store.move_money(
                "adjustment", balance - self.store.balance, "control", self.store.clock.now()
            )

    def buy(self, body: bytes, source_ip: str = PORTAL_IP) -> Order:
        """A colleague in the portal buys."""
        self.catch_up()
        return place(self.store, read_order(body), self.settings, source_ip=source_ip, by="portal")

    # which eSIMs a control call means

    def chosen(
        self,
        iccids: Iterable[str] | None = None,
        *,
        reference: str | None = None,
        everything: bool = False,
    ) -> list[str]:
        with self.store.lock:
            self.catch_up()
            esims = self.store.esims
            if reference is not None:
                return [one for one in self.iccids_of(reference) if one in esims]
            if everything:
                return [esim.iccid for esim in esims.values() if esim.bundles]
            return [one for one in iccids or () if one in esims]

    def iccids_of(self, reference: str) -> tuple[str, ...]:
        order = self.store.orders.get(reference)
        return order.iccids if order else ()

    def install(self, iccids: Iterable[str], count: int | None = None) -> list[str]:
        waiting = [one for one in iccids if self.store.esims[one].profile_status != "Installed"]
        return lifecycle.install(self.store, waiting[:count])

    def activate(
        self, iccids: Iterable[str], count: int | None = None, bundle: str | None = None
    ) -> list[str]:
        waiting = [
            one for one in iccids if any(held.state == "queued" for held in self.store.esims[one].bundles)
        ]
        return lifecycle.activate(self.store, waiting[:count], bundle=bundle)

    # the books

    def books(self) -> dict[str, Any]:
        """Everything that ever happened, hidden or not; money as text."""
        with self.store.lock:
            self.catch_up()
            store, now = self.store, self.store.clock.now()
            sums = {"charge": Decimal(0), "refund": Decimal(0), "topup": Decimal(0), "adjustment": Decimal(0)}
            for entry in store.money.values():
                sums[entry.kind] += entry.amount
            return {
                "now": rfc3339(now),
                "balance": f"{store.balance:.2f}",
                "opening_balance": f"{store.opening_balance:.2f}",
                "charges": f"{-sums['charge']:.2f}",
                "refunds": f"{sums['refund']:.2f}",
                "topups": f"{sums['topup']:.2f}",
                "adjustments": f"{sums['adjustment']:.2f}",
                "balanced": store.opening_balance + sum(sums.values()) == store.balance,
                "orders": [_order_entry(order, now) for order in store.orders.values()],
                "esims": [_esim_entry(esim, now) for esim in store.esims.values()],
                "inventory": [
                    {**dataclasses.asdict(batch), "price": str(batch.price)}
                    for batch in store.batches.values()
                ],
                "pending": [{"kind": job.kind, "due": rfc3339(job.due)} for job in store.jobs.values()],
                **self.log.as_dict(),
            }


def _order_entry(order: Order, now: int) -> dict[str, Any]:
    return {
        "reference": order.reference,
        "created": rfc3339(order.created),
        "status": order.status,
        "by": order.by,
        "sourceIP": order.source_ip,
        "assigned": order.assigned,
        "total": f"{order.total:.2f}",
        "charged": f"{order.charged:.2f}",
        "visible": order.visible_at <= now,
        "ready": order.ready_at <= now,
        "iccids": list(order.iccids),
        "lines": [
            {
                "type": line.type,
                "item": line.item,
                "quantity": line.quantity,
                "price": f"{line.price:.2f}",
                "asked_iccids": list(line.asked_iccids),
                "iccids": list(line.iccids),
            }
            for line in order.lines
        ],
    }


def _esim_entry(esim: Esim, now: int) -> dict[str, Any]:
    return {
        "iccid": esim.iccid,
        "reference": esim.order_reference,
        "lpa": esim.lpa,
        "profileName": esim.profile_name,
        "profileStatus": esim.profile_status,
        "state": esim.state,
        "customerRef": esim.customer_ref,
        "visible": esim.visible_at <= now,
        "bundles": [
            {
                "id": held.id,
                "name": held.bundle,
                "reference": held.reference,
                "state": held.state_at(now),
                "remaining": held.remaining,
            }
            for held in esim.bundles
        ],
    }
