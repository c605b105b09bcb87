"""Validate and place, where every wait is the triggerer's."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from airflow_provider_esimgo.operators.batch import EsimGoPlaceOrdersOperator, EsimGoValidateBatchOperator


class Impatient(EsimGoPlaceOrdersOperator):
    """Waits for nothing in the worker."""

    patience = 0.0


with DAG(
    dag_id="impatient",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"manifest": Param("", type="string"), "batch_id": Param("batch", type="string")},
):
    validate = EsimGoValidateBatchOperator(
        task_id="validate", manifest="{{ params.manifest }}", batch_id="{{ params.batch_id }}"
    )
    validate >> Impatient(task_id="place", batch_id=validate.output["batch_id"])
