"""Switches, the control API, and what the log of requests tells."""

from __future__ import annotations

import threading

import pytest
import requests

from airflow_provider_esimgo.sandbox import PRESET_ICCIDS


def test_lists_as_bare_arrays_and_a_flat_organisation(serve):
    customer = serve(list_shape="array", organisation_shape="flat")
    customer.bought()
    for path in ("/orders", "/esims", "/catalogue", "/organisation/groups"):
        assert isinstance(customer.get(path).json(), list)
    assert customer.get("/organisation").json()["balance"] == 4998.64


def test_orders_oldest_first_with_the_older_date_field(serve):
    customer = serve(order_sort="oldest", date_field="createDate", date_digits=6, running_balance="number")
    first = customer.bought()
    customer.bought()
    shown = customer.orders()
    assert shown[0]["orderReference"] == first["orderReference"]
    assert "createdDate" not in shown[0]
    assert len(shown[0]["createDate"]) == len("2026-11-23T10:00:00.123456Z")
    assert shown[0]["runningBalance"] == 4998.64


@pytest.mark.parametrize("status", [400, 402, 403])
def test_a_low_balance_is_refused_with_the_status_of_choice(serve, status):
    customer = serve(balance="1.00", balance_error=status)
    assert customer.order().status_code == status
    assert customer.order(type="validate").status_code == status
    customer.server.set(validate_checks_balance=False)
    assert customer.order(type="validate").status_code == 200


def test_order_errors_as_plain_text(serve):
    reply = serve(order_error="text").order({"type": "bundle", "item": "nope", "quantity": 1})
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.text == "bundle not found: nope"


def test_a_bulk_guard_refuses_large_and_hasty_orders(serve):
    customer = serve(bulk_max_units=10, bulk_error=429)
    assert customer.order(customer.line(quantity=11)).status_code == 429
    customer.server.set(bulk_min_seconds=3, bulk_error=400)
    assert customer.order(customer.line(quantity=10)).status_code == 200
    assert customer.order().status_code == 400
    customer.server.advance(3)
    assert customer.order().status_code == 200


@pytest.mark.parametrize("result", ["completed", "failed"])
def test_large_orders_finish_later(serve, result):
    customer = serve(async_seconds=60, async_answer="processing", async_result=result)
    assert customer.bought(customer.line(quantity=5))["status"] == "completed"
    reply = customer.bought(customer.line(quantity=6))
    path = f"/orders/{reply['orderReference']}"
    assert reply["status"] == customer.get(path).json()["status"] == "processing"
    customer.server.advance(61)
    assert customer.get(path).json()["status"] == result


def test_async_threshold_off_tells_everything_at_once(serve):
    customer = serve(async_threshold=None)
    assert len(customer.bought(customer.line(quantity=10))["order"][0]["esims"]) == 10


def test_retry_after_as_a_date(serve):
    customer = serve(retry_after="date")
    customer.server.fault("rate_limited", retry_after=5)
    assert customer.order().headers["Retry-After"].endswith("GMT")


def test_states_in_title_case_and_addresses_with_a_scheme(serve):
    customer = serve(state_case="title", smdp_address="http", install_url="percent")
    iccid = customer.bought()["order"][0]["iccids"][0]
    assert customer.state_of(iccid) == "Queued"
    detail = customer.get(f"/esims/{iccid}", params={"additionalFields": "installUrl"}).json()
    assert detail["smdpAddress"].startswith("http://")
    assert "LPA%3A1%24" in detail["appleInstallUrl"]


@pytest.mark.parametrize(
    "switches", [{"no_such": 1}, {"csv_shape": "xml"}, {"refunds": "yes"}, {"async_seconds": None}]
)
def test_an_unknown_switch_or_value_is_refused(customer, switches):
    reply = customer.control("settings", **switches)
    assert reply.status_code == 400
    assert next(iter(switches)) in reply.json()["message"]


