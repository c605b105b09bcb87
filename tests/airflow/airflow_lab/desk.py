"""A clerk who runs the operators by hand, in the test's own process and with an empty context."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.operators.batch import (
    EsimGoExportQrOperator,
    EsimGoPlaceOrdersOperator,
    EsimGoTagEsimsOperator,
    EsimGoValidateBatchOperator,
)
from airflow_provider_esimgo.operators.delivery import EsimGoDeliverKitsOperator
from airflow_provider_esimgo.operators.lifecycle import EsimGoPurgeOperator
from airflow_provider_esimgo.sandbox.server import SandboxServer
from airflow_provider_esimgo.sensors.batch import EsimGoBatchSensor

GB, NL, JP = "esim_1GB_7D_GB_V2", "esim_1GB_7D_NL_V2", "esim_1GB_7D_JP_V2"
HEADER = "recipient_ref,bundle,quantity,iccid,cost_centre,name,email"

#: As much of a context as a task's `ti` is asked for.
CONTEXT: Any = {
    "ti": SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=1, id="1")
}


def written(folder: Path, rows: Iterable[str], *, name: str = "clients.csv", header: str = HEADER) -> str:
    """A manifest in a file; columns that a row leaves out at its end are empty."""
    width = header.count(",")
    lines = [row + "," * (width - row.count(",")) for row in rows]
    file = folder / name
    file.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return str(file)


def bought_units(sandbox: SandboxServer) -> Counter[str]:
    """How many units of each bundle the vendor has sold, by its own books."""
    sold: Counter[str] = Counter()
    for order in sandbox.orders():
        for line in order["lines"]:
            sold[line["item"]] += line["quantity"]
    return sold


class Desk:
    def __init__(self, sandbox: SandboxServer, folder: Path, setenv: Callable[[str, str], object]) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self._setenv = setenv

    @staticmethod
    def connection(sandbox: SandboxServer, **extra: Any) -> dict[str, Any]:
        """The connection to a sandbox; it may buy, and is not held up."""
        return {
            "conn_type": "esimgo",
            "host": sandbox.url,
            "password": sandbox.key,
            "extra": {"mode": "transact", "requests_per_second": 1000, **extra},
        }

    def connect(self, *, host: str | None = None, password: str | None = None, **extra: Any) -> None:
        """Set the connection esimgo_default, as the sandbox's own unless told otherwise."""
        parts = self.connection(self.sandbox, **{"seconds_between_orders": 0, **extra})
        parts |= {"host": host} if host else {}
        parts |= {"password": password} if password else {}
        self._setenv("AIRFLOW_CONN_ESIMGO_DEFAULT", json.dumps(parts))

    def manifest(self, *rows: str, **fields: Any) -> str:
        return written(self.folder, rows or (f"ana,{GB},2", f"bo,{NL},1"), **fields)

    @property
    def kits(self) -> Path:
        return self.folder / "kits"

    def validate(self, manifest: str | None = None, *, batch_id: str | None = "batch", **fields: Any) -> Any:
        operator = EsimGoValidateBatchOperator(
            task_id="validate", manifest=manifest or self.manifest(), batch_id=batch_id, **fields
        )
        return operator.execute({})

    def place(self, batch_id: str = "batch", *, context: Any = None, **fields: Any) -> Any:
        operator = EsimGoPlaceOrdersOperator(task_id="place", batch_id=batch_id, **fields)
        return operator.execute(context or {})

    def export(self, batch_id: str | None = "batch", **fields: Any) -> Any:
        fields.setdefault("destination", str(self.kits))
        return EsimGoExportQrOperator(task_id="export", batch_id=batch_id, **fields).execute({})

    def deliver(self, batch_id: str = "batch", **fields: Any) -> Any:
        fields.setdefault("manifest", str(self.folder / "clients.csv"))
        return EsimGoDeliverKitsOperator(task_id="deliver", batch_id=batch_id, **fields).execute({})

    def tag(self, batch_id: str = "batch", **fields: Any) -> Any:
        return EsimGoTagEsimsOperator(task_id="tag", batch_id=batch_id, **fields).execute({})

    def purge(self, **fields: Any) -> Any:
        return EsimGoPurgeOperator(task_id="purge", **fields).execute({})

    def bought(self, *rows: str, batch_id: str = "batch") -> Any:
        """A batch, planned and placed."""
        self.validate(self.manifest(*rows), batch_id=batch_id)
        return self.place(batch_id)

    def sensor(self, batch_id: str = "batch", **fields: Any) -> EsimGoBatchSensor:
        return EsimGoBatchSensor(task_id="wait", batch_id=batch_id, **fields)

    def hook(self) -> EsimGoHook:
        return EsimGoHook()
