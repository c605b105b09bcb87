"""The fault script: which request meets which misfortune.

Every rule that matches a request and is due fires, so that two rules can hit the same request.
Invariant: a rule fires at most `times` times, decided under the script's own count and seed, so that runs repeat.
"""

from __future__ import annotations

import dataclasses
import random
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# kind: its parameters and their defaults
KINDS: dict[str, dict[str, Any]] = {
    # the connection
    "drop_before": {"how": "reset"},
    "drop_after": {"how": "reset"},
    "late_effect": {"seconds": 5.0, "how": "reset"},
    "refuse": {"seconds": 1.0},
    "delay_before": {"seconds": 5.0},
    "delay_after": {"seconds": 5.0},
    # the answer
    "status_before": {"status": 503, "message": "Internal Server Error", "retry_after": None},
    "status_after": {"status": 503, "message": "Internal Server Error", "retry_after": None},
    "rate_limited": {"retry_after": 1},
    "redirect": {"status": 307, "location": "", "when": "before"},
    "broken_json": {},
    "empty_body": {},
    "empty_list": {},
    "missing_reference": {},
    "wrong_total": {"by": "0.01"},
    # the order itself
    "fewer_esims": {"missing": 1, "charge": "full"},
    "late_esims": {"seconds": 5.0, "answer": "503", "iccids": False},
    "late_visible": {"seconds": 5.0},
    "failed": {"seconds": 0.0, "charge": ""},
    "reassign": {},
    "duplicate": {},
    "twin": {"source_ip": "203.0.113.77", "when": "after"},
}
_WORDS: dict[str, tuple[object, ...]] = {
    "how": ("reset", "close"),
    "when": ("before", "after"),
    "answer": ("503", "processing"),
    "charge": ("", "none", "refund", "kept", "full", "issued"),
}
ORDERS_PATH = "^/orders$"


@dataclass(frozen=True)
class FaultRule:
    """`nth`: from which matching request on (1 is the first); `times` None: for ever."""

    kind: str
    method: str = "POST"
    path: str = ORDERS_PATH
    order_type: str = ""
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return {**KINDS[self.kind], **self.params}[name]

    def as_dict(self) -> dict[str, Any]:
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "params"}
        return {**own, **KINDS[self.kind], **self.params}


def read_rule(fields: Mapping[str, Any]) -> FaultRule:
    """A rule from JSON, its parameters beside its match; ValueError names what is wrong."""
    kind = fields.get("kind")
    if kind not in KINDS:
        raise ValueError(f"no such fault: {kind}; there are {', '.join(KINDS)}")
    own = {one.name for one in dataclasses.fields(FaultRule)} - {"params"}
    given = {**fields, **(fields.get("params") or {})}
    given.pop("params", None)
    params = {name: value for name, value in given.items() if name not in own}
    for name, value in params.items():
        if name not in KINDS[kind]:
            raise ValueError(f"{kind} has no parameter {name}; it has {', '.join(KINDS[kind]) or 'none'}")
        if not _fits(KINDS[kind][name], value):
            raise ValueError(f"{name} cannot be {value!r}")
        if name in _WORDS and value not in _WORDS[name]:
            raise ValueError(f"{name} is one of {', '.join(map(str, _WORDS[name]))}, not {value!r}")
    match = {name: value for name, value in given.items() if name in own}
    if "path" in match:
        match.setdefault("method", "")
        try:
            re.compile(match["path"])
        except re.error as error:
            raise ValueError(f"path {match['path']}: {error}") from None
    elif match.get("method", "POST") == "POST":
        match.setdefault("order_type", "transaction")
    else:
        match["path"] = ""
    return FaultRule(**match, params=params)


def _fits(default: object, value: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return not isinstance(default, int | float) or isinstance(value, int | float)


@dataclass
class _Counted:
    rule: FaultRule
    seen: int = 0
    fired: list[int] = field(default_factory=list)  # numbers of the requests it hit


class FaultScript:
    def __init__(self, rules: Iterable[FaultRule] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.replace(rules)

    def replace(self, rules: Iterable[FaultRule]) -> None:
        with self._lock:
            self._random = random.Random(self._seed)  # noqa: S311  misfortune, not cryptography
            self._rules = [_Counted(rule) for rule in rules]

    def append(self, rules: Iterable[FaultRule]) -> None:
        with self._lock:
            self._rules.extend(_Counted(rule) for rule in rules)

    def due(self, method: str, path: str, order_type: str, request_number: int) -> list[FaultRule]:
        """The rules that fire for this request; they are counted as fired."""
        firing = []
        with self._lock:
            for counted in self._rules:
                rule = counted.rule
                if rule.method and rule.method.upper() != method:
                    continue
                if not re.search(rule.path, path) or (rule.order_type and rule.order_type != order_type):
                    continue
                counted.seen += 1
                if counted.seen < rule.nth or (rule.times is not None and len(counted.fired) >= rule.times):
                    continue
                if rule.probability < 1 and self._random.random() >= rule.probability:
                    continue
                counted.fired.append(request_number)
                firing.append(rule)
        return firing

    def report(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {**one.rule.as_dict(), "seen": one.seen, "fired": len(one.fired), "requests": list(one.fired)}
                for one in self._rules
            ]
