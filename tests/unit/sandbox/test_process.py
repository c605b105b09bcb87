"""The sandbox as a process of its own: what it prints, and that a SIGKILL loses nothing it answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from airflow_provider_esimgo.sandbox import DEFAULT_KEY, PRESET_ICCIDS
from airflow_provider_esimgo.sandbox.server import SandboxServer

KEY = {"X-API-Key": DEFAULT_KEY}
ORDER = {
    "type": "transaction",
    "assign": True,
    "order": [{"type": "bundle", "item": "esim_1GB_7D_GB_V2", "quantity": 2}],
}


@contextmanager
def process(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its first line once it listens."""
    command = [sys.executable, "-m", "airflow_provider_esimgo.sandbox", "--port", "0", "--no-rate-limit"]
    with subprocess.Popen([*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


def test_it_prints_address_key_catalogue_and_presets_and_stops_on_request(tmp_path):
    with process("--port-file", tmp_path / "port", "--balance", "123.45") as (running, first):
        assert first == "Sandbox Reseller Ltd: a local eSIM Go"
        assert running.stdout is not None
        printed = ""
        while PRESET_ICCIDS[-1] not in printed:
            printed += running.stdout.readline()
        assert DEFAULT_KEY in printed
        assert "esim_1GB_7D_GB_V2" in printed
        assert "1.36  United Kingdom" in printed
        assert "123.45 USD" in printed
        url = printed.split("URL")[1].split()[0]
        assert requests.get(f"{url}/organisation", headers=KEY, timeout=10).ok
        assert (tmp_path / "port").read_text().strip() in url
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) in (0, -signal.SIGTERM)


def test_a_killed_sandbox_has_lost_nothing(tmp_path):
    db = tmp_path / "sandbox.db"
    with process("--quiet", "--db", db) as (running, url):
        references = []
        for _ in range(5):
            reply = requests.post(f"{url}/orders", json=ORDER, headers=KEY, timeout=10).json()
            references.append(reply["orderReference"])
        root = url.removesuffix("/v2.5")
        requests.post(f"{root}/_sandbox/activate", json={"reference": references[0]}, timeout=10)
        requests.post(f"{root}/_sandbox/advance", json={"seconds": 3600}, timeout=10)
        requests.post(
            f"{root}/_sandbox/price", json={"bundle": "esim_1GB_7D_NL_V2", "price": 9.99}, timeout=10
        )
        before = requests.get(f"{root}/_sandbox/state", timeout=10).json()
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
    with process("--quiet", "--db", db) as (_, url):
        after = requests.get(f"{url.removesuffix('/v2.5')}/_sandbox/state", timeout=10).json()
        for what in ("orders", "esims", "balance", "charges", "inventory"):
            assert after[what] == before[what]
        assert after["now"] > before["now"]
        assert after["balanced"]
        again = requests.post(f"{url}/orders", json=ORDER, headers=KEY, timeout=10).json()
        assert again["orderReference"] not in references
        known = {esim["iccid"] for esim in before["esims"]}
        assert not known & set(again["order"][0]["iccids"])
        price = requests.get(f"{url}/catalogue/bundle/esim_1GB_7D_NL_V2", headers=KEY, timeout=10).json()[
            "price"
        ]
        assert price == 9.99


def test_a_sandbox_killed_with_an_order_still_to_come_carries_it_out(tmp_path):
    db, script = tmp_path / "sandbox.db", tmp_path / "faults.json"
    script.write_text(json.dumps([{"kind": "late_effect", "seconds": 60}]))
    with (
        process("--quiet", "--db", db, "--faults", script) as (_, url),
        pytest.raises(requests.ConnectionError),
    ):
        requests.post(f"{url}/orders", json=ORDER, headers=KEY, timeout=10)
    with SandboxServer(db=db) as server:
        assert server.orders() == []
        server.advance(61)
        assert len(server.orders()) == 1


def test_a_client_of_a_killed_sandbox_sees_its_connection_die(tmp_path):
    with process("--quiet", "--set", 'async_answer="processing"') as (running, url):
        session = requests.Session()
        assert session.get(f"{url}/organisation", headers=KEY, timeout=10).ok
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
        with pytest.raises(requests.ConnectionError):
            session.post(f"{url}/orders", json=ORDER, headers=KEY, timeout=10)


def test_a_wrong_switch_on_the_command_line_is_told():
    command = [sys.executable, "-m", "airflow_provider_esimgo.sandbox", "--set", "csv_shape=xml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "csv_shape is one of plain5, quoted4" in done.stderr


def test_a_server_stops_cleanly_and_frees_its_port():
    with SandboxServer() as server:
        port = int(server.root_url.rpartition(":")[2])
    with SandboxServer(port=port) as again:
        assert requests.get(again.root_url, timeout=10).ok
