"""Tolerant reading of the vendor's JSON: every documented conflict is settled here, once.

Must stay true: no float (money is Decimal from the text on), no field is required unless its reader says so,
unknown fields are ignored. Faults are `MalformedError`, whose text never holds a value of the reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

PAGING = ("pagecount", "pagesize", "rows")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_FROM = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973


class MalformedError(ValueError):
    """The reply is not what the operation documents, in no known variant."""


def load_json(content: bytes) -> object:
    """JSON bytes with Decimal for every number with a point or exponent. Raises MalformedError."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise MalformedError("the reply's JSON is nested too deeply") from None
    except ValueError as fault:
        if not content.strip():
            raise MalformedError("the reply is empty") from None
        where = f" at character {fault.pos}" if isinstance(fault, json.JSONDecodeError) else ""
        raise MalformedError(f"the reply is not JSON{where}") from None


class Fields:
    """One JSON object. Names match without regard to case; of several names the first with a value wins."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, Mapping):
            raise MalformedError(f"{what} is not a JSON object")
        self.what = what
        self._values: dict[str, Any] = {str(name).lower(): held for name, held in value.items()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def raw(self, *names: str) -> Any:
        for name in names:
            if (held := self._values.get(name.lower())) is not None:
                return held
        return None

    def text(self, *names: str) -> str:
        """Text as sent; a bare number becomes its digits; anything else is ""."""
        return as_text(self.raw(*names))

    def required(self, *names: str) -> str:
        if not (text := self.text(*names)):
            raise MalformedError(f"{self.what} lacks {names[0]}")
        return text

    def texts(self, *names: str) -> tuple[str, ...]:
        """A list of texts, or a single one; empty strings mean absent."""
        held = self.raw(*names)
        return tuple(text for text in map(as_text, held if isinstance(held, list) else [held]) if text)

    def money(self, *names: str) -> Decimal | None:
        """A number or a numeric text, exactly as sent."""
        held = self.raw(*names)
        if isinstance(held, bool) or not isinstance(held, int | str | Decimal):
            return None
        try:
            amount = Decimal(held)
        except InvalidOperation:
            return None
        return amount if amount.is_finite() else None

    def integer(self, *names: str) -> int | None:
        amount = self.money(*names)
        if amount is None or abs(amount.adjusted()) > 30 or amount != amount.to_integral_value():
            return None
        return int(amount)

    def flag(self, *names: str) -> bool | None:
        held = self.raw(*names)
        if isinstance(held, bool):
            return held
        return {"true": True, "yes": True, "false": False, "no": False}.get(as_text(held).lower())

    def objects(self, *names: str) -> list[Fields]:
        """The objects of a list (or the one object there); whatever else stands in it is left out."""
        held = self.raw(*names)
        found = held if isinstance(held, list) else [held]
        return [Fields(one, names[0]) for one in found if isinstance(one, Mapping)]


def as_text(value: object) -> str:
    """Text, or the digits of a number. An ICCID sent as a bare number keeps the digits it was sent with."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) < 40:
        return f"{value:f}".removesuffix(".0")
    return ""


def rows(payload: object, wrapper: str, identity: str) -> list[Fields]:
    """The objects of a list reply: `{wrapper: […]}`, a bare array, or one object that has `identity`.

    A wrapper whose list is null, or left out beside paging fields, is empty. Anything else raises
    MalformedError: "nothing there" is evidence and must not be read into a reply that does not say so.
    """
    if isinstance(payload, Mapping):
        held = {str(name).lower(): value for name, value in payload.items()}
        if identity.lower() in held:
            payload = [payload]
        elif wrapper.lower() in held or any(name in held for name in PAGING):
            inner = held.get(wrapper.lower())
            payload = [inner] if isinstance(inner, Mapping) else [] if inner is None else inner
    if not isinstance(payload, list):
        raise MalformedError(f"the reply holds no {wrapper}")
    return [Fields(one, f"an entry of {wrapper}") for one in payload]


def instant(value: object) -> datetime | None:
    """A point in time in UTC, to the microsecond: RFC 3339 with up to 9 digits, a date, or ms since 1970.

    Empty, 0, year 1 (an unset time in the vendor's Go) and unreadable values are None.
    """
    text = as_text(value)
    try:
        if text.isdecimal() and len(text) != 8:
            number = int(text)
            moment = _EPOCH + (
                timedelta(milliseconds=number) if number >= _MS_FROM else timedelta(seconds=number)
            )
            return moment if number else None
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year > 1 else None


def _no_constant(name: str) -> NoReturn:
    raise MalformedError(f"the reply holds {name}, which is not JSON")
