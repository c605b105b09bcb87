"""What the operators of a batch hand on: ids, counts, totals as text. No row, recipient or code."""

from __future__ import annotations

from typing import Any

from airflow_provider_esimgo.ledger.records import Batch


def summary(batch: Batch) -> dict[str, Any]:
    """What the operators hand on about a batch: ids, counts, totals as text."""
    return {
        "batch_id": batch.batch_id,
        "account": batch.account,
        "plan_hash": batch.plan_hash,
        "manifest": batch.manifest,
        "rows": batch.row_count,
        "units": batch.unit_count,
        "orders": batch.order_count,
        "total": f"{batch.total:.2f}",
        "currency": batch.currency,
    }
