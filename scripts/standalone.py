"""`make airflow`: a real `airflow standalone` with the connection, the sandbox and one run of the sample DAG.

Runs until Ctrl-C. With `--once` it waits for that run and stops; that is how it is tested.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests
from local_airflow import BIN, ROOT, Home, free_port, migrate, sandbox, stop_when_terminated

READY_WITHIN = 180  # seconds; 17 to 50 were measured
RUN_WITHIN = 300


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--once", action="store_true", help="stop when the sample DAG has run")
    arguments.add_argument("--home", default="standalone", help="name of the folder under .airflow/")
    options = arguments.parse_args()
    stop_when_terminated()
    home = Home.at(options.home)
    port = free_port(8080)
    with sandbox(home, auto_lifecycle=30) as (url, key):
        environment = surroundings(home, url, key, port)
        print("Preparing Airflow's database and the connection esimgo_default ...", flush=True)
        migrate(home, environment)
        connect(home, environment, url, key)
        log = home.path / "standalone.log"
        with log.open("wb") as output:
            airflow = subprocess.Popen(
                [BIN / "airflow", "standalone"],
                env=environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            return drive(airflow, home, port, url, log, once=options.once)
        except KeyboardInterrupt:
            print("\nStopping ...")
            return 0
        finally:
            stop(airflow)


def stop(airflow: "subprocess.Popen[bytes]") -> None:
    """Airflow's processes end together; one that hangs is killed, and none is left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(airflow.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        airflow.wait(timeout=30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(airflow.pid, signal.SIGKILL)


def surroundings(home: Home, url: str, key: str, port: int) -> dict[str, str]:
    environment = home.environment(url, key)
    del environment["AIRFLOW_CONN_ESIMGO_DEFAULT"]  # a real connection, so that the UI shows it
    return {
        **environment,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(8793)),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port(8794)),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port(8974)),
    }


def connect(home: Home, environment: dict[str, str], url: str, key: str) -> None:
    if (home.path / "connected").exists():
        return
    connection = json.loads(home.environment(url, key)["AIRFLOW_CONN_ESIMGO_DEFAULT"])
    with (home.path / "airflow-migrate.log").open("ab") as log:
        subprocess.run(
            [BIN / "airflow", "connections", "add", "esimgo_default", "--conn-json", json.dumps(connection)],
            env=environment,
            check=True,
            stdout=log,
            stderr=log,
        )
    (home.path / "connected").touch()


def drive(
    airflow: "subprocess.Popen[bytes]", home: Home, port: int, sandbox_url: str, log: Path, *, once: bool
) -> int:
    base = f"http://127.0.0.1:{port}"
    print(f"Starting Airflow; its log is {log} ...", flush=True)
    started = time.monotonic()
    while not healthy(base):
        if airflow.poll() is not None or time.monotonic() - started > READY_WITHIN:
            print(f"Airflow did not start; see {log}")
            return 1
        time.sleep(1)
    user, password = credentials(home)
    print(
        f"""
Airflow    {base}   (ready after {time.monotonic() - started:.0f} s)
User       {user}
Password   {password}
Sandbox    {sandbox_url.removesuffix("/v2.5")}/   (a local eSIM Go: orders, eSIMs, balance)
""",
        flush=True,
    )
    headers = {"Authorization": f"Bearer {token(base, user, password)}"}
    run = trigger(base, headers, home)
    print(f"Run        {base}/dags/bulk_provisioning/runs/{run}", flush=True)
    state = follow(base, headers, run)
    if once:
        return 0 if state == "success" else 1
    print("\nCtrl-C stops Airflow and the sandbox; what they know stays in .airflow/", flush=True)
    return airflow.wait()


def healthy(base: str) -> bool:
    try:
        health = requests.get(f"{base}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def credentials(home: Home) -> tuple[str, str]:
    file = home.path / "simple_auth_manager_passwords.json.generated"
    return next(iter(json.loads(file.read_text()).items()))


def token(base: str, user: str, password: str) -> str:
    answer = requests.post(f"{base}/auth/token", json={"username": user, "password": password}, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def trigger(base: str, headers: dict[str, str], home: Home) -> str:
    """Start the sample DAG, as soon as Airflow has read it."""
    conf = {"client": "acme", "batch_id": "acme-demo", "destination": str(home.kits)}
    body = {"logical_date": None, "conf": conf}
    for _ in range(120):
        answer = requests.post(
            f"{base}/api/v2/dags/bulk_provisioning/dagRuns", headers=headers, json=body, timeout=30
        )
        if answer.status_code == 200:
            return str(answer.json()["dag_run_id"])
        time.sleep(1)
    raise SystemExit(f"The sample DAG could not be started: {answer.status_code} {answer.text[:300]}")


def follow(base: str, headers: dict[str, str], run: str) -> str:
    """Tell each task's state as it changes, until the run is over."""
    url = f"{base}/api/v2/dags/bulk_provisioning/dagRuns/{run}"
    told: dict[str, str] = {}
    started = time.monotonic()
    while time.monotonic() - started < RUN_WITHIN:
        tasks = requests.get(f"{url}/taskInstances", headers=headers, timeout=30).json()["task_instances"]
        for task in sorted(tasks, key=lambda task: task["id"]):
            name, state = task["task_id"], task["state"]
            if state and told.get(name) != state:
                told[name] = state
                print(f"   {name:<18} {state}", flush=True)
        state = requests.get(url, headers=headers, timeout=30).json()["state"]
        if state in ("success", "failed"):
            print(f"   the run: {state}, after {time.monotonic() - started:.0f} s", flush=True)
            return str(state)
        time.sleep(1)
    print(f"   the run is not over after {RUN_WITHIN} s")
    return "running"


if __name__ == "__main__":
    sys.exit(main())
