"""Switches: where the vendor's documents disagree or are silent, one reading is the default and the others are here.

Named after section 8 of the API reference. Invariant: an unknown switch or value is refused, never ignored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CHOICES: dict[str, tuple[object, ...]] = {
    "list_shape": ("wrapper", "array"),
    "organisation_shape": ("wrapped", "flat"),
    "key_error": ("access denied", "forbidden", "401 text"),
    "order_error": ("json", "text"),
    "balance_error": (400, 402, 403),
    "order_sort": ("newest", "oldest"),
    "date_field": ("createdDate", "createDate"),
    "date_digits": (9, 6, 3),
    "running_balance": ("string", "number"),
    "csv_shape": ("plain5", "quoted4"),
    "zip_shape": ("plain", "names", "nested", "missing_png", "extra_png", "swapped_png", "broken_png"),
    "json_shape": ("auto", "array"),
    "json_fields": ("esim", "assignment"),
    "ready_answer": ("503", "500", "empty", "empty_list", "short"),
    "async_answer": ("503", "processing"),
    "async_result": ("completed", "failed"),
    "failed_charge": ("none", "refund", "kept"),
    "bulk_error": (429, 400, 500),
    "retry_after": ("seconds", "date"),
    "state_case": ("lower", "title"),
    "install_url": ("plain", "percent"),
    "smdp_address": ("bare", "http", "space", "dollar"),
}


@dataclass(frozen=True)
class Settings:
    list_shape: str = "wrapper"
    organisation_shape: str = "wrapped"
    key_error: str = "access denied"
    order_error: str = "json"  # "text": POST /orders answers its errors as text/plain
    balance_error: int = 400
    order_sort: str = "newest"
    date_field: str = "createdDate"
    date_digits: int = 9
    running_balance: str = "string"
    iccids_always: bool = False  # GET /orders shows eSIMs without includeIccids
    csv_shape: str = "plain5"
    zip_shape: str = "plain"
    json_shape: str = "auto"  # one eSIM an object, several an array
    json_fields: str = "esim"  # "assignment": rspUrl, bundle, reference
    assignments_alias: bool = False  # GET /esims/assignments/{reference}
    ready_seconds: float = 0  # install details are ready this long after the order
    ready_answer: str = "503"
    processing_seconds: float = 0  # bundles stay `processing` this long
    async_threshold: int | None = 5  # more bundles than this: the reply has no `esims`; None: never
    async_seconds: float = 0  # such an order is complete this long after
    async_answer: str = "503"
    async_result: str = "completed"
    in_progress: str = "processing"  # the undocumented status
    failed_charge: str = "none"
    bulk_max_units: int | None = None  # refuse larger orders
    bulk_min_seconds: float = 0  # refuse orders closer together
    bulk_error: int = 429
    rate_limit: int | None = 10  # tokens a second and address; None: off
    rate_costs: dict[str, int] = field(default_factory=dict)  # "GET /catalogue": 5
    retry_after: str = "seconds"
    validate_checks_balance: bool = True
    state_case: str = "lower"
    refunds: bool = True  # the refund feature the account manager enables
    prices: bool = True  # a Consumption partner: GET /catalogue/prices
    install_url: str = "plain"
    smdp_address: str = "bare"
    auto_lifecycle: float | None = None  # eSIMs install and bundles go active this long after purchase

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """These settings with `values` in them; ValueError names what is wrong."""
        known = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no such switch: {name}; there are {', '.join(sorted(known))}")
            choices = _CHOICES.get(name)
            if choices is not None and value not in choices:
                raise ValueError(f"{name} is one of {', '.join(map(str, choices))}, not {value!r}")
            if not _fits(name, getattr(_DEFAULTS, name), value):
                raise ValueError(f"{name} cannot be {value!r}")
        return dataclasses.replace(self, **dict(values))


_DEFAULTS = Settings()
_MAY_BE_NONE = {"async_threshold", "bulk_max_units", "rate_limit", "auto_lifecycle"}


def _fits(name: str, default: object, value: object) -> bool:
    if value is None:
        return name in _MAY_BE_NONE
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, str | dict):
        return isinstance(value, type(default))
    return isinstance(value, int | float)
