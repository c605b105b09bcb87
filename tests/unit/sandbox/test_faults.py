"""Faults: each kind does what its name says to the client, and to the books."""

from __future__ import annotations

import socket
from decimal import Decimal

import pytest
import requests
from urllib3.util import Retry

from airflow_provider_esimgo.sandbox import PRESET_ICCIDS


def purchases(customer):
    return customer.server.orders()


def test_a_connection_dropped_before_the_effect_buys_nothing(customer):
    customer.server.fault("drop_before")
    with pytest.raises(requests.ConnectionError):
        customer.order()
    assert purchases(customer) == []
    assert customer.order().status_code == 200


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_dropped_after_the_effect_has_bought(customer, how):
    customer.server.fault("drop_after", how=how)
    with pytest.raises(requests.ConnectionError):
        customer.order()
    assert len(purchases(customer)) == 1
    assert customer.orders()[0]["total"] == 1.36
    assert customer.server.books()["balance"] == "4998.64"


def test_a_reset_is_a_real_reset(customer):
    customer.server.fault("drop_after", how="reset")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        customer.order()


def test_an_order_takes_effect_after_its_connection_died(customer):
    customer.server.fault("late_effect", seconds=30)
    with pytest.raises(requests.ConnectionError):
        customer.order()
    assert purchases(customer) == []
    assert customer.server.books()["balance"] == "5000.00"
    customer.server.advance(31)
    assert len(purchases(customer)) == 1
    assert customer.server.books()["balance"] == "4998.64"
    assert len(customer.orders()) == 1


def test_refused_connections_are_refused_by_the_kernel(customer):
    host, port = "127.0.0.1", int(customer.server.root_url.rpartition(":")[2])
    with customer.server.refusing():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), timeout=5)
        with pytest.raises(requests.ConnectionError, match="refused"):
            customer.order()
    assert customer.order().status_code == 200


def test_a_scripted_refusal_ends_by_the_clock(customer):
    customer.server.fault("refuse", seconds=3600)
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            customer.order()
    assert purchases(customer) == []
    customer.server.advance(3601)
    session = requests.Session()
    patience = Retry(connect=40, backoff_factor=0.01, backoff_max=0.25)  # it listens again on its own loop
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=patience))
    assert session.get(customer.server.root_url, timeout=10).ok
    assert customer.order().status_code == 200


def test_an_answer_can_come_later_than_the_client_waits(customer):
    customer.server.fault("delay_after", seconds=3600)
    with pytest.raises(requests.ReadTimeout):
        customer.order(options={"timeout": 0.1})
    assert len(purchases(customer)) == 1


def test_an_effect_can_come_after_the_client_gave_up(customer):
    customer.server.fault("delay_before", seconds=3600)
    with pytest.raises(requests.ReadTimeout):
        customer.order(options={"timeout": 0.1})
    assert purchases(customer) == []
    customer.server.advance(3601)
    while not purchases(customer):  # the woken request runs on the server's own thread
        assert customer.get("/organisation").ok
    assert customer.orders()[0]["total"] == 1.36


def test_a_short_delay_only_delays(customer):
    customer.server.fault("delay_before", seconds=0.05)
    customer.server.fault("delay_after", seconds=0.05)
    assert customer.order().status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("kind", "bought"), [("status_before", 0), ("status_after", 1)])
def test_5xx_before_and_after_the_effect(customer, status, kind, bought):
    customer.server.fault(kind, status=status, retry_after=7)
    reply = customer.order()
    assert reply.status_code == status
    assert reply.headers["Retry-After"] == "7"
    assert len(purchases(customer)) == bought


def test_429_has_no_effect(customer):
    customer.server.fault("rate_limited")
    reply = customer.order()
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "1")
    assert purchases(customer) == []


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (307, "POST")])
def test_a_redirect_on_post(customer, status, method):
    customer.server.fault("redirect", status=status)
    reply = customer.order(options={"allow_redirects": False})
    assert (reply.status_code, reply.headers["Location"]) == (status, "/v2.5/orders")
    assert purchases(customer) == []
    customer.server.fault("redirect", status=status)
    assert customer.order().request.method == method


def test_a_redirect_after_the_effect_buys_twice_when_followed(customer):
    customer.server.fault("redirect", status=307, when="after")
    assert customer.order().status_code == 200
    assert len(purchases(customer)) == 2


def test_broken_json_and_an_empty_body_are_still_purchases(customer):
    for kind in ("broken_json", "empty_body"):
        customer.server.fault(kind)
        reply = customer.order()
        assert reply.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            reply.json()
    assert len(purchases(customer)) == 2


def test_a_reply_without_its_reference(customer):
    customer.server.fault("missing_reference")
    assert "orderReference" not in customer.bought()
    assert len(purchases(customer)) == 1


def test_a_reply_with_a_wrong_total(customer):
    customer.server.fault("wrong_total", by="0.05")
    assert Decimal(str(customer.bought()["total"])) == Decimal("1.41")
    assert customer.orders()[0]["total"] == 1.36


def test_fewer_esims_than_asked(customer):
    customer.server.fault("fewer_esims", missing=2)
    reply = customer.bought(customer.line(quantity=3))
    assert reply["order"][0]["quantity"] == 3
    assert len(reply["order"][0]["iccids"]) == 1
    assert customer.server.books()["charges"] == "4.08"
    customer.server.fault("fewer_esims", charge="issued")
    customer.bought(customer.line(quantity=3))
    assert customer.server.books()["charges"] == "6.80"


