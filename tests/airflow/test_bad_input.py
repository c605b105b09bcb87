"""What goes wrong reaches Airflow as one message: what happened, to which connection, and the cure.

A retry is left to Airflow only where it can help; nothing of pandas, requests or SQLAlchemy is chained to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow_lab.desk import GB, HEADER, NL, Desk, bought_units

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException

FINAL, RETRIED = True, False


def refusal(act: Callable[[], Any], *, final: bool) -> str:
    """The message of the exception; that it is a clean one and of the right kind is checked."""
    with pytest.raises(AirflowException) as refused:
        act()
    error = refused.value
    assert isinstance(error, AirflowFailException) is final, error
    assert error.__cause__ is None
    assert error.__suppress_context__
    return str(error)


def one_line(act: Callable[[], Any], *, final: bool) -> str:
    told = refusal(act, final=final)
    assert "\n" not in told
    return told


# the manifest


def test_no_such_manifest(desk: Desk):
    told = one_line(lambda: desk.validate("/nowhere/acme.csv"), final=FINAL)
    assert "There is no manifest at /nowhere/acme.csv. Nothing was sent." in told


def test_a_folder_as_manifest(desk: Desk):
    told = one_line(lambda: desk.validate(str(desk.folder)), final=FINAL)
    assert f"{desk.folder} is a folder. Nothing was sent. Name the CSV file inside it." in told


@pytest.mark.parametrize("url", ["gs://bucket/acme.csv", "nosuch://bucket/acme.csv"])
def test_a_store_that_airflow_does_not_know(desk: Desk, url: str):
    told = one_line(lambda: desk.validate(url), final=FINAL)
    assert f"{url!r} cannot be opened" in told
    assert "Install Airflow's provider of that store" in told


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"name,colour\nana,red\n", "recipient_ref"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", ""),
        ("recipient_ref,bundle\nana,x\n".encode("utf-16"), ""),
        (HEADER.encode(), ""),
        (b'recipient_ref,bundle\n"ana,x\n', ""),
        (b"recipient_ref,bundle\nana,b,c,d,e\n", "2"),
    ],
    ids=["nothing", "blank", "wrong header", "picture", "utf-16", "header only", "open quote", "ragged"],
)
def test_a_file_that_is_no_manifest(desk: Desk, content: bytes, fault: str):
    file = desk.folder / "odd.csv"
    file.write_bytes(content)
    told = refusal(lambda: desk.validate(str(file)), final=FINAL)
    assert told.startswith("odd.csv: ")
    assert "Nothing was bought" in told
    assert fault in told
    assert "Traceback" not in told
    assert "pandas" not in told.lower()


def test_all_faulty_rows_are_told_at_once(desk: Desk):
    manifest = desk.manifest(f"ana,{GB.upper()}", "bo,esim_none", f"cy,{GB},0", f"di,{GB},1,8.94E+18")
    told = refusal(lambda: desk.validate(manifest), final=FINAL)
    assert told.startswith("clients.csv: 4 errors")
    assert all(value in told for value in (GB.upper(), "esim_none", "'0'", "8.94E+18", GB))
    assert not desk.sandbox.orders()


def test_a_fault_in_a_name_does_not_put_the_person_into_the_log(desk: Desk):
    manifest = desk.manifest(f"ana,{GB},,,,=HYPERLINK(Ada Whitfield),+ada@acme.example")
    told = refusal(lambda: desk.validate(manifest), final=FINAL)
    assert not any(secret in told for secret in ("Whitfield", "ada@acme"))


def test_another_file_under_the_same_batch_id(desk: Desk):
    desk.bought()
    told = one_line(lambda: desk.validate(desk.manifest(f"ana,{GB},3")), final=FINAL)
    assert "Batch 'batch' is already planned" in told


def test_the_same_file_under_another_batch_id(desk: Desk):
    desk.bought()
    told = one_line(lambda: desk.validate(batch_id="other"), final=FINAL)
    assert "already planned as batch 'batch'" in told
    assert "'other'" in told


# money


def test_a_plan_above_its_limit(desk: Desk):
    told = one_line(lambda: desk.validate(max_total="4.13"), final=FINAL)
    assert "4.14" in told
    assert "4.13" in told


@pytest.mark.parametrize("limit", ["lots", "NaN", "-1", "1,5"])
def test_a_limit_that_is_no_amount(desk: Desk, limit: str):
    told = one_line(lambda: desk.validate(max_total=limit), final=FINAL)
    assert f"max_total cannot be {limit!r}. Nothing was sent." in told


@pytest.mark.parametrize("none", [None, "", "None"])
def test_a_limit_that_renders_to_nothing_is_none(desk: Desk, none: str | None):
    assert desk.validate(max_total=none)["total"] == "4.14"


def test_a_balance_that_is_too_small(desk: Desk):
    desk.sandbox.set_balance("1.00")
    told = one_line(desk.validate, final=FINAL)
    assert "1.00" in told


# the connection


@pytest.mark.parametrize(
    ("mode", "act", "needed"),
    [("read", "validate", "validate"), ("read", "place", "transact"), ("validate", "place", "transact")],
)
def test_a_mode_that_is_too_low(desk: Desk, mode: str, act: str, needed: str):
    desk.validate()
    desk.connect(mode=mode)
    told = one_line(getattr(desk, act), final=FINAL)
    assert f"The connection's mode is '{mode}'" in told
    assert f'Set "mode": "{needed}" in the extra of the connection' in told
    assert "'esimgo_default'" in told
    assert not desk.sandbox.orders()


def test_a_mode_that_only_reads_can_still_export_and_wait(desk: Desk):
    desk.bought()
    desk.connect(mode="read")
    assert desk.export()["units"] == 3
    assert desk.sensor(milestone="assigned").execute({}) is None


@pytest.mark.parametrize("act", ["validate", "place", "export"])
def test_a_wrong_key(desk: Desk, act: str):
    desk.bought()
    desk.connect(password="wrong-key-of-somebody")
    told = one_line(getattr(desk, act), final=FINAL)
    assert "'esimgo_default'" in told
    assert "wrong-key-of-somebody" not in told


@pytest.mark.parametrize("act", ["validate", "place", "export"])
def test_nobody_listens(desk: Desk, act: str, instant_retries: None):
    desk.bought()
    with desk.sandbox.refusing():
        told = one_line(getattr(desk, act), final=RETRIED)
    assert "'esimgo_default'" in told


def test_a_host_that_does_not_exist(desk: Desk, instant_retries: None):
    desk.connect(host="https://esim.invalid/v2.5")
    told = one_line(desk.validate, final=RETRIED)
    assert "Check host, DNS" in told
    assert "'esimgo_default'" in told


def test_no_such_connection(desk: Desk):
    told = one_line(lambda: desk.validate(esimgo_conn_id="nobody"), final=FINAL)
    assert told.startswith("There is no connection 'nobody'. Nothing was sent.")
    assert "Admin > Connections" in told


def test_a_connection_with_a_slip(desk: Desk):
    desk.connect(max_order_totals="5")
    told = one_line(desk.validate, final=FINAL)
    assert "Connection 'esimgo_default'" in told
    assert "Did you mean 'max_order_total'?" in told


# the batch


@pytest.mark.parametrize("act", ["place", "export"])
def test_an_unknown_batch(desk: Desk, act: str):
    told = one_line(lambda: getattr(desk, act)("nothing"), final=FINAL)
    assert "'nothing'" in told


def test_export_before_place(desk: Desk):
    desk.validate()
    told = one_line(desk.export, final=FINAL)
    assert "3 of the 3 units of batch 'batch' have no eSIM yet" in told
    assert not desk.kits.exists()


def test_export_with_another_manifest(desk: Desk):
    desk.bought()
    other = desk.manifest(f"ana,{NL},1", name="other.csv")
    told = one_line(lambda: desk.export(manifest=other), final=FINAL)
    assert "'other.csv' is not the one" in told


def test_a_destination_that_cannot_be_written(desk: Desk):
    desk.bought()
    (desk.folder / "file").write_text("")
    told = one_line(lambda: desk.export(destination=str(desk.folder / "file")), final=RETRIED)
    assert "cannot be written" in told
    assert "Nothing was bought and nothing is lost" in told


def test_a_destination_in_an_unknown_store(desk: Desk):
    desk.bought()
    assert "cannot be opened" in one_line(lambda: desk.export(destination="nosuch://kits"), final=FINAL)


def test_details_that_are_not_there_yet_are_waited_for_and_never_taken_short(
    desk: Desk, instant_retries: None
):
    desk.bought()
    desk.sandbox.set(ready_seconds=3600, ready_answer="empty_list")
    told = one_line(desk.export, final=RETRIED)
    assert "install details" in told
    assert not desk.kits.exists()


# while buying


def test_a_price_that_rose_since_the_plan(desk: Desk):
    desk.validate()
    desk.sandbox.set_price(GB, "9.99")
    told = one_line(desk.place, final=FINAL)
    assert "was planned at 4.14" in told
    assert not bought_units(desk.sandbox)


def test_an_order_that_the_vendor_refuses(desk: Desk):
    desk.validate()
    desk.sandbox.fault("status_before", status=400, message="bundle not available")
    told = one_line(desk.place, final=FINAL)
    assert "The vendor refused order 1 of batch 'batch'" in told
    assert not bought_units(desk.sandbox)


def test_an_order_for_a_person(desk: Desk):
    desk.connect(settle_seconds=0)
    desk.validate()
    desk.sandbox.fault("fewer_esims")
    told = one_line(desk.place, final=FINAL)
    assert "waits for a person" in told
    assert "airflow esimgo orders resolve" in told


def test_a_ledger_that_cannot_be_opened_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.validate()
    (desk.folder / "file").write_text("")
    monkeypatch.setenv("AIRFLOW__ESIMGO__LEDGER_URL", f"sqlite:///{desk.folder / 'file' / 'ledger.db'}")
    told = one_line(desk.place, final=RETRIED)
    assert "ledger" in told
    assert not bought_units(desk.sandbox)


def test_a_ledger_that_is_no_database_sends_nothing(desk: Desk):
    desk.validate()
    Path(desk.folder / "ledger.db").write_bytes(b"something else" * 1000)
    assert "The ledger at" in one_line(desk.place, final=RETRIED)
    assert not bought_units(desk.sandbox)
