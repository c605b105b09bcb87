"""eSIMs, the bundles on them, inventory: reading, using, suspending, revoking, refunding."""

from __future__ import annotations

import pytest

from airflow_provider_esimgo.sandbox import PRESET_ICCIDS

DAY = 86_400


@pytest.fixture
def iccid(customer):
    return customer.bought()["order"][0]["iccids"][0]


def bundle_of(customer, iccid, item=None):
    return customer.get(f"/esims/{iccid}/bundles/{item or customer.GB}").json()["assignments"][0]


def test_preset_esims_are_there_from_the_start(customer):
    shown = customer.get("/esims").json()
    assert [esim["iccid"] for esim in shown["esims"]] == list(PRESET_ICCIDS)
    assert shown["rows"] == len(PRESET_ICCIDS) >= 4


def test_esims_are_filtered_sorted_and_paged(customer, iccid):
    assert customer.get("/esims", params={"perPage": 10}).json()["pageSize"] == 10
    assert customer.get("/esims", params={"perPage": 11}).status_code == 400
    params = {"filterBy": "iccid", "filter": f"eq:{iccid}"}
    assert [esim["iccid"] for esim in customer.get("/esims", params=params).json()["esims"]] == [iccid]
    params = {"orderBy": "iccid", "direction": "desc"}
    assert customer.get("/esims", params=params).json()["esims"][0]["iccid"] == iccid
    assigned = customer.get("/esims", params={"filterBy": "iccid", "filter": iccid}).json()["esims"][0][
        "assignedDate"
    ]
    params = {"filterBy": "assignedDate", "filter": f"gte:{assigned}"}
    assert customer.get("/esims", params=params).json()["rows"] == 1


@pytest.mark.parametrize("way", ["params", "json"])
def test_customer_ref_is_kept_and_told_in_the_history(customer, iccid, way):
    reply = customer("PUT", "/esims", **{way: {"iccid": iccid, "customerRef": "emp-007"}})
    assert reply.json() == {"status": "success"}
    assert customer.get(f"/esims/{iccid}").json()["customerRef"] == "emp-007"
    history = customer.get(f"/esims/{iccid}/history").json()
    assert [event["name"] for event in history] == ["eSIM Updated", "Bundle Applied"]
    assert customer.get("/esims", params={"filterBy": "customerRef", "filter": "EMP"}).json()["rows"] == 1


def test_an_unknown_iccid_is_403(customer):
    for path in ("", "/history", "/refresh", "/location", "/bundles", "/suspend"):
        assert customer.get(f"/esims/8944000000000000000{path}").status_code == 403


def test_a_device_installs_and_uses(customer, iccid):
    assert customer.get(f"/esims/{iccid}/location").json()["country"] == ""
    assert bundle_of(customer, iccid)["bundleState"] == "queued"
    assert customer.control("install", iccids=[iccid]).json() == {"iccids": [iccid]}
    detail = customer.get(f"/esims/{iccid}", params={"additionalFields": "installUrl"}).json()
    assert detail["profileStatus"] == "Installed"
    assert detail["firstInstalledDateTime"] > 1_700_000_000_000
    assert detail["androidInstallUrl"]
    customer.control("activate", iccids=[iccid])
    used = bundle_of(customer, iccid)
    assert used["bundleState"] == "active"
    assert used["remainingQuantity"] < used["initialQuantity"] == 1_000_000_000
    assert used["endTime"] > used["startTime"]
    assert customer.get(f"/esims/{iccid}/location").json()["country"] == "GB"


def test_activation_installs_too_and_can_be_counted(customer):
    reference = customer.bought(customer.line(quantity=5))["orderReference"]
    assert len(customer.control("activate", reference=reference, count=2).json()["iccids"]) == 2
    assert len(customer.control("activate", reference=reference, count=2).json()["iccids"]) == 2
    assert len(customer.server.activate_all()) == 1
    states = [
        esim["profileStatus"] for esim in customer.server.books()["esims"] if esim["reference"] == reference
    ]
    assert states == ["Installed"] * 5


