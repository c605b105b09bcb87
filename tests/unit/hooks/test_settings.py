"""The connection's parts become settings, or one line that names the connection, the part and the cure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_esimgo.hooks.settings import ConnectionSettings, SettingsError
from airflow_provider_esimgo.ledger.policy import Mode

KEY = "key-that-nobody-may-see"


def read(*, host: str | None = None, password: str | None = KEY, **extra: Any) -> ConnectionSettings:
    parts = {name: extra.pop(name) for name in ("port", "schema") if name in extra}
    return ConnectionSettings.read("acme", host=host, password=password, extra=extra, **parts)


def refusal(**parts: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        read(**parts)
    told = str(refused.value)
    assert "\n" not in told
    assert told.startswith("Connection 'acme': ")
    assert KEY not in told
    return told


def test_a_connection_without_a_mode_may_not_buy():
    assert read().policy.mode is Mode.VALIDATE


def test_what_is_not_given_is_as_the_vendor_advises():
    settings = read()
    policy = settings.policy
    assert settings.base_url == "https://api.esim-go.com/v2.5"
    assert (settings.timeout.read, settings.requests_per_second, settings.currency) == (60, 10, None)
    assert (policy.max_units_per_order, policy.seconds_between_orders, policy.settle_seconds) == (10, 3, 600)
    assert (policy.max_order_total, policy.max_daily_total, policy.profile_id) == (None, None, None)


def test_every_field_is_read_as_a_form_stores_it():
    settings = read(
        mode=" Transact ",
        max_order_total="250.00",
        max_daily_total=" 1000 ",
        currency="usd",
        profile_id=" 5f0c1b52 ",
        timeout="30",
        requests_per_second="2.5",
        max_units_per_order="5",
        seconds_between_orders="0",
        settle_seconds="1.5",
        callback_secret="hush",
    )
    policy = settings.policy
    assert policy.mode is Mode.TRANSACT
    assert (policy.max_order_total, policy.max_daily_total) == (Decimal("250.00"), Decimal(1000))
    assert (settings.currency, policy.profile_id) == ("USD", "5f0c1b52")
    assert (settings.timeout.read, settings.requests_per_second) == (30, 2.5)
    assert (policy.max_units_per_order, policy.seconds_between_orders, policy.settle_seconds) == (5, 0, 1.5)


def test_numbers_may_be_numbers():
    settings = read(max_order_total=250, timeout=30, max_units_per_order=5)
    assert settings.policy.max_order_total == Decimal(250)
    assert settings.policy.max_units_per_order == 5


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_field_of_the_form_is_one_not_given(empty: str | None):
    assert read(mode=empty, max_order_total=empty, timeout=empty) == read()


def test_money_is_never_a_float():
    assert read(max_order_total=0.1).policy.max_order_total == Decimal("0.1")


def test_a_lease_outlives_the_longest_post():
    assert read(timeout=300).policy.lease_seconds > 310


@pytest.mark.parametrize(
    ("field", "value", "cure"),
    [
        ("mode", "buy", "it takes read, validate or transact"),
        ("max_order_total", "lots", 'it takes an amount such as "250.00"'),
        ("max_order_total", "-1", "it takes an amount"),
        ("max_daily_total", "NaN", "it takes an amount"),
        ("max_daily_total", "Infinity", "it takes an amount"),
        ("max_daily_total", True, "it takes an amount"),
        ("currency", "dollars", "it takes three letters"),
        ("timeout", "0", "it takes a number above 0"),
        ("timeout", "soon", "it takes a number above 0"),
        ("timeout", "inf", "it takes a number above 0"),
        ("requests_per_second", "-1", "it takes a number above 0"),
        ("max_units_per_order", "0", "it takes a whole number"),
        ("max_units_per_order", "2.5", "it takes a whole number"),
        ("max_units_per_order", [10], "it takes a whole number"),
        ("seconds_between_orders", "-3", "it takes a number, 0 or more"),
        ("settle_seconds", "nan", "it takes a number, 0 or more"),
        ("settle_seconds", {}, "it takes a number, 0 or more"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(field: str, value: Any, cure: str):
    told = refusal(**{field: value})
    assert f"extra field {field!r} cannot be {value!r}" in told
    assert cure in told


@pytest.mark.parametrize(
    ("field", "meant"),
    [("max_order_totals", "max_order_total"), ("Mode", "mode"), ("settle_second", "settle_seconds")],
)
def test_an_unknown_field_is_refused_with_the_one_that_was_meant(field: str, meant: str):
    assert f"unknown field {field!r}. Did you mean {meant!r}?" in refusal(**{field: "1"})


def test_an_unknown_field_like_no_other_is_refused_with_all_that_are_known():
    told = refusal(zzz="1")
    assert "unknown field 'zzz'. It knows: callback_secret, currency, " in told


@pytest.mark.parametrize("password", [None, "", "  "])
def test_a_missing_key_is_told_with_where_it_goes(password: str | None):
    assert "API key is missing. Put it into the connection's password" in refusal(password=password)


def test_spaces_around_a_pasted_key_are_not_part_of_it():
    assert read(password=f" {KEY}\n").api_key == KEY


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({}, "https://api.esim-go.com/v2.5"),
        ({"host": "api.esim-go.com"}, "https://api.esim-go.com/v2.5"),
        ({"host": "https://api.esim-go.com/v2.4/"}, "https://api.esim-go.com/v2.4"),
        ({"host": "proxy.example", "port": 8443}, "https://proxy.example:8443/v2.5"),
        ({"host": "proxy.example:8443", "port": 1}, "https://proxy.example:8443/v2.5"),
        ({"host": "proxy.example", "schema": "esim/v2.5"}, "https://proxy.example/esim/v2.5"),
        ({"host": "http://127.0.0.1:4010/v2.5"}, "http://127.0.0.1:4010/v2.5"),
        ({"host": " https://api.esim-go.com "}, "https://api.esim-go.com/v2.5"),
    ],
)
def test_the_host_may_be_written_in_many_ways(parts: dict[str, Any], url: str):
    assert read(**parts).base_url == url


@pytest.mark.parametrize(
    "host", ["ftp://api.esim-go.com", "https://", "https:///v2.5", "https://[::1", "api esim"]
)
def test_what_is_no_address_is_refused_with_one_that_is(host: str):
    assert f"host {host!r} is no address. Give it like https://api.esim-go.com/v2.5" in refusal(host=host)


@pytest.mark.parametrize("port", ["https://proxy.example:port", "https://proxy.example:99999"])
def test_a_port_that_is_none_is_no_address_either(port: str):
    assert "is no address" in refusal(host=port)


def test_the_account_is_told_apart_by_host_and_port():
    assert read(host="http://127.0.0.1:4010").host == "127.0.0.1:4010"


def test_settings_in_a_log_show_no_key():
    assert KEY not in repr(read(callback_secret="hush"))
    assert "hush" not in repr(read(callback_secret="hush"))


def test_a_key_in_the_host_is_refused_and_not_repeated():
    assert "host holds a user name" in refusal(host=f"https://{KEY}@api.esim-go.com")
