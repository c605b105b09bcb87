"""Orders: what they cost, what they issue, when they are refused."""

from __future__ import annotations

import json
import re
import threading

import pytest

from airflow_provider_esimgo.sandbox import PRESET_ICCIDS


def test_an_order_tells_its_esims_and_takes_its_price(customer):
    reply = customer.bought(customer.line(quantity=2), customer.line(customer.NL))
    assert reply["total"] == 4.14
    assert reply["currency"] == "USD"
    assert reply["status"] == "completed"
    assert reply["statusMessage"] == "Order completed: 3 eSIMs assigned"
    assert reply["assigned"] is True
    assert reply["sourceIP"] == "127.0.0.1"
    assert reply["runningBalance"] == "4995.86"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", reply["createdDate"])
    first = reply["order"][0]
    assert first["subTotal"] == 2.72
    assert first["pricePerUnit"] == 1.36
    assert first["AllowReassign"] is False
    assert [esim["iccid"] for esim in first["esims"]] == first["iccids"]
    assert all(re.fullmatch(r"([A-Z0-9]{5}-){3}[A-Z0-9]{5}", esim["matchingId"]) for esim in first["esims"])


def test_money_on_the_wire_is_a_number_exact_to_the_cent(customer):
    text = customer.order(customer.line(quantity=3)).text
    assert '"total":4.08,' in text


def test_iccids_are_19_digits_and_pass_luhn(customer):
    iccids = [*PRESET_ICCIDS, *customer.bought(customer.line(quantity=5))["order"][0]["iccids"]]
    for iccid in iccids:
        assert re.fullmatch(r"8944\d{15}", iccid)
        digits = [int(digit) for digit in reversed(iccid)]
        assert (sum(digits[0::2]) + sum(sum(divmod(2 * one, 10)) for one in digits[1::2])) % 10 == 0
    assert len(set(iccids)) == len(iccids)


def test_more_than_five_bundles_come_without_esims_in_the_reply_but_with_iccids(customer):
    reply = customer.bought(customer.line(quantity=6))
    assert "esims" not in reply["order"][0]
    assert len(reply["order"][0]["iccids"]) == 6
    detail = customer.get(f"/orders/{reply['orderReference']}").json()
    assert len(detail["order"][0]["esims"]) == 6


def test_a_validation_prices_and_changes_nothing(customer):
    reply = customer.bought(customer.line(quantity=2), type="validate")
    assert reply["valid"] is True
    assert reply["total"] == 2.72
    assert "orderReference" not in reply
    assert "status" not in reply
    assert customer.server.books()["orders"] == []
    assert customer.server.books()["balance"] == "5000.00"


def test_without_assign_bundles_go_to_inventory(customer):
    reply = customer.bought(customer.line(quantity=3), assign=False)
    assert reply["statusMessage"] == "Order completed"
    assert "esims" not in reply["order"][0]
    stock = customer.get("/inventory").json()["bundles"][0]
    assert stock["name"] == customer.GB
    assert stock["available"][0]["remaining"] == 3


def test_a_top_up_goes_to_the_named_esim(customer):
    reply = customer.bought(customer.line(iccids=[PRESET_ICCIDS[0]]))
    assert reply["order"][0]["iccids"] == [PRESET_ICCIDS[0]]
    assert customer.state_of(PRESET_ICCIDS[0]) == "queued"


def test_an_empty_iccid_means_a_new_esim(customer):
    reply = customer.bought(customer.line(iccids=[""]))
    assert reply["order"][0]["iccids"][0] not in PRESET_ICCIDS


def test_an_incompatible_top_up_is_refused_without_allow_reassign(customer):
    line = customer.line(customer.JP, iccids=[PRESET_ICCIDS[0]])
    assert customer.order(line).status_code == 400
    assert customer.server.books()["balance"] == "5000.00"


def test_an_incompatible_top_up_with_allow_reassign_gets_another_iccid(customer):
    reply = customer.bought(customer.line(customer.JP, iccids=[PRESET_ICCIDS[0]], allowReassign=True))
    assert reply["order"][0]["iccids"] != [PRESET_ICCIDS[0]]
    assert reply["order"][0]["AllowReassign"] is True


@pytest.mark.parametrize("spelling", ["order", "Order", "ORDER"])
def test_the_key_order_is_read_in_any_case_and_unknown_fields_are_dropped(customer, spelling):
    body = {"type": "transaction", "assign": True, spelling: [customer.line(email="x@y.z")], "note": 1}
    assert customer("POST", "/orders", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "failed to parse request body"),
        ("[]", "failed to parse request body"),
        ('{"type":"transaction","order":{}}', "Order must contain Order Items"),
        ('{"type":"transaction","order":"x"}', "failed to parse request body"),
        ('{"type":"transaction","order":[1]}', "failed to parse request body"),
        ('{"type":"transaction"}', "Order must contain Order Items"),
        ('{"type":"transaction","order":[]}', "Order must contain Order Items"),
        ('{"type":"transaction","quantity":1,"item":"esim_1GB_7D_GB_V2"}', "Order must contain Order Items"),
    ],
)
def test_a_body_that_is_no_order_is_400(customer, body, message):
    reply = customer("POST", "/orders", data=body)
    assert (reply.status_code, reply.json()) == (400, {"message": message})


