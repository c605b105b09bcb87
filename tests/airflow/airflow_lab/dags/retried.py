"""Validate and place, tried again at once: what a fault at the vendor comes down to in Airflow."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.batch import EsimGoPlaceOrdersOperator, EsimGoValidateBatchOperator

with DAG(
    dag_id="retried",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(0)},
    params={"manifest": Param("", type="string"), "batch_id": Param("batch", type="string")},
):
    validate = EsimGoValidateBatchOperator(
        task_id="validate", manifest="{{ params.manifest }}", batch_id="{{ params.batch_id }}"
    )
    place = EsimGoPlaceOrdersOperator(task_id="place", batch_id=validate.output["batch_id"])
    validate >> place
