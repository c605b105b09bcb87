"""What every handler needs of a request and its answer: the call, JSON in and out, paging, the vendor's filters.

Bodies are parsed here, not by FastAPI, so that errors look like the vendor's.
Invariant: whatever the client sent, a handler answers `{"message": ...}`, never a 422.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request, Response

from airflow_provider_esimgo.sandbox.clock import parse_rfc3339
from airflow_provider_esimgo.sandbox.errors import ApiError, unreadable
from airflow_provider_esimgo.sandbox.sandbox import Call, Sandbox
from airflow_provider_esimgo.sandbox.settings import Settings

Item = TypeVar("Item")

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda one, other: one == other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
}


def sandbox_of(request: Request) -> Sandbox:
    sandbox = request.state.sandbox
    assert isinstance(sandbox, Sandbox)
    return sandbox


def call_of(request: Request) -> Call:
    call = request.state.call
    assert isinstance(call, Call)
    return call


def answer(content: object, status: int = 200) -> Response:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, status, media_type="application/json")


async def read_object(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    body = await request.body()
    if may_be_empty and not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise unreadable() from None
    if not isinstance(value, dict):
        raise unreadable()
    return value


def flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("true", "1")


def number(request: Request, name: str, default: int, largest: int | None = None) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1 or (largest is not None and int(text) > largest):
        raise ApiError(400, f"invalid {name}: {text}")
    return int(text)


def page_of(items: Sequence[Item], page: int, size: int) -> Sequence[Item]:
    return items[(page - 1) * size : page * size]


def listing(name: str, rows: list[Any], total: int, size: int, settings: Settings) -> Response:
    if settings.list_shape == "array":
        return answer(rows)
    return answer({name: rows, "pageCount": -(-total // size), "pageSize": size, "rows": total})


def time_filter(text: str) -> Callable[[int], bool]:
    """`gte:2024-03-01T00:00:00.000Z` and the like; no operator means `eq`."""
    operator, _, rest = text.partition(":")
    if operator not in _COMPARE:
        operator, rest = "eq", text
    try:
        limit = parse_rfc3339(rest)
    except ValueError as error:
        raise ApiError(400, f"invalid filter: {error}") from None
    compare = _COMPARE[operator]
    return lambda at: compare(at, limit)


def text_filter(text: str) -> Callable[[str], bool]:
    """Wildcard unless written `eq:`."""
    if text.startswith("eq:"):
        return lambda held: held == text[3:]
    pattern = f"*{text.lower()}*"
    return lambda held: fnmatch.fnmatchcase(held.lower(), pattern)
