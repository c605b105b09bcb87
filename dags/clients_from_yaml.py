"""One DAG per client, each from a file in `clients/`: `clients/acme.yaml` becomes the DAG `client_acme`.

    validate  ->  approve  ->  place  ->  export

A client's DAG checks and prices; it buys only if its file says `buy: true`, with a cap and with who approves.
A file that cannot be used becomes a DAG that fails once a day with the cure, and leaves the other clients alone:
an import error would stop them all.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_provider_esimgo.hooks.clients import Client, read_clients
from airflow_provider_esimgo.operators.approval import EsimGoApprovalOperator
from airflow_provider_esimgo.operators.batch import (
    EsimGoExportQrOperator,
    EsimGoPlaceOrdersOperator,
    EsimGoValidateBatchOperator,
)

CLIENTS = Path(__file__).parent / "clients"


def text(amount: Decimal | None) -> str | None:
    """Airflow keeps what a DAG says as JSON, which knows no Decimal."""
    return None if amount is None else str(amount)


def client_dag(client: Client) -> DAG:
    done = "bought" if client.buy else "checked and priced, not bought"
    with DAG(
        dag_id=f"client_{client.name}",
        description=f"eSIMs for {client.name}: {done}",
        doc_md=__doc__,
        schedule=client.schedule,
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["esimgo", client.name],
        default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "esimgo_conn_id": client.connection},
    ) as dag:
        validate = EsimGoValidateBatchOperator(
            task_id="validate",
            manifest=client.manifest,
            batch_id=client.batch_id,
            default_bundle=client.bundle,
            client=client.name,
            max_total=text(client.max_total),
            reserve=text(client.reserve),
            budgets=client.budgets and {centre: text(amount) for centre, amount in client.budgets.items()},
            on_faults=client.on_faults,
            report_destination=client.output,
        )
        if not client.buy:
            return dag
        batch_id = validate.output["batch_id"]
        place = EsimGoPlaceOrdersOperator(
            task_id="place",
            batch_id=batch_id,
            canary=client.canary,
            require_approval=bool(client.approvers),
        )
        export = EsimGoExportQrOperator(
            task_id="export",
            batch_id=batch_id,
            destination=client.output,
            manifest=client.manifest,
            default_bundle=client.bundle,
        )
        if client.approvers:
            approve = EsimGoApprovalOperator(
                task_id="approve",
                batch_id=batch_id,
                assigned_users=[{"id": id_, "name": name} for id_, name in client.approvers.items()],
                response_timeout=timedelta(hours=24),
            )
            validate >> approve >> place
        validate >> place >> export
    return dag


def faulty_dag(dag_id: str, error: str) -> DAG:
    """In the place of a client's DAG, so that whoever watches that one sees it."""
    with DAG(
        dag_id=dag_id,
        description=error,
        doc_md=error,
        schedule="@daily",
        start_date=datetime(2026, 1, 1),
        catchup=False,
        tags=["esimgo", "faulty"],
    ) as dag:

        @task
        def cure_the_file(told: str) -> None:
            raise ValueError(told)

        cure_the_file(error)
    return dag


clients, faulty = read_clients(CLIENTS)
dags = {f"client_{client.name}": client_dag(client) for client in clients}
for file, error in faulty.items():
    dag_id = "client_" + re.sub("[^A-Za-z0-9_.-]", "-", Path(file).stem)[:200]
    while dag_id in dags:
        dag_id += "-faulty"
    dags[dag_id] = faulty_dag(dag_id, str(error))
globals().update(dags)
