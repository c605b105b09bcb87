"""What reading and planning cost, over pandas reading the same file."""

import io
import time
from decimal import Decimal

import pandas as pd

from airflow_provider_esimgo.manifest import Quote, expand_units, pack_orders, price_plan, read_manifest
from benchmarks.setting import BUNDLE


def run() -> None:
    rows = "".join(f"E{number},{BUNDLE},1,,SALES,GB,2026-12-31\n" for number in range(100_000))
    text = f"recipient_ref,bundle,quantity,iccid,cost_centre,country,install_by\n{rows}".encode()
    started = time.perf_counter()
    pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)
    bare = time.perf_counter() - started
    started = time.perf_counter()
    read_manifest(io.BytesIO(text), bundles={BUNDLE})
    checked = time.perf_counter() - started
    print(
        f"  100,000 rows: read and checked in {checked:.2f} s, {checked / bare:.1f} x pandas.read_csv alone"
    )

    few = b"\n".join(text.split(b"\n")[:10_001])
    manifest = read_manifest(io.BytesIO(few), bundles={BUNDLE})
    started = time.perf_counter()
    drafts = pack_orders(expand_units(manifest))
    price = Decimal("1.36")
    quotes = {draft.shape: Quote(price * len(draft.units), "USD", {BUNDLE: price}) for draft in drafts}
    price_plan(account="Bench", batch_id="bench", drafts=drafts, quotes=quotes)
    print(
        f"  10,000 units: packed, priced and hashed in {time.perf_counter() - started:.2f} s, without the network"
    )
