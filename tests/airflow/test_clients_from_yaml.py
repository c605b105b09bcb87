"""One DAG per client's file: nothing spends that does not say so, and a faulty file stops nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import GB, bought_units, written
from airflow_lab.home import SAMPLE_DAGS, Home
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.hooks.clients import ClientError, parse_client, read_client, read_clients
from airflow_provider_esimgo.sandbox.server import SandboxServer

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag

BUYING = "manifest: a.csv\noutput: kits\nbuy: true\nmax_total: 500.10\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DAG folder with the sample and no client."""
    (tmp_path / "clients").mkdir()
    shutil.copy(SAMPLE_DAGS / "clients_from_yaml.py", tmp_path)
    return tmp_path


def loaded(folder: Path, **files: str) -> Any:
    for name, text in files.items():
        (folder / "clients" / f"{name}.yaml").write_text(text)
    return DagBag(folder / "clients_from_yaml.py")


def tasks(bag: Any, dag_id: str) -> list[str]:
    return [task.task_id for task in bag.dags[dag_id].topological_sort()]


def test_the_samples_are_read():
    bag = DagBag(SAMPLE_DAGS / "clients_from_yaml.py")
    assert bag.import_errors == {}
    assert set(bag.dags) == {"client_acme", "client_globex"}
    assert tasks(bag, "client_acme") == ["validate", "approve", "place", "export"]
    assert tasks(bag, "client_globex") == ["validate"]


def test_a_client_that_says_nothing_of_buying_only_validates(folder: Path):
    assert tasks(loaded(folder, acme="manifest: a.csv"), "client_acme") == ["validate"]


def test_what_the_file_says_reaches_the_operators(folder: Path):
    file = BUYING + (
        "connection: other\ncanary: true\nreserve: 10\nbudgets:\n  NO: 1.10\n  '': 2\n"
        "approvers:\n  '7': Ada\nschedule: 0 6 * * 1\nbatch_id: x\n"
    )
    bag = loaded(folder, acme=file)
    assert bag.import_errors == {}
    dag = bag.dags["client_acme"]
    validate, approve, place = (dag.get_task(name) for name in ("validate", "approve", "place"))
    assert validate.max_total == "500.10"
    assert validate.budgets == {"NO": "1.10", "": "2"}
    assert (validate.client, validate.batch_id, validate.reserve) == ("acme", "x", "10")
    assert approve.assigned_users == [{"id": "7", "name": "Ada"}]
    assert (place.require_approval, place.canary) == (True, True)
    assert {task.esimgo_conn_id for task in dag.tasks} == {"other"}


def test_an_unattended_client_is_bought_without_a_question(folder: Path):
    bag = loaded(folder, acme=BUYING + "unattended: true")
    assert tasks(bag, "client_acme") == ["validate", "place", "export"]
    assert bag.dags["client_acme"].get_task("place").require_approval is False


@pytest.mark.slow
def test_a_client_that_says_so_is_bought_once_in_two_runs(
    folder: Path, open_home: Callable[..., Home], sandbox: SandboxServer
):
    manifest = written(folder, [f"ana,{GB},2,,SALES"])
    (folder / "clients" / "acme.yaml").write_text(
        f"manifest: {manifest}\noutput: {folder / 'kits'}\nbuy: true\nunattended: true\nmax_total: 5.00\n"
        "budgets: {SALES: 2.72}\nbatch_id: acme-1\n"
    )
    runs = open_home(sandbox, dags=folder).run("client_acme", {}, {})
    assert [run.state for run in runs] == ["success", "success"]
    assert bought_units(sandbox) == {GB: 2}
    assert (folder / "kits" / "acme-1" / "report.html").is_file()


