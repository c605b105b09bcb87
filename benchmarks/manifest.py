"""What reading, checking and planning cost, over pandas reading the same file. Aim: 100,000 rows in 3 s and 300 MB.

Memory is what a process of its own peaks at above the imports (ru_maxrss), the file and its rows included.
"""

import gc
import io
import json
import resource
import subprocess
import sys
import time
from collections import deque
from decimal import Decimal

import pandas as pd

from airflow_provider_esimgo.manifest import (
    BundleFacts,
    Quote,
    expand_units,
    inspect_manifest,
    pack_orders,
    price_plan,
    read_manifest,
)
from airflow_provider_esimgo.manifest.report import faults_csv, report_html
from benchmarks.setting import BUNDLE

ROWS = 100_000
HEADER = "recipient_ref,bundle,quantity,iccid,cost_centre,country,install_by,name,email\n"
FILES = {
    "in order": "E{0},{1},1,,SALES,GB,2026-12-31,Ada {0},e{0}@acme.example\n",
    "top-ups": "E{0},{1},1,{2},SALES,GB,2026-12-31,Ada {0},e{0}@acme.example\n",
    "ten faults a row": "=E{0}\u200b,esim_x{0},0x,8.9445E+18,=SALES{0},GBX,2026-13-31{0},=n{0},=e{0}@acme.example\n",
}
CATALOGUE = {
    name: BundleFacts(name, frozenset({country}))
    for country in ("GB", "NL", "DE", "FR")
    for name in [f"esim_{size}GB_{days}D_{country}_V2" for size in range(1, 51) for days in (7, 15, 30)]
}


def run() -> None:
    for kind in FILES:
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.manifest", kind], capture_output=True, text=True, check=True
        )
        found = json.loads(told.stdout)
        print(
            f"  {ROWS:,} rows, {kind}: {found['faults']:,} faults in {found['seconds']:.2f} s "
            f"({found['cpu']:.2f} s of CPU), {found['seconds'] / found['bare']:.1f} x pandas.read_csv alone, "
            f"{found['memory']:.0f} MB; reports {found['reports']:.2f} s, then {found['with_reports']:.0f} MB"
        )
    _plan()


def measure(kind: str) -> None:
    """In a process of its own: print what one file costs."""
    text = HEADER + "".join(
        FILES[kind].format(row, BUNDLE, 8944538532000000000 + row * 7919) for row in range(ROWS)
    )
    data = text.encode()
    del text
    gc.collect()
    before = _peak()
    started, cpu = time.perf_counter(), time.process_time()
    inspection = inspect_manifest(io.BytesIO(data), bundles=CATALOGUE)
    if not len(inspection.faults.errors):
        inspection.manifest()
    seconds, cpu, memory = time.perf_counter() - started, time.process_time() - cpu, _peak() - before
    reports = _timed(lambda: (deque(faults_csv(inspection), 0), report_html(inspection)))
    with_reports = _peak() - before
    bare = min(
        _timed(lambda: pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)) for _ in range(3)
    )
    print(
        json.dumps(
            {
                "faults": len(inspection.faults),
                "bare": bare,
                "seconds": seconds,
                "cpu": cpu,
                "memory": memory,
                "reports": reports,
                "with_reports": with_reports,
            }
        )
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _timed(call) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _plan() -> None:
    rows = "".join(f"E{number},{BUNDLE},1\n" for number in range(10_000))
    manifest = read_manifest(io.BytesIO(f"recipient_ref,bundle,quantity\n{rows}".encode()), bundles=CATALOGUE)
    started = time.perf_counter()
    drafts = pack_orders(expand_units(manifest))
    price = Decimal("1.36")
    quotes = {draft.shape: Quote(price * len(draft.units), "USD", {BUNDLE: price}) for draft in drafts}
    price_plan(account="Bench", batch_id="bench", drafts=drafts, quotes=quotes)
    print(
        f"  10,000 units: packed, priced and hashed in {time.perf_counter() - started:.2f} s, without the network"
    )


if __name__ == "__main__":
    measure(sys.argv[1])
