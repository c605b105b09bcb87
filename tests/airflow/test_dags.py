"""The sample DAGs: Airflow reads them without a complaint, quickly, and they do what they say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from airflow_lab.home import SAMPLE_DAGS

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag

FILES = sorted(SAMPLE_DAGS.glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_airflow_reads_it_in_under_a_second(file: Path):
    DagBag(file)  # the first one imports Airflow's and our own modules, as a worker does once
    started = time.process_time()
    bag = DagBag(file)
    assert time.process_time() - started < 1
    assert bag.import_errors == {}
    assert bag.dags


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_reading_it_asks_nobody_and_touches_nothing(file: Path, monkeypatch: pytest.MonkeyPatch):
    def connect(*_: object) -> None:
        raise AssertionError("a DAG file opens a connection when it is read")

    monkeypatch.setattr("socket.socket.connect", connect)
    monkeypatch.setattr("sqlalchemy.engine.Engine.connect", connect)
    environment = dict(os.environ)
    assert DagBag(file).import_errors == {}
    assert dict(os.environ) == environment


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_explains_itself(file: Path):
    for dag in DagBag(file).dags.values():
        assert dag.doc_md
        assert dag.description
        assert "esimgo" in dag.tags


def test_the_sample_dag_is_the_way_from_csv_to_active_bundles():
    dag = DagBag(SAMPLE_DAGS / "bulk_provisioning.py").dags["bulk_provisioning"]
    assert [task.task_id for task in dag.topological_sort()] == [
        "validate",
        "place",
        "export",
        "wait_until_active",
    ]
    assert Path(dag.params["manifest"]).is_file()
    assert all(task.retries for task in dag.tasks), "retries are safe, and the sample says so"


def test_the_approved_dag_cannot_buy_without_the_approval_of_its_plan():
    dag = DagBag(SAMPLE_DAGS / "approved_provisioning.py").dags["approved_provisioning"]
    assert [task.task_id for task in dag.topological_sort()] == ["validate", "approve", "place", "export"]
    assert dag.get_task("place").require_approval is True
    assert dag.get_task("approve").allow_self_approval is False
