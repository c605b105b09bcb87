"""`make demo`: the sample DAG, run by Airflow against a local eSIM Go, and what came of it in plain words."""

import csv
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from local_airflow import BIN, ROOT, Home, migrate, sandbox, stop_when_terminated

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.milestones import progress_of
from airflow_provider_esimgo.ledger.store import Ledger

BATCH_ID = "acme-demo"
MANIFEST = ROOT / "dags" / "manifests" / "acme.csv"

#: A line of Airflow's log: time, level, event, logger.
_LINE = re.compile(r"^\S+ \[(?P<level>\w+)\s*\] (?P<event>.*?)\s+\[(?P<logger>[\w.]+)\]")
_TASK = re.compile(r"\[DAG TEST\] starting task_id=(?P<task>\w+)")


def main() -> int:
    stop_when_terminated()
    started = time.monotonic()
    home = Home.at("demo")
    with sandbox(home, auto_lifecycle=4) as (url, key):
        environment = home.environment(url, key)
        step(
            "Preparing Airflow's own database"
            if not (home.path / "airflow-migrated").exists()
            else "Starting Airflow"
        )
        migrate(home, environment)
        before = spent(home)
        conf = {
            "client": "acme",
            "batch_id": BATCH_ID,
            "manifest": str(MANIFEST),
            "destination": str(home.kits),
        }
        ok = run_dag(environment, conf, log=home.path / "demo.log")
        if not ok:
            print(f"\nThe run failed; its whole log is {home.path / 'demo.log'}")
            return 1
        report(home, url, key, before, time.monotonic() - started)
    return 0


def step(text: str) -> None:
    print(f"\n== {text}", flush=True)


def run_dag(environment: dict[str, str], conf: dict[str, str], *, log: Path) -> bool:
    """Run the sample DAG to its end, telling what its tasks tell."""
    command = [BIN / "airflow", "dags", "test", "bulk_provisioning", "--conf", json.dumps(conf)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with log.open("w") as copy:
        for line in process.stdout:
            copy.write(line)
            tell(re.sub(r"\x1b\[[0-9;]*m", "", line))
    return process.wait() == 0


def tell(line: str) -> None:
    """Of all that Airflow logs, what somebody who watches wants to read."""
    if found := _TASK.search(line):
        step(f"Task {found['task']}")
    elif (found := _LINE.match(line)) and "airflow_provider_esimgo" in found["logger"]:
        print(f"   {found['event']}", flush=True)
    elif found and found["level"] in ("error", "critical"):
        print(f" ! {found['event']}", flush=True)


def spent(home: Home) -> int:
    """How many orders the ledger holds, before this run."""
    ledger = Ledger(Database.open(home.ledger_url))
    return sum(1 for batch in ledger.batches() for order in ledger.orders(batch) if order.reference)


def report(home: Home, url: str, key: str, orders_before: int, seconds: float) -> None:
    """The summary that a person can read."""
    ledger = Ledger(Database.open(home.ledger_url))
    batch = next(batch for batch in ledger.batches() if batch.batch_id == BATCH_ID)
    orders = [order for order in ledger.orders(batch) if order.reference]
    with EsimGoClient(url, key) as client:
        balance = client.get_organisation().balance
    folder = home.kits / BATCH_ID
    with (folder / "index.csv").open(newline="") as index:
        rows = list(csv.DictReader(index))
    bought_now = len(orders) - orders_before
    by_bundle = Counter(unit.bundle for unit in ledger.units(batch))
    print(
        f"""
Batch      {batch.batch_id}, from {MANIFEST.relative_to(ROOT)} ({batch.row_count} rows)
Account    {batch.account}
Units      {batch.unit_count}: {", ".join(f"{count} x {bundle}" for bundle, count in by_bundle.items())}
Orders     {len(orders)} in all, {bought_now} bought by this run{"" if bought_now else ": everything was bought before"}
Spent      {sum(order.due for order in orders):,.2f} {batch.currency}; the balance is {balance:,.2f}
Kit        {len(rows)} QR codes in {folder}
           to look at:  {folder / "index.html"}
           to print:    {folder / "sheet.pdf"}
           one of them: {folder / rows[0]["qr_png"]} ({rows[0]["name"]})
Bundles    {progress_of(ledger, batch)}
Took       {seconds:.0f} s

Run make demo again: it buys nothing. make airflow shows the same in the Airflow UI."""
    )


if __name__ == "__main__":
    sys.exit(main())
