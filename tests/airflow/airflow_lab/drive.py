"""Runs inside a process of its own: a DAG by `dag.test()`, and cleared tasks of its runs once more.

Told what to do by one JSON argument; its report names the runs, all else is in Airflow's database.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from airflow import settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.dagrun import DagRun
from airflow.sdk.definitions.dag import _run_task
from airflow.utils.state import DagRunState, TaskInstanceState

try:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag, sync_bag_to_db
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization


def main() -> None:
    errand = json.loads(sys.argv[1])
    bag = DagBag(settings.DAGS_FOLDER)
    assert not bag.import_errors, bag.import_errors
    if errand["know"]:
        know(bag)
    if errand["ready"]:
        Path(errand["ready"]).write_text("ready")
        sys.stdin.read()
    report: list[dict[str, str]] = []
    for run in errand["runs"]:
        dag = bag.dags[run.get("dag", errand["dag"])]
        if cleared := run.get("clear"):
            run_again(dag, report[-1]["run_id"], cleared)
            report.append(report[-1])
            continue
        if "faults" in run:
            told = requests.post(f"{errand['control']}/faults", json={"replace": run["faults"]}, timeout=10)
            told.raise_for_status()
        moment = run.get("logical_date")
        done = dag.test(
            logical_date=datetime.fromisoformat(moment) if moment else datetime.now(UTC),
            run_conf=run.get("conf"),
        )
        report.append({"dag": dag.dag_id, "run_id": done.run_id})
    Path(errand["report"]).write_text(json.dumps(report))


def know(bag: Any) -> None:
    """Write the DAGs to Airflow's database, which two processes cannot do at once for the first time."""
    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    bundle = next(iter(manager.get_all_dag_bundles()))
    sync_bag_to_db(bag, bundle.name, bundle.version)


def run_again(dag: Any, run_id: str, cleared: list[str]) -> None:
    """What the scheduler does after somebody has cleared tasks of a finished run, as `dag.test()` does it."""
    session = settings.Session()
    scheduled = scheduler_dag(dag)
    scheduled.clear(task_ids=cleared, run_id=run_id, session=session)
    session.commit()
    found = session.query(DagRun).filter_by(dag_id=dag.dag_id, run_id=run_id).one()
    found.dag = scheduled
    assert found.state != DagRunState.SUCCESS, "clearing did not reopen the run"
    found.state = DagRunState.RUNNING
    for _ in range(50):
        session.expire_all()
        schedulable, _ = found.update_state(session=session)
        if found.state != DagRunState.RUNNING:
            session.commit()
            return
        for instance in schedulable:
            instance.try_number += 1
            instance.state = TaskInstanceState.SCHEDULED
        session.commit()
        for instance in found.get_task_instances(session=session):
            if instance.state == TaskInstanceState.SCHEDULED:
                _run_task(ti=instance, task=dag.task_dict[instance.task_id], run_triggerer=True)
    raise AssertionError("the cleared run does not come to its end")


def scheduler_dag(dag: Any) -> Any:
    return Serialization.deserialize_dag(Serialization.serialize_dag(dag))


if __name__ == "__main__":
    main()
