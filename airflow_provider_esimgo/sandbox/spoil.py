"""Answers gone wrong: what a fault makes of a body whose effect already stands.

Pure functions of the body. Invariant: a body they cannot read is returned as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from airflow_provider_esimgo.sandbox.faults import FaultRule
from airflow_provider_esimgo.sandbox.wire import money

_LISTS = ("orders", "esims", "bundles", "countryNetworks", "organisations", "assignments")


def _changed(body: bytes, change: Callable[[Any], Any]) -> bytes:
    try:
        content = json.loads(body, parse_float=Decimal)
    except ValueError:
        return body
    return json.dumps(change(content), default=money, separators=(",", ":")).encode()


def _empty_list(content: Any) -> Any:
    if not isinstance(content, dict):
        return []
    emptied = {name: [] if name in _LISTS else value for name, value in content.items()}
    return emptied | {name: 0 for name in ("rows", "pageCount") if name in emptied}


def _without_reference(content: Any) -> Any:
    if isinstance(content, dict):
        content.pop("orderReference", None)
    return content


def _wrong_total(content: Any, by: str) -> Any:
    if isinstance(content, dict) and "total" in content:
        content["total"] = Decimal(str(content["total"])) + Decimal(by)
    return content


SPOILERS: dict[str, Callable[[FaultRule, bytes], bytes]] = {
    "broken_json": lambda _, body: body[: max(len(body) // 2, 1)],
    "empty_body": lambda _, __: b"",
    "empty_list": lambda _, body: _changed(body, _empty_list),
    "missing_reference": lambda _, body: _changed(body, _without_reference),
    "wrong_total": lambda rule, body: _changed(body, lambda content: _wrong_total(content, str(rule["by"]))),
}
