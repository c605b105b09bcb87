"""Buy eSIMs for a corporate client: a CSV of employees goes in, a folder of QR codes comes out.

    validate  ->  place  ->  export  ->  wait until the bundles are active

Trigger it with the client's manifest. Needs the connection `esimgo_default`; it buys only when that
connection's mode is `transact`. Clearing a task, a retry, or a second run over the same file buys nothing
again: what is bought is in the ledger, not in the DAG run. `approved_provisioning` asks a second person first.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.batch import (
    EsimGoExportQrOperator,
    EsimGoPlaceOrdersOperator,
    EsimGoValidateBatchOperator,
)
from airflow_provider_esimgo.sensors.batch import EsimGoBatchSensor

HERE = Path(__file__).parent

with DAG(
    dag_id="bulk_provisioning",
    description="A corporate client's CSV in, eSIMs bought once, QR codes out",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["esimgo"],
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
    },  # retries are safe: nothing is bought twice
    params={
        "client": Param(
            "acme", type="string", pattern="^[a-z0-9-]+$", description="Short name of the client"
        ),
        "manifest": Param(
            str(HERE / "manifests" / "acme.csv"), type="string", description="Path or URL of the client's CSV"
        ),
        "batch_id": Param(
            None,
            type=["null", "string"],
            description="Name of the batch; empty is <client>-<date of the run>",
        ),
        "destination": Param("/tmp/esim-kits", type="string", description="Folder or URL for the kits"),  # noqa: S108
        "max_total": Param("500.00", type="string", description="Refuse a manifest that costs more"),
    },
):
    # Reads the CSV, tells every fault at once, prices it with the vendor's dry run. Spends nothing.
    validate = EsimGoValidateBatchOperator(
        task_id="validate",
        manifest="{{ params.manifest }}",
        batch_id="{{ params.batch_id or params.client ~ '-' ~ (dag_run.run_after | ds) }}",
        max_total="{{ params.max_total }}",
    )
    batch_id = validate.output["batch_id"]

    # Buys what the ledger says is not bought yet, at most 10 units an order, an order every 3 seconds.
    place = EsimGoPlaceOrdersOperator(task_id="place", batch_id=batch_id)

    # Writes <destination>/<batch_id>/: QR codes, a contact sheet, a printable page a unit, index.csv, and the
    # vendor's own images. `deliver_kits` brings them to the recipients.
    export = EsimGoExportQrOperator(
        task_id="export",
        batch_id=batch_id,
        destination="{{ params.destination }}",
        manifest="{{ params.manifest }}",  # for names and addresses: they are kept nowhere but in the kit
    )

    # Waits in the triggerer, holding no worker slot, until every bundle is in use.
    wait = EsimGoBatchSensor(
        task_id="wait_until_active",
        batch_id=batch_id,
        milestone="active",
        deferrable=True,
        poke_interval=300,
        timeout=timedelta(days=14),
    )

    validate >> place >> export >> wait
