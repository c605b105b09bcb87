"""From a CSV to the recipients' mailboxes, with everything on the way that may hold a code."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_esimgo.operators.batch import (
    EsimGoExportQrOperator,
    EsimGoPlaceOrdersOperator,
    EsimGoTagEsimsOperator,
    EsimGoValidateBatchOperator,
)
from airflow_provider_esimgo.operators.delivery import EsimGoDeliverKitsOperator

with DAG(
    dag_id="handed_over",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retry_delay": timedelta(0)},
):
    manifest = "{{ dag_run.conf.manifest }}"
    validate = EsimGoValidateBatchOperator(
        task_id="validate",
        manifest=manifest,
        batch_id="{{ dag_run.conf.batch_id }}",
        report_destination="{{ dag_run.conf.destination }}",
    )
    batch_id = validate.output["batch_id"]
    place = EsimGoPlaceOrdersOperator(task_id="place", batch_id=batch_id)
    export = EsimGoExportQrOperator(
        task_id="export",
        batch_id=batch_id,
        manifest=manifest,
        destination="{{ dag_run.conf.destination }}",
        formats=["intune", "android_management"],
        verify="all",
    )
    tag = EsimGoTagEsimsOperator(task_id="tag", batch_id=batch_id)
    deliver = EsimGoDeliverKitsOperator(
        task_id="deliver", batch_id=batch_id, manifest=manifest, note="Ask your IT service desk.", retries=2
    )
    validate >> place >> export >> tag >> deliver
