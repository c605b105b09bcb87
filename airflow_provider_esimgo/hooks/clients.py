"""A client as a YAML file describes it, checked when read, so that a slip is told before anything runs.

Must stay true: what is not said cannot spend. A file buys only with `buy: true`, a cap, and either approvers or
`unattended: true`; an unknown or repeated key is refused, since a misspelt cap would be none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

import yaml
from croniter import croniter  # type: ignore[import-untyped]  # comes with Airflow, which reads schedules by it

_PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


class ClientError(ValueError):
    """A client's file cannot be used; names the file, the key and the cure."""


@dataclass(frozen=True)
class Client:
    """A client's file, checked. `approvers` are Airflow's user ids, each with a name to show."""

    name: str
    manifest: str
    batch_id: str
    bundle: str | None = None
    output: str | None = None
    schedule: str | None = None
    connection: str = "esimgo_default"
    buy: bool = False
    unattended: bool = False
    canary: bool = False
    on_faults: Literal["fail", "quarantine"] = "fail"
    max_total: Decimal | None = None
    reserve: Decimal | None = None
    budgets: Mapping[str, Decimal] | None = None
    approvers: Mapping[str, str] = field(default_factory=dict)


def read_clients(folder: Path) -> tuple[list[Client], dict[str, ClientError]]:
    """Every client of a folder, and by file name what is wrong with the files that cannot be used."""
    clients: dict[str, Client] = {}
    faulty: dict[str, ClientError] = {}
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            client = read_client(file)
        except ClientError as error:
            faulty[file.name] = error
            continue
        if client.name in clients:
            faulty[file.name] = ClientError(
                f"{file.name}: client: {client.name!r} is another file's already. Give each client one file."
            )
        else:
            clients[client.name] = client
    return list(clients.values()), faulty


def read_client(file: Path) -> Client:
    """Read and check one file.

    Raises:
        ClientError: one line that names the file, the key and the cure.
    """
    try:
        told = yaml.load(file.read_text(encoding="utf-8"), _Strict)  # noqa: S506 - builds nothing but text
    except OSError as error:
        raise ClientError(f"{file.name}: it cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ClientError(f"{file.name}: it is not YAML: {' '.join(str(error).split())}") from None
    return parse_client(told, source=file.name)


def parse_client(told: object, *, source: str) -> Client:
    """Check what a file says; every scalar is text. `source` is the file's name, and without its end the client's."""

    def refuse(key: str, what: str) -> ClientError:
        return ClientError(f"{source}: {key}: {what}")

    if not isinstance(told, Mapping):
        raise ClientError(
            f"{source}: it holds no keys. Begin with 'manifest: <path or URL of the client's CSV>'."
        )
    values: dict[str, Any] = {}
    for key, value in told.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"The keys are {', '.join(_KEYS)}."
            raise refuse(str(key), f"there is no such key. {hint}")
        if value in ("", "~", "null"):
            continue
        read, expected = _KEYS[key]
        try:
            values[key] = read(value)
        except (ValueError, InvalidOperation, TypeError, AttributeError):
            shown = repr(value) if isinstance(value, str) else "a list or a mapping"
            raise refuse(key, f"it cannot be {shown}. {expected}") from None
    name = values.pop("client", None)
    if name is None:
        try:
            name = _name(Path(source).stem)
        except ValueError:
            raise refuse("client", f"it is missing, and the file's name does not do. {_NAME}") from None
    if "manifest" not in values:
        raise refuse("manifest", "it is missing. Give the path or URL of the client's CSV.")
    values.setdefault("batch_id", f"{name}-{{{{ dag_run.run_after | ds }}}}")
    client = Client(name=name, **values)
    if client.buy:
        _refuse_careless(client, refuse)
    if client.on_faults == "quarantine" and client.output is None:
        raise refuse("on_faults", "quarantine needs 'output': the rows that are put aside are written there.")
    return client


def _refuse_careless(client: Client, refuse: Callable[[str, str], ClientError]) -> None:
    if client.max_total is None:
        raise refuse(
            "max_total", 'it is missing, and buy is true. Say what a batch may cost, such as "500.00".'
        )
    if client.output is None:
        raise refuse(
            "output", "it is missing, and buy is true. Say where the kits go, such as s3://acme/kits."
        )
    if bool(client.approvers) == client.unattended:
        raise refuse(
            "approvers",
            "buy is true: say either who may approve (approvers: [alice]) or that nobody needs to (unattended: true).",
        )


class _Strict(yaml.BaseLoader):
    """Every scalar is text, so that 500.10 keeps its cents and NO stays Norway; a key may stand once only."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[str, Any]:
    pairs = loader.construct_pairs(node, deep=True)
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str) or key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        seen[key] = value
    return seen


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _name(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError
    return text


def _truth(value: Any) -> bool:
    if _text(value).lower() not in ("true", "false"):
        raise ValueError
    return _text(value).lower() == "true"


def _on_faults(value: Any) -> str:
    if value not in ("fail", "quarantine"):
        raise ValueError
    return str(value)


def _schedule(value: Any) -> str:
    text = _text(value)
    if text not in _PRESETS and not croniter.is_valid(text):
        raise ValueError
    return text


def _money(value: Any) -> Decimal:
    amount = Decimal(_text(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError
    return amount


def _budgets(value: Any) -> dict[str, Decimal]:
    """An empty name is for rows without a cost centre."""
    return {str(centre).strip(): _money(amount) for centre, amount in value.items()}


def _approvers(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        raise TypeError
    people: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, Mapping) else ((one, one) for one in value)
    )
    return {_text(identity): _text(name) for identity, name in people}


_NAME = "It takes small letters, digits and hyphens."
_AMOUNT = 'It takes an amount such as "250.00".'
_YES_NO = "It takes true or false."
_PLACE = "It takes a path or URL."
_KEYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "client": (_name, _NAME),
    "manifest": (_text, _PLACE),
    "batch_id": (_text, "It takes a template such as acme-{{ ds }}."),
    "bundle": (_text, "It takes a bundle's exact name, for rows that name none."),
    "output": (_text, _PLACE),
    "schedule": (
        _schedule,
        f"It takes a cron expression such as '0 6 * * 1', or one of {', '.join(_PRESETS)}.",
    ),
    "connection": (_text, "It takes the id of a connection of type esimgo."),
    "buy": (_truth, _YES_NO),
    "unattended": (_truth, _YES_NO),
    "canary": (_truth, _YES_NO),
    "on_faults": (_on_faults, "It takes fail or quarantine."),
    "max_total": (_money, _AMOUNT),
    "reserve": (_money, _AMOUNT),
    "budgets": (_budgets, "It takes cost centres, each with an amount, such as 'SALES: 250.00'."),
    "approvers": (_approvers, "It takes a list of Airflow's user ids, or ids with names."),
}
