"""As `bulk_provisioning`, and a second person approves the total before anything is bought.

    validate  ->  approve  ->  place  ->  export

Trigger it with the client's manifest. The question waits under Required Actions with the plan's cost card;
who triggered the run cannot answer it. The approval is bound to exactly this plan: `place` refuses any other,
and one that is older than a day or whose price has moved.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.approval import EsimGoApprovalOperator
from airflow_provider_esimgo.operators.batch import (
    EsimGoExportQrOperator,
    EsimGoPlaceOrdersOperator,
    EsimGoValidateBatchOperator,
)

HERE = Path(__file__).parent

with DAG(
    dag_id="approved_provisioning",
    description="A corporate client's CSV in, a second person's approval, eSIMs bought once, QR codes out",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["esimgo"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    params={
        "client": Param(
            "acme", type="string", pattern="^[a-z0-9-]+$", description="Short name of the client"
        ),
        "manifest": Param(
            str(HERE / "manifests" / "acme.csv"),
            type="string",
            description="Path or URL of the client's file",
        ),
        "destination": Param(
            "/tmp/esim-kits",  # noqa: S108
            type="string",
            description="Folder or URL for the kits and the report",
        ),
        "max_total": Param("500.00", type="string", description="Refuse a manifest that costs more"),
    },
):
    # Every fault of the file is told at once, in the log and in <destination>/<batch_id>/report.html.
    validate = EsimGoValidateBatchOperator(
        task_id="validate",
        manifest="{{ params.manifest }}",
        batch_id="{{ params.client }}-{{ dag_run.run_after | ds }}",
        client="{{ params.client }}",
        max_total="{{ params.max_total }}",
        report_destination="{{ params.destination }}",
    )
    batch_id = validate.output["batch_id"]

    # Holds no worker slot while it waits. Without `assigned_users`, whoever may answer in Airflow may approve.
    approve = EsimGoApprovalOperator(
        task_id="approve", batch_id=batch_id, response_timeout=timedelta(hours=24)
    )

    # Looks into the ledger for the approval of this very plan, whatever the DAG says.
    place = EsimGoPlaceOrdersOperator(task_id="place", batch_id=batch_id, require_approval=True)

    export = EsimGoExportQrOperator(
        task_id="export",
        batch_id=batch_id,
        destination="{{ params.destination }}",
        manifest="{{ params.manifest }}",
    )

    validate >> approve >> place >> export
