"""What a kit costs, over a bare segno loop in the same run. Aim: 1.3 x or less an image; 10,000 units in 500 MB.

The export runs in a process of its own, against a local eSIM Go whose images are drawn beforehand. Memory is that
process's peak, Airflow included, and the peak of one that only draws: VmHWM, since ru_maxrss counts what a process
was before it became another one.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import segno

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.kit.qr import draw, draw_all
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.store import Ledger
from benchmarks.setting import plan, sandbox

SIZES = (1_000, 10_000)
IMAGES = 500
IMAGES_A_CODE = 3  # PNG, SVG, and the symbol for print
_ALONE = """
from airflow_provider_esimgo.kit.qr import draw
for number in range(100):
    draw(f"LPA:1$rsp.example${number}")
print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024)
"""
_POLICY = PurchasePolicy(mode=Mode.TRANSACT, seconds_between_orders=0)


def run() -> None:
    _images()
    for units in SIZES:
        with sandbox() as (server, client), tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'ledger.db'}"
            account = f"{client.get_organisation().name}@{server.url.split('/')[2]}"
            batch_id = _bought(client, url, account, units)
            before = sum(server.books()["requests"].values())
            found = _measured(server.url, server.key, url, folder, batch_id)
            calls = sum(server.books()["requests"].values()) - before
        print(
            f"  kit of {units:,} units: {found['seconds']:.1f} s ({found['seconds'] / units * 1000:.1f} ms a unit), "
            f"{calls} calls, peak {found['memory']:.0f} MB; "
            f"{found['files']:,} files, {found['bytes'] / 1e6:.1f} MB"
        )


def _images() -> None:
    codes = [f"LPA:1$rsp-3104.idemia.io$BENCH-{number:05d}-ABCDE-FGHIJ" for number in range(IMAGES)]
    started = time.perf_counter()
    for code in codes:
        segno.make(code, error="m", micro=False).save(io.BytesIO(), kind="png", scale=8)
    bare = (time.perf_counter() - started) / IMAGES
    started = time.perf_counter()
    for code in codes:
        draw(code)
    ours = (time.perf_counter() - started) / IMAGES
    started = time.perf_counter()
    for _ in draw_all(codes * 2):
        pass
    shared = (time.perf_counter() - started) / IMAGES / 2
    alone = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True)
    print(
        f"  bare segno loop                    {bare * 1000:5.2f} ms a PNG\n"
        f"  a code in its {IMAGES_A_CODE} forms, one core     {ours * 1000:5.2f} ms, "
        f"{ours / bare / IMAGES_A_CODE:.2f} x a bare PNG an image\n"
        f"  the same on {os.cpu_count()} cores              {shared * 1000:5.2f} ms, {ours / shared:.2f} x as fast; "
        f"each process peaks at {float(alone.stdout):.0f} MB"
    )


def _peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _bought(client: EsimGoClient, url: str, account: str, units: int) -> str:
    database = Database.open(url)
    ledger = Ledger(database)
    batch = plan(client, ledger, units, _POLICY, account=account)
    place_batch(client, ledger, batch, _POLICY)
    references = [order.reference or "" for order in ledger.orders(batch)]
    database.close()
    for start in range(0, len(references), 50):
        client.get_qr_zip(references[start : start + 50])  # the vendor draws each image once
    return batch.batch_id


def _measured(url: str, key: str, ledger_url: str, folder: str, batch_id: str) -> dict[str, float]:
    connection = {"conn_type": "esimgo", "host": url, "password": key, "extra": {"requests_per_second": 1000}}
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.kit", batch_id, f"{folder}/kits"],
        env={
            **os.environ,
            "AIRFLOW_HOME": folder,
            "AIRFLOW_CONN_ESIMGO_DEFAULT": json.dumps(connection),
            "AIRFLOW__ESIMGO__LEDGER_URL": ledger_url,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(told.stdout.splitlines()[-1]))


def measure(batch_id: str, destination: str) -> None:
    """In a process of its own: print what one export costs."""
    from airflow_provider_esimgo.operators.batch import EsimGoExportQrOperator  # noqa: PLC0415

    operator = EsimGoExportQrOperator(task_id="export", batch_id=batch_id, destination=destination)
    started = time.perf_counter()
    operator.execute({})
    seconds = time.perf_counter() - started
    sizes = [file.stat().st_size for file in Path(destination).rglob("*") if file.is_file()]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "memory": _peak(),
                "files": len(sizes),
                "bytes": sum(sizes),
            }
        )
    )


if __name__ == "__main__":
    measure(*sys.argv[1:])
