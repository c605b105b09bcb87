"""The kit whole: of a batch, of orders, of eSIMs; with what the vendor answers late, short, oddly or wrongly."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import openpyxl
import pytest
from airflow_lab.desk import GB, NL, Desk, bought_units
from airflow_lab.leaks import leaks
from moto.server import ThreadedMotoServer
from scanning import scanned

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.hooks.export import kit_name
from airflow_provider_esimgo.hooks.kit import Kit
from airflow_provider_esimgo.hooks.subjects import Subject
from airflow_provider_esimgo.ledger.holdings import Selection
from airflow_provider_esimgo.ledger.kits import written_kits
from airflow_provider_esimgo.sandbox.identifiers import PRESET_ICCIDS


def rows_of(told: dict[str, Any]) -> list[dict[str, str]]:
    with Path(told["index"]).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lpas(desk: Desk) -> dict[str, str]:
    return {esim["iccid"]: esim["lpa"] for esim in desk.sandbox.books()["esims"]}


def scans_in(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return {scanned(opened.read(name)) for name in opened.namelist() if name.endswith(".png")}


def asked(desk: Desk) -> int:
    return sum(desk.sandbox.books()["requests"].values())


def orders(desk: Desk) -> list[str]:
    return [order["reference"] for order in reversed(desk.sandbox.orders())]


@pytest.fixture
def bought(desk: Desk) -> Desk:
    """Three orders: ana has two eSIMs, bo and cy one each, and dot topped one up."""
    desk.connect(max_units_per_order=2)
    desk.bought(f"ana,{GB},2", f"bo,{NL}", f"cy,{GB}", f"dot,{GB},1,{PRESET_ICCIDS[0]}")
    return desk


# ---- what goes in -------------------------------------------------------------------------------------


def test_a_batch_has_everything(bought: Desk):
    told = bought.export()
    folder = Path(told["folder"])
    assert (told["units"], told["qr_codes"], told["withheld"], told["vendor_files"]) == (5, 5, 0, 3)
    assert {place.name for place in folder.iterdir()} == {
        "qr",
        "vendor",
        "index.csv",
        "index.html",
        "sheet.pdf",
    }
    assert {place.stem for place in (folder / "vendor").iterdir()} == set(orders(bought))
    for row in rows_of(told):
        assert row["activation_code"] == lpas(bought)[row["iccid"]]
        assert scanned((folder / row["qr_png"]).read_bytes()) == row["activation_code"]


def test_the_plan_is_told_in_the_catalogues_words(bought: Desk):
    page = (Path(bought.export()["folder"]) / "index.html").read_text(encoding="utf-8")
    assert "1 GB for 7 days, United Kingdom" in page


def test_each_vendor_archive_holds_the_esims_of_its_order(bought: Desk):
    folder = Path(bought.export()["folder"])
    for order in bought.sandbox.orders():
        iccids = {iccid for line in order["lines"] for iccid in line["iccids"]}
        assert scans_in(folder / "vendor" / f"{order['reference']}.zip") == {
            lpas(bought)[one] for one in iccids
        }


def test_an_order_of_its_own_is_the_vendors_archive_byte_for_byte(desk: Desk):
    desk.bought(f"ana,{GB},2")
    told = desk.export()
    (reference,) = orders(desk)
    vendors = desk.hook().client.get_qr_zip([reference])
    assert (Path(told["folder"]) / "vendor" / f"{reference}.zip").read_bytes() == vendors


def test_orders_may_be_asked_for(bought: Desk):
    everything = {row["iccid"]: row for row in rows_of(bought.export())}
    for order in bought.sandbox.orders():
        told = bought.export(None, order_references=[order["reference"]])
        assert told["batch_id"] is None
        assert Path(told["folder"]).name == f"order-{order['reference']}"
        iccids = {iccid for line in order["lines"] for iccid in line["iccids"]}
        assert {row["iccid"]: row for row in rows_of(told)} == {one: everything[one] for one in iccids}


def test_an_order_that_somebody_placed_in_the_portal_has_a_kit_as_well(desk: Desk):
    lines = [{"type": "bundle", "item": GB, "quantity": 2}]
    reference = desk.sandbox.buy({"type": "transaction", "assign": True, "order": lines})
    rows = rows_of(desk.export(None, order_references=[reference]))
    assert [(row["recipient_ref"], row["bundle"]) for row in rows] == [("", GB), ("", GB)]
    assert all(row["activation_code"] == lpas(desk)[row["iccid"]] for row in rows)


def test_esims_may_be_asked_for_and_nobody_elses_code_is_in_the_kit(bought: Desk):
    everything = rows_of(bought.export())
    mine = everything[0]
    told = bought.export(None, iccids=[mine["iccid"]], destination=str(bought.folder / "one"))
    assert [row["iccid"] for row in rows_of(told)] == [mine["iccid"]]
    others = [row["matching_id"] for row in everything if row["iccid"] != mine["iccid"]]
    assert leaks(bought.folder / "one", {"somebody else's code": others}) == []
    (archive,) = (Path(told["folder"]) / "vendor").iterdir()
    assert scans_in(archive) == {mine["activation_code"]}


def test_an_esim_that_this_ledger_did_not_buy_has_a_kit_as_well(desk: Desk):
    (row,) = rows_of(desk.export(None, iccids=[PRESET_ICCIDS[1]]))
    assert (row["recipient_ref"], row["activation_code"]) == ("", lpas(desk)[PRESET_ICCIDS[1]])


@pytest.mark.parametrize(
    "fields", [{"batch_id": None}, {"batch_id": "batch", "iccids": ["1"]}, {"batch_id": None, "iccids": "1"}]
)
def test_what_to_export_is_said_once_and_as_a_list(bought: Desk, fields: dict[str, Any]):
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bought.export(**fields)


def kit_of(*iccids: str) -> Kit:
    return Kit([Subject(iccid, GB, None) for iccid in iccids], [])


def test_each_selection_has_a_folder_of_its_own():
    names = [
        kit_name(Selection(**given), kit_of("1"))
        for given in (
            {"batch_id": "a"},
            {"batch_id": "a 1"},
            {"batch_id": "a/1"},
            {"batch_id": "order-a"},
            {"references": ["a"]},
            {"references": ["a", "b"]},
            {"iccids": ["a"]},
            {"recipients": ["a"]},
        )
    ]
    assert len(set(names)) == len(names)
    assert all(Path(name).name == name for name in names)
    assert names[0] == "a"


def test_a_folder_does_not_depend_on_the_order_in_which_things_are_named():
    kit = kit_of("1")
    assert kit_name(Selection(iccids=["b", "a"]), kit) == kit_name(Selection(iccids=["a", "b", "a"]), kit)


def test_a_recipient_is_in_no_folders_name():
    """Where kits are is kept for good, also after the recipient was erased."""
    name = kit_name(Selection(recipients=["emp-4711"]), kit_of("1", "2"))
    assert "4711" not in name
    assert name == kit_name(Selection(recipients=["somebody else"]), kit_of("2", "1"))


# ---- few calls ----------------------------------------------------------------------------------------


def test_a_hundred_orders_take_a_handful_of_calls(desk: Desk):
    desk.connect(max_units_per_order=1)
    desk.bought(f"ana,{GB},100")
    desk.hook().catalogue()  # kept for a day
    before = asked(desk)
    told = desk.export()
    assert told["vendor_files"] == 100
    assert asked(desk) - before == 5, "who we are, 2 x details, 2 x images"


# ---- answers that are late, short or odd --------------------------------------------------------------


@pytest.mark.parametrize("answer", ["503", "500", "empty", "empty_list", "short"])
def test_details_that_lag_are_waited_for(bought: Desk, answer: str, monkeypatch: pytest.MonkeyPatch):
    from airflow_provider_esimgo.hooks.kit import collect_kit  # noqa: PLC0415

    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        bought.sandbox.advance(seconds)

    from airflow_provider_esimgo.api import EsimGoClient  # noqa: PLC0415

    for waiting in (EsimGoClient.__init__, collect_kit):
        assert waiting.__kwdefaults__ is not None
        monkeypatch.setitem(waiting.__kwdefaults__, "sleep", sleep)
    bought.sandbox.set(ready_seconds=12, ready_answer=answer)
    assert bought.export()["qr_codes"] == 5
    assert sum(waits) < 60


@pytest.mark.usefixtures("instant_retries")
@pytest.mark.parametrize("answer", ["empty_list", "short"])
def test_details_that_never_come_are_told_and_the_kit_is_not_written(bought: Desk, answer: str):
    bought.sandbox.set(ready_seconds=1e6, ready_answer=answer)
    with pytest.raises(AirflowException, match="have no install details yet, the first is 89") as failed:
        bought.export()
    assert not isinstance(failed.value, AirflowFailException), "later it may be there"
    assert not bought.kits.exists()


@pytest.mark.parametrize("shape", ["names", "nested", "missing_png", "extra_png"])
def test_archives_of_any_form_are_divided(bought: Desk, shape: str):
    bought.sandbox.set(zip_shape=shape)
    told = bought.export(verify="all")
    pictures = {
        scan
        for archive in (Path(told["folder"]) / "vendor").iterdir()
        for scan in scans_in(archive)
        if scan.startswith("LPA:")
    }
    assert len(pictures) == (4 if shape == "missing_png" else 5)
    assert len(list(Path(told["folder"], "qr").glob("*.png"))) == 5, "our own are whole"


@pytest.mark.parametrize("shape", ["swapped_png", "broken_png"])
def test_a_vendor_image_that_is_wrong_stops_the_export_and_tells_no_code(
    bought: Desk, shape: str, capfd: pytest.CaptureFixture[str]
):
    bought.sandbox.set(zip_shape=shape)
    with pytest.raises(AirflowException, match=r"eSIM 89.*the vendor's image.*fingerprint") as failed:
        bought.export()
    assert not bought.kits.exists()
    told = str(failed.value) + "".join(capfd.readouterr())
    assert not any(lpa.rpartition("$")[2] in told for lpa in lpas(bought).values())
    assert bought.export(verify="none")["qr_codes"] == 5


@pytest.mark.parametrize("form", ["http", "space", "dollar"])
def test_an_address_that_no_phone_takes_stops_the_export(bought: Desk, form: str):
    bought.sandbox.set(smdp_address=form)
    with pytest.raises(AirflowException, match=r"eSIM 89\d+ has the SM-DP\+ address"):
        bought.export()
    assert not bought.kits.exists()


@pytest.mark.parametrize("url", ["plain", "percent"])
def test_the_vendors_links_win(bought: Desk, url: str):
    bought.sandbox.set(install_url=url)
    for row in rows_of(bought.export()):
        assert row["apple_link"].startswith("https://esimsetup.apple.com/")
        assert ("%24" in row["apple_link"]) is (url == "percent")


def test_more_esims_than_the_ledger_knows_stop_the_export(bought: Desk):
    from sqlalchemy import text  # noqa: PLC0415

    ledger = bought.hook().ledger
    with ledger.database.write() as connection:  # an eSIM of the order goes to somebody unknown
        connection.execute(text("UPDATE esimgo_units SET iccid = '8944599999999999999' WHERE number = 1"))
    with pytest.raises(AirflowException, match=r"lists 1 eSIMs.*does not know.*bought twice"):
        bought.export()


# ---- eSIMs that are in use, or gone -------------------------------------------------------------------


def test_codes_of_installed_esims_are_withheld_on_request(bought: Desk):
    bought.sandbox.install_all(2)
    told = bought.export(even_if_installed=False)
    assert (told["withheld"] > 0, told["qr_codes"] > 0) == (True, True)
    assert told["withheld"] + told["qr_codes"] == 5
    kept = [row for row in rows_of(told) if row["withheld"]]
    secrets = [lpas(bought)[row["iccid"]].rpartition("$")[2] for row in kept]
    assert leaks(bought.kits, {"a withheld code": secrets}) == []
    for archive in (Path(told["folder"]) / "vendor").iterdir():
        assert not scans_in(archive) & {lpas(bought)[row["iccid"]] for row in kept}
    assert bought.export()["withheld"] == 0


def test_where_everything_is_withheld_the_earlier_kit_is_told_of(bought: Desk):
    folder = bought.export()["folder"]
    bought.sandbox.install_all()
    with pytest.raises(AirflowFailException) as failed:
        bought.export(even_if_installed=False)
    assert "None of the 5 codes of batch 'batch' is handed out" in str(failed.value)
    assert f"An earlier kit, with its codes, is still in {folder}" in str(failed.value)


def test_a_deactivated_esim_is_told_of_and_stops_no_other(bought: Desk):
    gone = rows_of(bought.export())[0]["iccid"]
    bought.hook().client.delete_esim(gone)
    told = bought.export()
    assert (told["qr_codes"], told["withheld"]) == (4, 1)
    (row,) = [row for row in rows_of(told) if row["withheld"]]
    assert (row["iccid"], row["activation_code"]) == (gone, "")
    assert "deactivated" in row["withheld"]
    assert told["vendor_files"] == 2, "the vendor gives no images of an order with a deactivated eSIM"


# ---- device management --------------------------------------------------------------------------------


def test_files_for_device_management_come_with_the_kit(desk: Desk):
    header = "recipient_ref,bundle,quantity,iccid,cost_centre,name,email,IMEI"
    manifest = desk.manifest(f"ana,{GB},1,,,Ana,,490154203237518", header=header)
    desk.validate(manifest)
    desk.place()
    told = desk.export(manifest=manifest, formats=["knox", "intune", "android_management"])
    folder = Path(told["folder"]) / "mdm"
    assert told["mdm_files"] == 3
    (row,) = rows_of(told)
    sheet = openpyxl.load_workbook(folder / "knox-manage.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]] == [row["activation_code"], "490154203237518"]
    (intune,) = folder.glob("intune-*.csv")
    assert intune.read_text().split() == [row["smdp_address"], f"{row['iccid']},{row['matching_id']}"]
    (line,) = (folder / "android-management.jsonl").read_text().splitlines()
    assert json.loads(line)["command"]["addEsimParams"]["activationCode"] == row["activation_code"]


@pytest.mark.parametrize(
    ("formats", "told"),
    [
        (["apple_mdm"], "takes no activation code"),
        (["intun"], "intune"),
        (["knox"], "IMEI"),
    ],
)
def test_a_format_that_cannot_be_made_says_why_and_writes_nothing(
    bought: Desk, formats: list[str], told: str
):
    with pytest.raises(AirflowException, match=told):
        bought.export(formats=formats)
    assert not bought.kits.exists()


# ---- where it goes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3 server on loopback. One for all: Airflow keeps the file system that it has made for a connection."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket `kits`, and the connection `store` to it."""
    extra = {"endpoint_url": store, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    client = boto3.client("s3", aws_access_key_id="key", aws_secret_access_key="secret", **extra)
    client.create_bucket(Bucket="kits")
    for key in keys_in(client):
        client.delete_object(Bucket="kits", Key=key)
    return client


def keys_in(bucket: Any) -> set[str]:
    return {one["Key"] for one in bucket.list_objects_v2(Bucket="kits").get("Contents", [])}


def test_a_kit_goes_into_a_bucket_is_replaced_there_and_purged(bought: Desk, bucket: Any):
    told = bought.export(
        destination="s3://kits/acme", storage_conn_id="store", formats=["android_management"]
    )
    assert told["folder"] == "s3://store@kits/acme/batch"
    keys = keys_in(bucket)
    assert len(keys) == 3 + 2 * 5 + 3 + 1
    index = bucket.get_object(Bucket="kits", Key="acme/batch/index.csv")["Body"].read().decode()
    for row in csv.DictReader(io.StringIO(index)):
        png = bucket.get_object(Bucket="kits", Key=f"acme/batch/{row['qr_png']}")["Body"].read()
        assert scanned(png) == row["activation_code"]
    bucket.put_object(Bucket="kits", Key="acme/batch/notes.txt", Body=b"mine")
    bucket.put_object(Bucket="kits", Key="acme/batch/qr/stale-8944000000000000001.png", Body=b"old")
    bought.export(destination="s3://kits/acme", storage_conn_id="store")
    assert keys_in(bucket) == keys - {"acme/batch/mdm/android-management.jsonl"} | {"acme/batch/notes.txt"}
    told = bought.purge(batch_id="batch")
    assert (told["kits"], told["files"]) == (1, len(keys) - 1)
    assert keys_in(bucket) == {"acme/batch/notes.txt"}


def test_a_manifest_comes_from_a_bucket_too(desk: Desk, bucket: Any):
    bucket.put_object(Bucket="kits", Key="in/acme.csv", Body=Path(desk.manifest()).read_bytes())
    desk.validate("s3://kits/in/acme.csv", storage_conn_id="store")
    assert desk.place()["units"] == 3


def test_a_bucket_that_does_not_exist_is_one_clear_error(bought: Desk, bucket: Any):
    with pytest.raises(AirflowException, match=r"cannot be written to s3://.*Nothing was bought"):
        bought.export(destination="s3://nowhere/acme", storage_conn_id="store")


def test_a_folder_that_cannot_be_written_is_one_clear_error(bought: Desk):
    bought.kits.write_text("a file")
    with pytest.raises(
        AirflowException, match=r"The kit of batch 'batch' cannot be written.*Nothing was bought"
    ):
        bought.export()


def test_the_kit_is_its_owners_alone_and_exporting_buys_nothing(bought: Desk):
    sold = bought_units(bought.sandbox)
    folder = Path(bought.export(formats=["intune"])["folder"])
    found = {(place.is_dir(), stat.S_IMODE(place.stat().st_mode)) for place in [folder, *folder.rglob("*")]}
    assert found == {(True, 0o700), (False, 0o600)}
    assert bought_units(bought.sandbox) == sold


def test_the_ledger_remembers_where_kits_and_reports_are(bought: Desk):
    bought.validate(report_destination=str(bought.folder / "reports"), batch_id="other", allow_repeat=True)
    bought.export()
    hook = bought.hook()
    assert [
        Path(kit.folder).relative_to(bought.folder).as_posix()
        for kit in written_kits(hook.ledger, hook.account)
    ] == [
        "reports/other",
        "kits/batch",
    ]