def test_a_switch_is_turned_over_http(customer):
    assert customer.control("settings", list_shape="array").json()["list_shape"] == "array"
    assert isinstance(customer.get("/orders").json(), list)


def test_a_colleague_buys_in_the_portal(customer):
    body = {
        "type": "transaction",
        "assign": True,
        "order": [customer.line(quantity=2)],
        "sourceIP": "192.0.2.9",
    }
    bought = customer.control("buy", **body).json()
    listed = customer.orders()[0]
    assert listed["orderReference"] == bought["orderReference"]
    assert listed["sourceIP"] == "192.0.2.9"
    assert customer.server.books()["orders"][0]["by"] == "portal"
    assert customer.server.books()["order_posts"] == []


def test_the_balance_is_set_and_accounted_for(customer):
    customer.control("balance", balance="12.34")
    books = customer.server.books()
    assert (books["balance"], books["adjustments"]) == ("12.34", "-4987.66")


def test_a_control_call_that_names_no_esims_is_refused(customer):
    assert customer.control("install").status_code == 400
    assert customer.control("advance", seconds="soon").status_code == 400
    assert customer.control("price", bundle="nope", price=1).status_code == 400


def test_installing_by_reference_touches_that_order_only(customer):
    first, second = customer.bought()["orderReference"], customer.bought()["orderReference"]
    assert len(customer.control("install", reference=first).json()["iccids"]) == 1
    status = {esim["reference"]: esim["profileStatus"] for esim in customer.server.books()["esims"]}
    assert (status[first], status[second]) == ("Installed", "Released")


def test_reset_starts_over_but_never_repeats_an_identifier(customer):
    before = customer.bought()
    customer.server.fault("drop_after")
    customer.control("settings", list_shape="array")
    customer.control("reset")
    assert customer.server.books()["orders"] == []
    assert customer.server.faults() == []
    after = customer.bought()
    assert after["orderReference"] != before["orderReference"]
    assert after["order"][0]["iccids"] != before["order"][0]["iccids"]
    assert customer.orders()[0]["runningBalance"] == "4998.64"


def test_a_seed_repeats_identifiers_and_another_does_not(serve):
    def sold(seed):
        reply = serve(seed=seed).bought()
        return reply["orderReference"], reply["order"][0]["esims"][0]

    assert sold(3) == sold(3)
    assert sold(3) != sold(4)


def test_the_log_counts_operations_without_their_ids(customer):
    reference = customer.bought()["orderReference"]
    customer.get(f"/orders/{reference}")
    customer.get(f"/esims/{PRESET_ICCIDS[0]}/bundles/{customer.GB}")
    customer.get(f"/esims/{PRESET_ICCIDS[0]}", version="v2.4")
    assert customer.server.books()["requests"] == {
        "POST /orders": 1,
        "GET /orders/{reference}": 1,
        "GET /esims/{iccid}/bundles/{name}": 1,
        "GET /esims/{iccid}": 1,
    }


def test_the_log_times_each_order_and_tells_overlaps(customer):
    customer.bought()
    customer.server.fault("drop_after")
    with pytest.raises(requests.ConnectionError):
        customer.order()
    books = customer.server.books()
    first, second = books["order_posts"]
    assert first["arrived"] <= first["finished"] <= second["arrived"] <= second["finished"]
    assert (first["status"], second["status"], second["faults"]) == (200, None, ("drop_after",))
    assert [post["reference"] for post in books["order_posts"]] == [
        one["reference"] for one in books["orders"]
    ]
    assert books["most_in_flight"] == 1


def test_two_orders_in_flight_are_noticed(customer):
    customer.server.fault("delay_before", seconds=3600)
    slow = threading.Thread(target=customer.order)
    slow.start()
    while not customer.server.books()["order_posts"]:
        pass
    type(customer)(customer.server).bought()
    customer.server.advance(3600)
    slow.join()
    assert customer.server.books()["most_in_flight"] == 2
