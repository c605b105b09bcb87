"""Every quarter of an hour: find out what became of orders whose outcome is unknown.

An order is unknown when the connection died after it was sent. The place task resolves its own on its next
try; this DAG resolves those whose run nobody repeats, and turns red when an order waits for a person.
It reads the vendor's order list and balance, and never sends an order.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_esimgo.operators.reconcile import EsimGoReconcileOperator

with DAG(
    dag_id="reconcile_orders",
    description="Resolve orders of unknown outcome",
    doc_md=__doc__,
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["esimgo"],
):
    EsimGoReconcileOperator(task_id="reconcile")
