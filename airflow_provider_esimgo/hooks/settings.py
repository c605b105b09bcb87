"""What an `esimgo` connection says, checked as a whole: one wrong value and nothing is done with it.

Pure: takes the connection's parts, knows no Airflow. Extras may come as text, as a UI form stores them.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_esimgo.api import Timeout
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy

DEFAULT_HOST = "https://api.esim-go.com/v2.5"
#: A lease outlives the POST it covers by this many seconds.
_LEASE_MARGIN = 30.0


class SettingsError(ValueError):
    """The connection cannot be used as it is; says which connection, which part, and the cure."""


@dataclass(frozen=True)
class ConnectionSettings:
    """A checked `esimgo` connection."""

    conn_id: str
    base_url: str
    api_key: str
    policy: PurchasePolicy
    timeout: Timeout
    requests_per_second: float = 10.0
    currency: str | None = None

    @property
    def host(self) -> str:
        """Host and port, which with the organisation's name make the account."""
        return urlsplit(self.base_url).netloc

    @property
    def unencrypted(self) -> bool:
        """Whether others can read the key on its way: plain http to another machine."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "http" and not _is_loopback(parts.hostname or "")

    def __repr__(self) -> str:
        return f"ConnectionSettings(conn_id={self.conn_id!r}, base_url={self.base_url!r}, mode={self.policy.mode})"

    @classmethod
    def read(
        cls,
        conn_id: str,
        *,
        host: str | None,
        password: str | None,
        extra: Mapping[str, Any],
        port: int | None = None,
        schema: str | None = None,
    ) -> "ConnectionSettings":
        """Check the parts of a connection.

        Raises:
            SettingsError: one line that names the connection, the part and the cure.
        """

        def refuse(what: str) -> SettingsError:
            return SettingsError(f"Connection {conn_id!r}: {what}")

        if not password or not password.strip():
            raise refuse("the API key is missing. Put it into the connection's password.")
        given = {key: value for key, value in extra.items() if value not in (None, "")}
        for key in given:
            if key not in _EXTRAS:
                close = difflib.get_close_matches(key, _EXTRAS, n=1)
                hint = (
                    f" Did you mean {close[0]!r}?" if close else f" It knows: {', '.join(sorted(_EXTRAS))}."
                )
                raise refuse(f"its extra has an unknown field {key!r}.{hint}")
        values: dict[str, Any] = {}
        for key, value in given.items():
            try:
                values[key] = _EXTRAS[key](value)
            except (ValueError, InvalidOperation, TypeError):
                raise refuse(f"extra field {key!r} cannot be {value!r}: {_EXPECTED[_EXTRAS[key]]}.") from None
        timeout = Timeout(read=values.get("timeout", 60.0))
        policy_fields = {key: values[key] for key in _POLICY_FIELDS if key in values}
        try:
            policy = PurchasePolicy(
                lease_seconds=timeout.connect + timeout.read + _LEASE_MARGIN, **policy_fields
            )
        except ValueError as error:
            raise refuse(f"{error}.") from None
        return cls(
            conn_id=conn_id,
            base_url=_base_url(host, port, schema, refuse),
            api_key=password.strip(),
            policy=policy,
            timeout=timeout,
            requests_per_second=values.get("requests_per_second", 10.0),
            currency=values.get("currency"),
        )


def _base_url(
    host: str | None, port: int | None, schema: str | None, refuse: Callable[[str], SettingsError]
) -> str:
    text = (host or DEFAULT_HOST).strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        address = parts.hostname if parts.scheme in ("http", "https") else None
        own_port = parts.port
    except ValueError:  # a port that is no number, brackets that do not close
        address = None
    if not address or any(character.isspace() for character in text):
        raise refuse(f"host {host!r} is no address. Give it like {DEFAULT_HOST}")
    if "@" in parts.netloc:
        raise refuse("host holds a user name. Take it out: the API key goes into the connection's password.")
    netloc = parts.netloc if own_port or not port else f"{parts.netloc}:{port}"
    path = parts.path.rstrip("/") or (f"/{schema.strip('/')}" if schema else "/v2.5")
    return f"{parts.scheme}://{netloc}{path}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _not_negative(value: Any) -> float:
    return 0.0 if float(value) == 0 else _positive(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value) or int(value) < 1:
        raise ValueError
    return int(value)


def _money(value: Any) -> Decimal:
    amount = Decimal(str(value).strip())
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ValueError
    return amount


def _mode(value: Any) -> Mode:
    return Mode(str(value).strip().lower())


def _currency(value: Any) -> str:
    text = str(value).strip().upper()
    if len(text) != 3 or not text.isalpha():
        raise ValueError
    return text


def _text(value: Any) -> str:
    return str(value).strip()


_EXPECTED: dict[Callable[[Any], Any], str] = {
    _positive: "it takes a number above 0",
    _not_negative: "it takes a number, 0 or more",
    _count: "it takes a whole number, 1 or more",
    _money: 'it takes an amount such as "250.00"',
    _mode: "it takes read, validate or transact",
    _currency: "it takes three letters such as USD",
    _text: "it takes text",
}

_EXTRAS: dict[str, Callable[[Any], Any]] = {
    "mode": _mode,
    "max_order_total": _money,
    "max_daily_total": _money,
    "currency": _currency,
    "profile_id": _text,
    "timeout": _positive,
    "requests_per_second": _positive,
    "max_units_per_order": _count,
    "seconds_between_orders": _not_negative,
    "settle_seconds": _not_negative,
    "callback_secret": _text,
}

_POLICY_FIELDS = (
    "mode",
    "max_order_total",
    "max_daily_total",
    "max_units_per_order",
    "seconds_between_orders",
    "settle_seconds",
    "profile_id",
)