def test_bundles_deplete_expire_and_lapse(customer, iccid):
    other = customer.bought()["order"][0]["iccids"][0]
    customer.control("activate", iccids=[iccid])
    customer.control("use", iccids=[iccid], share=0.5)
    assert bundle_of(customer, iccid)["remainingQuantity"] == 500_000_000
    customer.control("use", iccids=[iccid], share=1)
    assert customer.state_of(iccid) == "depleted"
    customer.control("advance", seconds=7 * DAY)
    assert customer.state_of(iccid) == "expired"
    assert customer.get(f"/esims/{iccid}/bundles").json()["bundles"] == []
    assert customer.state_of(other) == "queued"
    customer.control("advance", seconds=365 * DAY)
    assert customer.state_of(other) == "lapsed"


def test_auto_lifecycle_installs_and_activates_by_itself(serve):
    customer = serve(auto_lifecycle=60)
    iccid = customer.bought()["order"][0]["iccids"][0]
    assert customer.state_of(iccid) == "queued"
    customer.server.advance(61)
    assert customer.state_of(iccid) == "active"
    assert customer.get(f"/esims/{iccid}").json()["profileStatus"] == "Installed"


def test_bundles_are_processing_for_a_while_by_switch(serve):
    customer = serve(processing_seconds=60)
    iccid = customer.bought()["order"][0]["iccids"][0]
    assert customer.state_of(iccid) == "processing"
    customer.server.advance(61)
    assert customer.state_of(iccid) == "queued"


def test_compatibility_follows_the_network_profile(customer):
    path = f"/esims/{PRESET_ICCIDS[0]}/compatible"
    assert customer.get(f"{path}/{customer.GB}").json() == {"compatible": True}
    assert customer.get(f"{path}/{customer.JP}").json() == {"compatible": False}
    assert customer.get(f"{path}/nope").status_code == 400


def test_suspension_is_reversible_unless_by_policy(customer, iccid):
    path = f"/esims/{iccid}/suspend"
    reply = customer("POST", path, json={"suspend": True})
    assert (reply.status_code, reply.json()) == (201, {"status": "eSIM suspended successfully"})
    assert customer.get(path).json() == {"suspended": True}
    assert customer("POST", path, json={"suspend": True}).status_code == 400
    assert customer("POST", path, json={"suspend": False}).status_code == 201
    customer.control("suspend", iccids=[iccid])
    assert customer("POST", path, json={"suspend": False}).status_code == 403


def test_a_deleted_esim_is_deactivated_for_good_and_without_refund(customer, iccid):
    assert customer("DELETE", f"/esims/{iccid}").status_code == 200
    assert customer.get(f"/esims/{iccid}").json()["state"] == "deactivated"
    assert customer.state_of(iccid) == "revoked"
    assert customer.server.books()["refunds"] == "0.00"
    for method, path in (("GET", "refresh"), ("POST", "sms"), ("POST", "suspend")):
        body = {"message": "x", "suspend": True}
        assert customer(method, f"/esims/{iccid}/{path}", json=body).status_code == 400
    assert customer.order(customer.line(iccids=[iccid])).status_code == 400


def test_refresh_and_sms(customer, iccid):
    assert customer.get(f"/esims/{iccid}/refresh").json() == {"status": "Successfully refreshed SIM"}
    sms = f"/esims/{iccid}/sms"
    assert customer("POST", sms, json={"message": "Hello"}).json() == {"status": "sent"}
    assert customer("POST", sms, json={"message": "x" * 161}).status_code == 400
    assert customer("POST", sms, json={"message": "x", "from": "Acme"}).status_code == 400


def test_revoking_takes_the_oldest_unused_bundle_back_to_inventory(customer, iccid):
    customer.bought(customer.line(iccids=[iccid]))
    oldest = customer.get(f"/esims/{iccid}/bundles/{customer.GB}").json()["assignments"][-1]["id"]
    path = f"/esims/{iccid}/bundles/{customer.GB}"
    said = customer("DELETE", path, params={"type": "validate"}).json()
    assert said == {"status": "Successfully Revoked Bundle, bundle has been refunded to inventory"}
    assert customer.get("/inventory").json()["bundles"] == []
    assert customer("DELETE", path).json() == said
    states = {one["id"]: one["bundleState"] for one in customer.get(path).json()["assignments"]}
    assert states.pop(oldest) == "revoked"
    assert list(states.values()) == ["queued"]
    assert customer.get("/inventory").json()["bundles"][0]["available"][0]["remaining"] == 1
    assert customer.server.books()["balance"] == "4997.28"