@pytest.mark.parametrize(
    ("fields", "top", "says"),
    [
        ({"item": "esim_1GB_7D_gb_v2"}, {}, "bundle not found: esim_1GB_7D_gb_v2"),
        ({"quantity": 0}, {}, "quantity must be at least 1"),
        ({"quantity": "2"}, {}, "failed to parse request body"),
        ({"type": "sim"}, {}, "invalid order item type: sim"),
        (
            {"iccids": [PRESET_ICCIDS[0]]},
            {"assign": False},
            "ICCIDs can only be provided when assign is true",
        ),
        ({"iccids": [PRESET_ICCIDS[0]], "quantity": 2}, {}, "does not match quantity"),
        ({"iccids": ["8944000000000000000"]}, {}, "eSIM not found: 8944000000000000000"),
        ({}, {"type": "buy"}, "invalid order type: buy"),
        ({}, {"assign": "yes"}, "failed to parse request body"),
        (
            {},
            {"profileID": "someone@acme.example"},
            "failed to parse profile id: someone@acme.example: invalid UUID length: 20",
        ),
        ({}, {"profileID": "00000000-0000-4000-8000-000000000000"}, "unable to find esim profile"),
        (
            {"quantity": 4000},
            {},
            "Insufficient balance to complete order: required 5440.00, available 5000.00",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["validate", "transaction"])
def test_a_wrong_order_is_refused_and_changes_nothing(customer, fields, top, says, kind):
    reply = customer.order({**customer.line(), **fields}, **{"type": kind, **top})
    assert reply.status_code == 400
    assert says in reply.json()["message"]
    books = customer.server.books()
    assert books["orders"] == []
    assert books["balance"] == "5000.00"


def test_one_bad_line_refuses_the_whole_order(customer):
    assert customer.order(customer.line(), customer.line("nope")).status_code == 400
    assert customer.server.books()["orders"] == []


def test_a_price_rise_between_validation_and_purchase_is_charged(customer):
    assert customer.bought(type="validate")["total"] == 1.36
    customer.control("price", bundle=customer.GB, price="1.99")
    assert customer.bought()["total"] == 1.99


def test_the_list_is_newest_first_and_paged(customer):
    references = [customer.bought()["orderReference"] for _ in range(5)]
    first = customer.get("/orders", params={"limit": 2}).json()
    assert [order["orderReference"] for order in first["orders"]] == references[:2:-1]
    assert (first["pageCount"], first["pageSize"], first["rows"]) == (3, 2, 5)
    last = customer.get("/orders", params={"limit": 2, "page": 3}).json()["orders"]
    assert [order["orderReference"] for order in last] == references[:1]


def test_the_list_shows_esims_only_when_asked(customer):
    customer.bought()
    assert "esims" not in customer.orders()[0]["order"][0]
    assert customer.orders(includeIccids="true")[0]["order"][0]["esims"]


def test_created_at_filters_hold_to_the_nanosecond(customer):
    made = [customer.bought() for _ in range(3)]
    middle = made[1]["createdDate"]
    assert len(customer.orders(createdAt=f"gte:{middle}")) == 2
    assert len(customer.orders(createdAt=f"gt:{middle}")) == 1
    assert len(customer.orders(createdAt=f"lt:{middle}")) == 1
    assert [order["orderReference"] for order in customer.orders(createdAt=middle)] == [
        made[1]["orderReference"]
    ]
    window = [f"gte:{middle}", f"lte:{middle}"]
    assert len(customer.orders(createdAt=window)) == 1
    assert customer.get("/orders", params={"createdAt": "gte:yesterday"}).status_code == 400


@pytest.mark.parametrize("params", [{"limit": 10001}, {"limit": 0}, {"page": 0}, {"page": "x"}])
def test_a_page_out_of_range_is_400(customer, params):
    assert customer.get("/orders", params=params).status_code == 400


def test_an_unknown_reference_is_400(customer):
    assert customer.get("/orders/00000000-0000-4000-8000-000000000000").status_code == 400


def test_identical_orders_are_two_orders(customer):
    assert customer.bought()["orderReference"] != customer.bought()["orderReference"]
    assert customer.server.books()["charges"] == "2.72"


def test_orders_at_once_never_corrupt_the_books(serve):
    customer = serve(balance="100.00")
    body = json.dumps({"type": "transaction", "assign": True, "order": [customer.line(quantity=3)]})
    statuses: list[int] = []

    def buy() -> None:
        own = type(customer)(customer.server)
        statuses.extend(own("POST", "/orders", data=body).status_code for _ in range(10))

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books = customer.server.books()
    assert statuses.count(200) == 24  # 100.00 / 4.08
    assert books["balance"] == "2.08"
    iccids = [iccid for order in books["orders"] for iccid in order["iccids"]]
    assert len(iccids) == len(set(iccids)) == 72
