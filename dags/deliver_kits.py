"""E-mail each recipient of a bought batch their own eSIM: QR code, install links, steps.

    deliver

Trigger it after `bulk_provisioning`, with the same manifest: the addresses are kept nowhere else. Needs a connection
`smtp_default` (type SMTP, `from_email` in its extra). Each unit is sent once: a retry, a cleared task or a second run
sends nothing twice, and a message of which nobody knows whether it arrived waits for a person (`airflow esimgo kit
deliveries`). Who has installed the eSIM already gets no mail.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.delivery import EsimGoDeliverKitsOperator

HERE = Path(__file__).parent

with DAG(
    dag_id="deliver_kits",
    description="Each recipient of a bought batch gets their own eSIM by e-mail, once",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["esimgo"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},  # nothing is sent twice
    params={
        "batch_id": Param("acme-2026-01-01", type="string", description="A bought batch"),
        "manifest": Param(
            str(HERE / "manifests" / "acme.csv"),
            type="string",
            description="The manifest it was bought from, for the addresses",
        ),
        "note": Param(
            "Questions? Ask your IT service desk.", type="string", description="A sentence of your own"
        ),
    },
):
    EsimGoDeliverKitsOperator(
        task_id="deliver",
        batch_id="{{ params.batch_id }}",
        manifest="{{ params.manifest }}",
        subject="Your eSIM for the next trip",
        note="{{ params.note }}",
    )
