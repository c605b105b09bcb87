"""Assignments: three forms of the same codes, and QR codes that a phone can read."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from scanning import scanned

from airflow_provider_esimgo.sandbox import PRESET_ICCIDS

JSON, CSV, ZIP = "application/json", "text/csv", "application/zip"


def test_qr_codes_read_back_as_the_activation_codes(customer):
    order = customer.bought(customer.line(quantity=2), customer.line(customer.JP))
    codes = {
        esim["iccid"]: f"LPA:1${esim['smdpAddress']}${esim['matchingId']}"
        for line in order["order"]
        for esim in line["esims"]
    }
    reply = customer.assignments(order["orderReference"], accept=ZIP)
    assert reply.headers["content-type"] == ZIP
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        assert {name.removesuffix(".png"): scanned(archive.read(name)) for name in pictures} == codes
        assert f"{order['orderReference']}.csv" in archive.namelist()


@pytest.mark.parametrize("accept", [None, "*/*", CSV])
def test_csv_is_what_one_gets_without_asking(customer, accept):
    order = customer.bought(customer.line(quantity=2))
    reply = customer.assignments(order["orderReference"], accept=accept)
    assert reply.headers["content-type"].startswith(CSV)
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert list(rows[0]) == ["ICCID", "Matching ID", "RSP URL", "Bundle", "Reference"]
    assert [row["ICCID"] for row in rows] == order["order"][0]["iccids"]
    assert {row["Reference"] for row in rows} == {order["orderReference"]}
    assert {row["Bundle"] for row in rows} == {customer.GB}


def test_json_is_an_object_for_one_and_an_array_for_several(customer):
    one = customer.assignments(customer.bought()["orderReference"], accept=JSON).json()
    assert one["profileStatus"] == "Released"
    assert {
        "iccid",
        "matchingId",
        "smdpAddress",
        "profileStatus",
        "pin",
        "puk",
        "firstInstalledDateTime",
    } == set(one)
    two = customer.assignments(
        customer.bought(customer.line(quantity=2))["orderReference"], accept=JSON
    ).json()
    assert len(two) == 2


def test_install_urls_come_when_asked(customer):
    reference = customer.bought()["orderReference"]
    shown = customer.assignments(reference, accept=JSON, additionalFields="installUrl").json()
    assert shown["appleInstallUrl"].startswith(
        "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata=LPA:1$"
    )
    assert shown["androidInstallUrl"].startswith("https://esimsetup.android.com/")


def test_several_references_in_one_call(customer):
    references = [customer.bought()["orderReference"] for _ in range(3)]
    rows = list(csv.DictReader(io.StringIO(customer.assignments(*references).text)))
    assert [row["Reference"] for row in rows] == references


def test_an_unknown_or_missing_reference_is_400(customer):
    assert customer.assignments("00000000-0000-4000-8000-000000000000").status_code == 400
    assert customer.get("/esims/assignments").status_code == 400


def test_a_deactivated_esim_is_410(customer):
    order = customer.bought()
    customer("DELETE", f"/esims/{order['order'][0]['iccids'][0]}")
    assert customer.assignments(order["orderReference"], accept=JSON).status_code == 410


def test_deprecated_forms_answer(customer):
    reference = customer.bought()["orderReference"]
    assert customer.get(f"/esims/qr/{reference}").content.startswith(b"PK")
    assert customer.get(f"/esims/csv/{reference}").text.startswith("ICCID,")


def test_a_top_up_is_found_under_its_order(customer):
    reference = customer.bought(customer.line(iccids=[PRESET_ICCIDS[1]]))["orderReference"]
    assert customer.assignments(reference, accept=JSON).json()["iccid"] == PRESET_ICCIDS[1]


def test_the_path_form_answers_only_behind_its_switch(customer):
    reference = customer.bought()["orderReference"]
    assert customer.get(f"/esims/assignments/{reference}").status_code == 403
    customer.server.set(assignments_alias=True)
    assert customer.get(f"/esims/assignments/{reference}").status_code == 200


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [("503", 503, None), ("500", 500, None), ("empty", 200, b""), ("empty_list", 200, b"[]")],
)
def test_install_details_that_are_not_ready(serve, answer, status, body):
    customer = serve(ready_seconds=30, ready_answer=answer)
    reference = customer.bought()["orderReference"]
    reply = customer.assignments(reference, accept=JSON)
    assert reply.status_code == status
    if body is not None:
        assert reply.content == body
    if answer == "503":
        assert 0 < int(reply.headers["Retry-After"]) <= 30
    customer.server.advance(31)
    assert customer.assignments(reference, accept=JSON).json()["iccid"]


def test_other_forms_of_csv_and_json_by_switch(serve):
    customer = serve(csv_shape="quoted4", json_shape="array", json_fields="assignment")
    reference = customer.bought()["orderReference"]
    assert customer.assignments(reference).text.splitlines()[0] == '"ICCID","Matching ID","RSP URL","Bundle"'
    (row,) = customer.assignments(reference, accept=JSON).json()
    assert set(row) == {"iccid", "matchingId", "rspUrl", "bundle", "reference"}


@pytest.mark.parametrize(
    ("shape", "pictures"),
    [
        ("plain", 2),
        ("names", 2),
        ("nested", 2),
        ("missing_png", 1),
        ("extra_png", 3),
        ("swapped_png", 2),
        ("broken_png", 2),
    ],
)
def test_other_forms_of_zip_by_switch(serve, shape, pictures):
    customer = serve(zip_shape=shape)
    reference = customer.bought(customer.line(quantity=2))["orderReference"]
    with zipfile.ZipFile(io.BytesIO(customer.assignments(reference, accept=ZIP).content)) as archive:
        names = archive.namelist()
    assert sum(name.endswith(".png") for name in names) == pictures
    assert sum(name.endswith(".csv") for name in names) == 1


def test_a_short_answer_lacks_the_last_esim_until_it_is_ready(serve):
    customer = serve(ready_seconds=30, ready_answer="short")
    reference = customer.bought(customer.line(quantity=3))["orderReference"]
    assert len(customer.assignments(reference, accept=JSON).json()) == 2
    customer.server.advance(31)
    assert len(customer.assignments(reference, accept=JSON).json()) == 3


@pytest.mark.parametrize(("shape", "odd"), [("http", "http://"), ("space", " "), ("dollar", "$")])
def test_addresses_that_no_phone_takes_by_switch(serve, shape, odd):
    customer = serve(smdp_address=shape)
    address = customer.assignments(customer.bought()["orderReference"], accept=JSON).json()["smdpAddress"]
    assert odd in address
