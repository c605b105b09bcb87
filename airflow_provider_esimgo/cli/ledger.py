"""`airflow esimgo ledger …`"""

import csv
import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from airflow_provider_esimgo.cli.session import open_ledger, readable_errors
from airflow_provider_esimgo.hooks.ledger import ledger_url
from airflow_provider_esimgo.ledger.check import broken_invariants
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.store import Ledger

_COLUMNS = (
    *("account", "batch_id", "plan_hash", "currency", "order", "order_number", "state", "reference", "due"),
    *("unit", "manifest_row", "recipient_ref", "bundle", "cost_centre", "price", "iccid", "milestone"),
)


def check(args: Namespace) -> None:  # noqa: ARG001 - every command takes its arguments
    """Print what is broken; exit status 1 when anything is."""
    with readable_errors():
        ledger = open_ledger()
        broken = broken_invariants(ledger)
        batches = ledger.batches()
    for line in broken:
        print(line)  # noqa: T201
    orders = sum(batch.order_count for batch in batches)
    told = f"{len(batches)} batches, {orders} orders: {len(broken) or 'no'} broken promises"
    print(f"{ledger.database.address}: {told}")  # noqa: T201
    if broken:
        sys.exit(1)


def export(args: Namespace) -> None:
    """Write one row a unit."""
    with readable_errors():
        ledger = open_ledger()
        rows = list(_rows(ledger, args.batch))
    if args.batch and not rows:
        raise SystemExit(f"There is no batch {args.batch!r} in the ledger.")
    if args.file:
        with Path(args.file).open("w", newline="", encoding="utf-8") as file:
            _write(rows, args.format, file)
        print(f"{len(rows)} units written to {args.file}")  # noqa: T201
    else:
        _write(rows, args.format, sys.stdout)


def upgrade(args: Namespace) -> None:  # noqa: ARG001
    """Bring the tables to this package's version."""
    with readable_errors():
        print(Database.connect(ledger_url()).upgrade())  # noqa: T201


def _rows(ledger: Ledger, batch_id: str | None) -> Iterator[dict[str, Any]]:
    for batch in ledger.batches():
        if batch_id not in (None, batch.batch_id):
            continue
        orders = {order.key: order for order in ledger.orders(batch)}
        for unit in ledger.units(batch):
            order = orders[unit.order_key]
            values = (
                *(batch.account, batch.batch_id, batch.plan_hash, batch.currency, order.key, order.number),
                *(
                    order.state.value,
                    order.reference or "",
                    f"{order.due:.2f}",
                    unit.number,
                    unit.manifest_row,
                ),
                *(
                    unit.recipient_ref,
                    unit.bundle,
                    unit.cost_centre or "",
                    f"{unit.price:.2f}",
                    unit.iccid or "",
                ),
                unit.milestone.value if unit.milestone else "",
            )
            yield dict(zip(_COLUMNS, values, strict=True))


def _write(rows: list[dict[str, Any]], form: str, file: TextIO) -> None:
    if form == "json":
        json.dump(rows, file, indent=1, ensure_ascii=False)
        file.write("\n")
        return
    writer = csv.DictWriter(file, _COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