@pytest.mark.parametrize("answer", ["503", "processing"])
def test_esims_that_come_later(customer, answer):
    customer.server.fault("late_esims", seconds=60, answer=answer)
    reply = customer.bought()
    path = f"/orders/{reply['orderReference']}"
    assert not {"esims", "iccids"} & set(reply["order"][0])
    early = customer.get(path)
    if answer == "503":
        assert early.status_code == 503
        assert 0 < int(early.headers["Retry-After"]) <= 60
    else:
        assert early.json()["status"] == "processing"
        assert "esims" not in early.json()["order"][0]
    assert customer.assignments(reply["orderReference"]).status_code == 503
    assert customer.orders(includeIccids="true")[0]["status"] == "processing"
    customer.server.advance(61)
    late = customer.get(path).json()
    assert late["status"] == "completed"
    assert len(late["order"][0]["esims"]) == 1


def test_an_order_that_appears_late_in_the_list(customer):
    customer.server.fault("late_visible", seconds=60)
    customer.server.fault("drop_after")
    with pytest.raises(requests.ConnectionError):
        customer.order()
    (hidden,) = purchases(customer)
    assert hidden["visible"] is False
    assert customer.orders() == []
    assert customer.get(f"/orders/{hidden['reference']}").status_code == 400
    assert customer.server.books()["balance"] == "4998.64"
    customer.server.advance(61)
    assert customer.orders()[0]["orderReference"] == hidden["reference"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_another_buyers_identical_order_at_the_same_time(customer, when):
    customer.server.fault("twin", when=when)
    reply = customer.bought(customer.line(quantity=2))
    listed = {order["orderReference"]: order for order in customer.orders()}
    mine = listed.pop(reply["orderReference"])
    (other,) = listed.values()
    assert mine["sourceIP"] == "127.0.0.1"
    assert other["sourceIP"] == "203.0.113.77"
    assert (mine["total"], mine["order"]) == (other["total"], other["order"])
    assert (other["createdDate"] < mine["createdDate"]) is (when == "before")


def test_a_duplicate_commit_charges_twice(customer):
    customer.server.fault("duplicate")
    customer.bought()
    assert len(customer.orders()) == 2
    assert customer.server.books()["balance"] == "4997.28"


@pytest.mark.parametrize(
    ("charge", "balance", "rows"),
    [("none", "5000.00", 1), ("refund", "5000.00", 2), ("kept", "4998.64", 1)],
)
def test_a_stored_order_that_fails_later(customer, charge, balance, rows):
    customer.server.fault("failed", seconds=60, charge=charge)
    reply = customer.bought()
    assert reply["status"] == "processing"
    customer.server.advance(61)
    failed = customer.get(f"/orders/{reply['orderReference']}").json()
    assert (failed["status"], failed["statusMessage"]) == ("failed", "Order processing failed")
    assert failed["assigned"] is False
    assert customer.server.books()["balance"] == balance
    assert len(customer.orders()) == rows


def test_a_stored_order_that_failed_at_once(customer):
    customer.server.fault("failed")
    assert customer.bought()["status"] == "failed"


def test_a_top_up_that_lands_on_another_esim(customer):
    customer.server.fault("reassign")
    reply = customer.bought(customer.line(iccids=[PRESET_ICCIDS[0]], allowReassign=True))
    assert reply["order"][0]["iccids"] != [PRESET_ICCIDS[0]]


@pytest.mark.parametrize(
    ("path", "key"), [("/orders", "orders"), ("/esims", "esims"), ("/catalogue", "bundles")]
)
def test_an_empty_list(customer, path, key):
    customer.bought()
    customer.server.fault("empty_list", path=f"^{path}$", method="GET")
    assert customer.get(path).json()[key] == []
    assert customer.get(path).json()[key]


def test_two_faults_can_hit_one_request(customer):
    customer.server.fault("twin")
    customer.server.fault("drop_after")
    with pytest.raises(requests.ConnectionError):
        customer.order()
    assert len(customer.orders()) == 2


def test_rules_strike_from_the_nth_match_and_a_number_of_times(customer):
    customer.server.fault("status_before", nth=2, times=2)
    assert [customer.order().status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    (rule,) = customer.server.faults()
    assert (rule["seen"], rule["fired"], rule["requests"]) == (5, 2, [2, 3])


def test_order_rules_leave_validations_alone(customer):
    customer.server.fault("drop_after")
    assert customer.order(type="validate").status_code == 200


def test_chance_is_seeded(serve):
    def run():
        customer = serve(seed=7, faults=[{"kind": "status_before", "probability": 0.5, "times": None}])
        return [customer.order().status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert set(first) == {200, 503}


def test_faults_are_scripted_over_http_too(customer):
    rule = {"kind": "status_after", "path": "^/organisation$", "status": 500}
    assert customer.control("faults", append=[rule]).ok
    assert customer.get("/organisation").status_code == 500
    shown = requests.get(f"{customer.server.root_url}/_sandbox/faults", timeout=10).json()["faults"]
    assert [one["fired"] for one in shown] == [1]
    assert customer.control("faults", replace=[]).json() == {"faults": []}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "meteor"},
        {"kind": "drop_after", "seconds": 1},
        {"kind": "delay_after", "seconds": "long"},
        {"kind": "drop_after", "path": "("},
        {"kind": "twin", "when": "never"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(customer, rule):
    reply = customer.control("faults", append=[rule])
    assert reply.status_code == 400
    assert reply.json()["message"]
