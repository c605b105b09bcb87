"""Validate, have a second person approve, place."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.approval import EsimGoApprovalOperator
from airflow_provider_esimgo.operators.batch import EsimGoPlaceOrdersOperator, EsimGoValidateBatchOperator

with DAG(
    dag_id="approved",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"manifest": Param("", type="string"), "batch_id": Param("batch", type="string")},
):
    validate = EsimGoValidateBatchOperator(
        task_id="validate", manifest="{{ params.manifest }}", batch_id="{{ params.batch_id }}", client="Acme"
    )
    approve = EsimGoApprovalOperator(task_id="approve", batch_id=validate.output["batch_id"])
    place = EsimGoPlaceOrdersOperator(
        task_id="place", batch_id=validate.output["batch_id"], require_approval=True
    )
    validate >> approve >> place
