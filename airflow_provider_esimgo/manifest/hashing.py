"""Fingerprints: of what a manifest asks for, and of what a plan would buy and at which price.

A hash is over canonical JSON (sorted keys, no spaces, ASCII) under a versioned label, so that the same
meaning always hashes alike: line ends, column order, names, e-mails and `1.20` against `1.2` do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from airflow_provider_esimgo.manifest.model import Row, Unit

if TYPE_CHECKING:
    from airflow_provider_esimgo.manifest.price import PricedOrder


def content_hash(asked: Iterable[Row | Unit]) -> str:
    """SHA-256 over what is asked for, in row order: the same for a manifest's rows and for their units."""
    rows = []
    for _, group in groupby(asked, key=lambda item: item.number if isinstance(item, Row) else item.row):
        first, *others = group
        quantity = first.quantity if isinstance(first, Row) else 1 + len(others)
        rows.append(
            [
                first.recipient_ref,
                first.bundle,
                quantity,
                first.iccid,
                first.cost_centre,
                first.country,
                _day(first.install_by),
            ]
        )
    return _sha256({"kind": "esimgo-content-1", "rows": rows})


def plan_hash(*, account: str, batch_id: str, currency: str, orders: Sequence[PricedOrder]) -> str:
    """SHA-256 over everything an approver approves: for whom, which orders, at which prices."""
    return _sha256(
        {
            "kind": "esimgo-plan-1",
            "account": account,
            "batch_id": batch_id,
            "currency": currency,
            "orders": [
                {
                    "number": order.number,
                    "total": money_text(order.total),
                    "lines": [
                        [line.bundle, line.quantity, list(line.iccids), money_text(line.unit_price)]
                        for line in order.lines
                    ],
                    "units": [
                        [
                            unit.number,
                            unit.row,
                            unit.recipient_ref,
                            unit.bundle,
                            unit.iccid,
                            unit.cost_centre,
                            unit.country,
                            _day(unit.install_by),
                        ]
                        for unit in order.units
                    ],
                }
                for order in orders
            ],
        }
    )


def money_text(amount: Decimal) -> str:
    """One text per amount: `Decimal('1.20')`, `Decimal('1.2')` and `Decimal('12E-1')` are all `1.2`."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _sha256(document: object) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
