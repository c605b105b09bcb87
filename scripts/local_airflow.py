"""An Airflow and a local eSIM Go of one's own, under .airflow/, for the demo and for looking around.

Nothing outside this folder is touched; nothing is bought but in the sandbox.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Home:
    """The folder in which everything lives that one of the scripts makes."""

    path: Path

    @classmethod
    def at(cls, name: str) -> "Home":
        """The home of that name, made if need be."""
        path = ROOT / ".airflow" / name
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @property
    def kits(self) -> Path:
        """Where the kits go."""
        return self.path / "kits"

    @property
    def ledger_url(self) -> str:
        """The ledger that the tasks use when nothing else is configured."""
        return f"sqlite:///{self.path / 'esimgo-ledger.db'}"

    def kept(self, name: str, make: str) -> str:
        """A text that is made once and kept."""
        file = self.path / name
        if not file.exists():
            file.write_text(make)
            file.chmod(0o600)
        return file.read_text()

    def port(self) -> int:
        """The sandbox's port: kept, since host and port are part of the account's name."""
        return int(self.kept("sandbox-port", str(free_port(4010))))

    def environment(self, sandbox_url: str, key: str) -> dict[str, str]:
        """What Airflow's processes need to know."""
        connection = {
            "conn_type": "esimgo",
            "host": sandbox_url,
            "password": key,
            "extra": {"mode": "transact", "max_daily_total": "1000.00", "currency": "USD"},
        }
        return {
            **os.environ,
            "AIRFLOW_HOME": str(self.path),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.path / 'airflow.db'}",
            "AIRFLOW_CONN_ESIMGO_DEFAULT": json.dumps(connection),
            "AIRFLOW_VAR_ESIMGO_KITS": str(self.kits),
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        }


def stop_when_terminated() -> None:
    """Let SIGTERM end a script as Ctrl-C does: what it started is stopped too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def free_port(preferred: int) -> int:
    """The preferred port if nobody listens there, else any other."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit("No free port on 127.0.0.1")


def new_secret(prefix: str) -> str:
    """A key that no one else has."""
    return f"{prefix}-{secrets.token_hex(16)}"


@contextlib.contextmanager
def sandbox(home: Home, *, auto_lifecycle: float) -> Iterator[tuple[str, str]]:
    """A local eSIM Go that keeps its books in the home; yields its URL and key."""
    port = home.port()
    key = home.kept("sandbox-key", new_secret("sandbox"))
    port_file = home.path / "sandbox-listens"
    port_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "airflow_provider_esimgo.sandbox"),
        *("--port", str(port), "--port-file", str(port_file), "--key", key, "--quiet"),
        *("--db", str(home.path / "sandbox.db"), "--auto-lifecycle", str(auto_lifecycle)),
    ]
    with (home.path / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        try:
            for _ in range(200):
                if port_file.exists() and port_file.read_text().strip():
                    break
                if process.poll() is not None:
                    raise SystemExit(
                        f"The sandbox did not start on port {port}; see {home.path / 'sandbox.log'}. If another "
                        f"program took the port, stop it, or remove {home.path} to begin anew."
                    )
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v2.5", key
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def migrate(home: Home, environment: dict[str, str]) -> None:
    """Make Airflow's own database, once."""
    done = home.path / "airflow-migrated"
    if done.exists():
        return
    with (home.path / "airflow-migrate.log").open("wb") as log:
        subprocess.run(
            [BIN / "airflow", "db", "migrate"], env=environment, check=True, stdout=log, stderr=log
        )
    done.touch()