def test_a_faulty_file_stops_nobody_else(folder: Path):
    bag = loaded(folder, acme="manifest: a.csv", globex="manifest: b.csv\nmax_totl: 5")
    assert bag.import_errors == {}, "an import error would stop the other clients, too"
    assert tasks(bag, "client_acme") == ["validate"]
    faulty = bag.dags["client_globex"]
    assert faulty.doc_md == "globex.yaml: max_totl: there is no such key. Did you mean 'max_total'?"
    (task,) = faulty.tasks
    with pytest.raises(ValueError, match="max_total"):
        task.python_callable(*task.op_args)


@pytest.mark.parametrize("name", ["Müller & Co", "a b", ".hidden", "x" * 200])
def test_any_file_name_is_taken(folder: Path, name: str):
    bag = loaded(folder, acme="manifest: a.csv", **{name: "manifest: b.csv"})
    assert bag.import_errors == {}
    assert "client_acme" in bag.dags


def test_one_client_has_one_file(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("client: acme\nmanifest: a.csv")
    clients, faulty = read_clients(tmp_path)
    assert [client.name for client in clients] == ["acme"]
    assert "another file's already" in str(faulty["b.yaml"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "holds no keys"),
        ("- a", "holds no keys"),
        ("a: [", "not YAML"),
        ("\x00", "not YAML"),
        ("manifest: a.csv\nmanifest: b.csv", "key 'manifest' stands twice"),
        ("? [a]\n: b", "not YAML"),
        ("schedule: '@daily'", "manifest: it is missing"),
        ("manifest: [a.csv]", "manifest: it cannot be a list or a mapping"),
        ("manifest: a.csv\nbuy: yes", "buy: it cannot be 'yes'. It takes true or false"),
        ("manifest: a.csv\nschedule: every day", "schedule: it cannot be 'every day'"),
        ("manifest: a.csv\nmax_total: lots", "max_total: it cannot be 'lots'"),
        ("manifest: a.csv\nmax_total: .nan", "max_total: it cannot be"),
        ("manifest: a.csv\nmax_total: -1", "max_total: it cannot be '-1'"),
        ("manifest: a.csv\nbudgets: [1]", "budgets: it cannot be"),
        ("manifest: a.csv\nbudgets:\n  A: x", "budgets: it cannot be"),
        ("manifest: a.csv\napprovers: alice", "approvers: it cannot be 'alice'"),
        ("manifest: a.csv\napprovers: [[a]]", "approvers: it cannot be"),
        ("manifest: a.csv\non_faults: ignore", "on_faults: it cannot be 'ignore'"),
        ("manifest: a.csv\non_faults: quarantine", "on_faults: quarantine needs 'output'"),
        ("client: A B\nmanifest: a.csv", "client: it cannot be 'A B'"),
        ("manifest: a.csv\nbuy: true", "max_total: it is missing, and buy is true"),
        ("manifest: a.csv\nbuy: true\nmax_total: 1", "output: it is missing, and buy is true"),
        (BUYING, "approvers: buy is true: say either who"),
        (BUYING + "approvers: [a]\nunattended: true", "approvers: buy is true: say either who"),
    ],
)
def test_a_slip_is_told_with_file_key_and_cure(tmp_path: Path, text: str, key: str):
    file = tmp_path / "acme.yaml"
    file.write_text(text)
    with pytest.raises(ClientError) as told:
        read_client(file)
    assert str(told.value).startswith("acme.yaml: ")
    assert key in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    (tmp_path / "folder.yaml").mkdir()
    _, faulty = read_clients(tmp_path)
    assert set(faulty) == {"bytes.yaml", "folder.yaml"}


yaml_like = st.recursive(
    st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)
keys = st.sampled_from(
    ["client", "manifest", "buy", "max_total", "approvers", "budgets", "schedule", "output", "unattended"]
)


@given(st.dictionaries(keys, yaml_like))
def test_whatever_it_says_it_buys_only_with_cap_and_consent(told: dict[str, Any]):
    try:
        client = parse_client(told, source="acme.yaml")
    except ClientError:
        return
    assert not client.buy or (client.max_total is not None and (client.approvers or client.unattended))
