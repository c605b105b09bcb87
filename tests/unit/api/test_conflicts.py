"""Where the vendor's documents and replies disagree, the models read all variants (esimgo-api.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests_mock

from airflow_provider_esimgo.api import BundleState, EsimGoClient, InstallDetails, Order, ProfileStatus
from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, instant, load_json, rows

BASE = "https://api.esim-go.test/v2.5"


def order(**changes: Any) -> Order:
    text = {"orderReference": "r", "order": [{"type": "bundle", "item": "b", "quantity": 1}], **changes}
    return Order.parse(Fields(text, "order"))


def listed(client: EsimGoClient, *pages: Any) -> tuple[list[str], int]:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/orders", [{"json": page} for page in pages])
        return [one.reference for one in client.list_orders(page_size=2)], vendor.call_count


def refs(*names: str) -> list[dict[str, str]]:
    return [{"orderReference": name} for name in names]


def test_an_order_list_may_be_wrapped_bare_or_a_single_order(client: EsimGoClient) -> None:
    wrapped = {"orders": refs("a", "b"), "pageCount": 1, "pageSize": 2, "rows": 2}
    assert listed(client, wrapped) == (["a", "b"], 1)
    assert listed(client, refs("a", "b"), []) == (["a", "b"], 2)
    assert listed(client, refs("a")[0])[0] == ["a"]


def test_an_empty_order_list_must_say_so(client: EsimGoClient) -> None:
    assert listed(client, {"orders": None, "pageCount": 0, "rows": 0}) == ([], 1)
    assert listed(client, {"pageCount": 0, "pageSize": 0, "rows": 0}) == ([], 1)
    assert listed(client, []) == ([], 1)
    for silent in ({}, {"message": "hello"}, None, "none", {"orders": "none"}):
        with pytest.raises(MalformedError):
            rows(silent, "orders", "orderReference")


def test_a_list_that_grows_while_it_is_read_yields_each_order_once(client: EsimGoClient) -> None:
    first = {"orders": refs("d", "c"), "pageCount": 2, "rows": 4}
    pushed = {"orders": refs("c", "b"), "pageCount": 3, "rows": 5}
    last = {"orders": refs("a"), "pageCount": 3, "rows": 5}
    empty = {"orders": [], "pageCount": 3, "rows": 5}
    assert listed(client, first, pushed, last, empty) == (["d", "c", "b", "a"], 4)


def test_a_page_of_nothing_but_known_orders_does_not_end_the_list(client: EsimGoClient) -> None:
    pages = [
        {"orders": refs("d", "c"), "pageCount": 2},
        {"orders": refs("d", "c"), "pageCount": 3},
        {"orders": refs("b", "a"), "pageCount": 3},
    ]
    assert listed(client, *pages) == (["d", "c", "b", "a"], 3)
    assert listed(client, refs("d", "c"), refs("d", "c"), refs("b"), [])[0] == ["d", "c", "b"]


def test_a_short_page_is_not_the_end_and_a_vendor_that_ignores_page_is_survived(client: EsimGoClient) -> None:
    assert listed(client, refs("c"), refs("b"), refs("a"), [])[0] == ["c", "b", "a"]
    assert listed(client, refs("a", "b")) == (["a", "b"], 3)
    assert listed(client, {"orders": refs("a"), "pageCount": 1, "rows": 99}) == (["a"], 2)


@pytest.mark.parametrize("name", ["createdDate", "createDate"])
def test_the_date_of_an_order_has_two_names_and_keeps_its_nanoseconds(name: str) -> None:
    placed = order(**{name: "2024-05-02T10:57:30.858475018Z"})
    assert placed.created == "2024-05-02T10:57:30.858475018Z"
    assert placed.created_at == datetime(2024, 5, 2, 10, 57, 30, 858475, UTC)


@pytest.mark.parametrize("spelling", ["order", "Order"])
def test_names_match_whatever_their_case(spelling: str) -> None:
    line = {"type": "bundle", "item": "b", "quantity": 2, "AllowReassign": True}
    parsed = Order.parse(Fields({"orderreference": "r", spelling: [line]}, "order"))
    assert parsed.reference == "r"
    assert parsed.lines[0].allow_reassign
    assert parsed.lines[0].quantity == 2


@pytest.mark.parametrize("sent", [40.01, "40.01"])
def test_the_running_balance_is_a_number_or_a_text(sent: Any) -> None:
    payload = load_json(f'{{"orderReference": "r", "runningBalance": {sent!r}}}'.replace("'", '"').encode())
    assert Order.parse(Fields(payload, "order")).running_balance == Decimal("40.01")


def test_money_is_the_decimal_that_was_written() -> None:
    payload = load_json(
        b'{"total": 0.1000000000000000055511151231257827, "price": 3, "odd": "NaN", "no": true}'
    )
    fields = Fields(payload, "x")
    assert fields.money("total") == Decimal("0.1000000000000000055511151231257827")
    assert fields.money("price") == Decimal(3)
    assert fields.money("odd") is None
    assert fields.money("no") is None


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_malformed_and_not_quoted(text: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        load_json(text)
    assert "[[" not in str(caught.value)


def test_iccids_of_a_line_come_from_either_place_and_empty_ones_are_absent() -> None:
    def iccids(**line: Any) -> tuple[str, ...]:
        return order(order=[{"type": "bundle", **line}]).iccids

    assert iccids(iccids=[""]) == ()
    assert iccids(iccids=["1"], esims=[{"iccid": "1"}]) == ("1",)
    assert iccids(esims=[{"iccid": 8944538532008160222}]) == ("8944538532008160222",)
    assert iccids(iccids=["1"], esims=[{"iccid": "2"}]) == ("1", "2")
    assert iccids() == ()


def test_missing_and_unknown_fields_do_not_matter() -> None:
    bare = Order.parse(Fields({"new": {"x": 1}, "order": None, "total": None}, "order"))
    assert (bare.reference, bare.lines, bare.total, bare.assigned, bare.created_at) == (
        "",
        (),
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (1723541877280, datetime(2024, 8, 13, 9, 37, 57, 280000, UTC)),
        ("1723541877280", datetime(2024, 8, 13, 9, 37, 57, 280000, UTC)),
        (1723541877, datetime(2024, 8, 13, 9, 37, 57, 0, UTC)),
        ("2023-06-15T14:30:00.000Z", datetime(2023, 6, 15, 14, 30, tzinfo=UTC)),
        ("2023-06-15T16:30:00+02:00", datetime(2023, 6, 15, 14, 30, tzinfo=UTC)),
        ("2023-06-15", datetime(2023, 6, 15, tzinfo=UTC)),
        ("2023-06-15 14:30:00", datetime(2023, 6, 15, 14, 30, tzinfo=UTC)),
        *(
            (nothing, None)
            for nothing in (0, "", None, "0", "soon", "0001-01-01T00:00:00Z", "99999999999999999999")
        ),
    ],
)
def test_a_time_is_iso_or_milliseconds_and_unset_ones_are_none(sent: Any, expected: datetime | None) -> None:
    assert instant(sent) == expected


def test_states_match_in_any_case_and_unknown_ones_do_not_crash() -> None:
    assert BundleState.read("Active") is BundleState.ACTIVE
    assert BundleState.read("LAPSED") is BundleState.LAPSED
    assert BundleState.read("frozen") is BundleState.UNKNOWN
    assert BundleState.read("") is BundleState.UNKNOWN
    assert ProfileStatus.read("Deactivated") is ProfileStatus.DEACTIVATED
    assert order(status="processing").state == "unknown"
    assert order(status="processing").status == "processing"


@pytest.mark.parametrize("flat", [True, False])
def test_the_organisation_is_flat_or_wrapped_and_loses_its_key(
    flat: bool, client: EsimGoClient, sample: Callable[[str], Any]
) -> None:
    reply = sample("organisation")
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/organisation", json=reply["organisations"][0] if flat else reply)
        organisation = client.get_organisation()
    assert organisation.name == "Acme"
    held = str(vars(organisation))
    assert "k3y-that-must-not-leave" not in held
    assert "Ada" not in held
    assert "t0ken" not in repr(organisation)


@pytest.mark.parametrize(
    ("reply", "iccids"),
    [
        ('{"iccid":"1","matchingId":"M","smdpAddress":"h"}', ["1"]),
        ('[{"iccid":"1","rspUrl":"h","matchingId":"M"},{"iccid":"2"}]', ["1", "2"]),
        ("[]", []),
        ("ICCID,Matching ID,RSP URL,Bundle,Reference\n1,M,h,b,r\n2,M,h,b,r\n", ["1", "2"]),
        ('\ufeff"Bundle","RSP URL","Matching ID","ICCID"\r\n"b, c","h","M","1"\r\n\r\n', ["1"]),
    ],
)
def test_install_details_come_as_object_array_or_csv(
    reply: str, iccids: list[str], client: EsimGoClient
) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/esims/assignments", content=reply.encode())
        details = client.get_install_details(["o"])
    assert [one.iccid for one in details] == iccids
    assert all(one.activation_code == "LPA:1$h$M" for one in details[:1])


@pytest.mark.parametrize("host", ["rsp.example.com", "http://rsp.example.com", "https://rsp.example.com/"])
def test_an_activation_code_holds_a_bare_host(host: str) -> None:
    assert InstallDetails("1", "M-1", host).activation_code == "LPA:1$rsp.example.com$M-1"
    assert InstallDetails("1", "", host).activation_code is None
    assert InstallDetails("1", "M-1", "").activation_code is None


def test_many_references_are_asked_in_several_requests(client: EsimGoClient) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/esims/assignments", [{"json": [{"iccid": str(n)}]} for n in range(3)])
        details = client.get_install_details([f"o-{n}" for n in range(101)])
    assert [one.iccid for one in details] == ["0", "1", "2"]
    assert [len(sent.qs["reference"]) for sent in vendor.request_history] == [50, 50, 1]


def test_a_cut_zip_is_read_again(client: EsimGoClient) -> None:
    whole = b"PK\x05\x06" + bytes(18)
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/esims/assignments", [{"content": whole[:10]}, {"content": whole}])
        assert client.get_qr_zip(["o"]) == whole


def test_a_plain_text_acknowledgement_counts(client: EsimGoClient) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.delete(f"{BASE}/esims/1", text="gone", headers={"Content-Type": "text/plain; charset=utf-8"})
        assert client.delete_esim("1") == "gone"


def test_networks_and_groups_may_be_bare_arrays(client: EsimGoClient) -> None:
    with requests_mock.Mocker() as vendor:
        vendor.get(f"{BASE}/networks", json=[{"name": "GB", "networks": [{"name": "EE", "speeds": ["4G"]}]}])
        vendor.get(f"{BASE}/organisation/groups", json={"groups": [{"name": "g"}]})
        assert client.list_networks()[0].networks[0].speeds == ("4G",)
        assert client.list_groups()[0].name == "g"