def test_revoking_with_an_offer_id_refunds_to_the_balance(customer, iccid):
    held = bundle_of(customer, iccid)["id"]
    path = f"/esims/{iccid}/bundles/{customer.GB}"
    customer("DELETE", path, params={"refundToBalance": "true", "offerId": held})
    assert customer.server.books()["balance"] == "5000.00"
    refund = customer.orders()[0]
    assert (refund["order"][0]["type"], refund["total"], refund["statusMessage"]) == (
        "bundleRefund",
        0,
        "Refund completed",
    )


@pytest.mark.parametrize("form", ["assignments", "applications"])
def test_one_assignment_is_revoked_by_its_id(customer, iccid, form):
    held = bundle_of(customer, iccid)["id"]
    path = f"/esims/{iccid}/bundles/{customer.GB}/{form}/{held}"
    assert customer("DELETE", path, params={"refundToBalance": "true"}).status_code == 200
    assert customer.server.books()["balance"] == "5000.00"
    assert customer("DELETE", path).status_code == 400


def test_a_started_bundle_is_revoked_without_refund(customer, iccid):
    customer.control("activate", all=True)
    status = customer("DELETE", f"/esims/{iccid}/bundles/{customer.GB}").json()["status"]
    assert status == "Successfully Revoked Bundle"
    assert customer.state_of(iccid) == "revoked"
    assert customer.get("/inventory").json()["bundles"] == []


def test_inventory_is_applied_without_a_charge_and_shows_among_the_orders(customer):
    customer.bought(customer.line(quantity=3), assign=False)
    before = customer.server.books()["balance"]
    reply = customer("POST", "/esims/apply", json={"name": customer.GB, "repeat": 2}).json()
    assert len(reply["esims"]) == 2
    top_up = customer("POST", "/esims/apply", json={"name": customer.GB, "iccid": PRESET_ICCIDS[0]}).json()
    assert top_up["esims"][0]["iccid"] == PRESET_ICCIDS[0]
    assert customer.server.books()["balance"] == before
    assert customer("POST", "/esims/apply", json={"name": customer.GB}).status_code == 403
    assert customer.orders()[0]["order"][0]["type"] == "bundleAssignment"
    assert customer.assignments(reply["applyReference"]).text.count(customer.GB) == 2


def test_several_bundles_are_applied_to_an_esim_each(customer):
    customer.bought(customer.line(), customer.line(customer.NL), assign=False)
    bundles = [{"name": customer.GB}, {"name": customer.NL}]
    esims = customer("POST", "/esims/apply", json={"bundles": bundles}).json()["esims"]
    assert [esim["bundle"] for esim in esims] == [customer.GB, customer.NL]
    assert len({esim["iccid"] for esim in esims}) == 2


def test_the_deprecated_apply_answers(customer):
    customer.bought(assign=False)
    path = f"/esims/{PRESET_ICCIDS[0]}/bundles"
    assert customer("POST", path, json={"name": customer.GB}).json() == {
        "status": "Successfully Applied Bundle"
    }


@pytest.mark.parametrize("body", [{}, {"name": "nope"}, {"bundles": []}, {"name": "x", "repeat": "2"}])
def test_a_wrong_apply_is_400(customer, body):
    assert customer("POST", "/esims/apply", json=body).status_code == 400


def test_inventory_is_refunded_within_its_rules(customer):
    customer.bought(customer.line(quantity=3), assign=False)
    usage_id = customer.get("/inventory").json()["bundles"][0]["available"][0]["id"]

    def refund(quantity):
        return customer(
            "POST", "/inventory/refund", json={"usageId": usage_id, "quantity": quantity}
        ).status_code

    assert refund(4) == 400
    assert refund(2) == 200
    assert customer.server.books()["balance"] == "4998.64"
    customer.server.advance(60 * DAY)
    assert refund(1) == 400
    customer.server.set(refunds=False)
    assert refund(1) == 403


def test_at_most_thirty_bundles_wait_on_an_esim(customer):
    line = customer.line(quantity=10, iccids=[PRESET_ICCIDS[0]] * 10)
    for _ in range(3):
        customer.bought(line)
    assert customer.order(customer.line(iccids=[PRESET_ICCIDS[0]])).status_code == 400
