"""The vendor's archives: whatever their files are called, each order gets the images of its own eSIMs."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from scanning import scanned

from airflow_provider_esimgo.kit import KitError, KitNotReady
from airflow_provider_esimgo.kit.qr import draw
from airflow_provider_esimgo.kit.vendor import divide

ICCIDS = [f"894450000000000000{digit}" for digit in range(4)]
CODES = {iccid: f"LPA:1$rsp.example$CODE-{at}" for at, iccid in enumerate(ICCIDS)}
PNG = {iccid: draw(code).png for iccid, code in CODES.items()}
TABLE = "ICCID,Matching ID\n" + "".join(f"{iccid},CODE-{at}\n" for at, iccid in enumerate(ICCIDS))
ORDERS = {"order-a": ICCIDS[:2], "order-b": ICCIDS[2:]}


def zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return archive.getvalue()


def held(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def plain() -> dict[str, bytes]:
    return {**{f"{iccid}.png": PNG[iccid] for iccid in ICCIDS}, "all.csv": TABLE.encode()}


def test_an_answer_about_one_order_is_kept_byte_for_byte():
    archive = zipped(plain())
    divided = divide(archive, {"order": ICCIDS}, CODES, CODES)
    assert divided.files == {"order.zip": archive}
    assert not divided.missing


def test_an_answer_about_several_becomes_an_archive_for_each():
    files = divide(zipped(plain()), ORDERS, CODES, CODES).files
    assert files.keys() == {"order-a.zip", "order-b.zip"}
    for reference, iccids in ORDERS.items():
        mine = held(files[f"{reference}.zip"])
        assert {name for name in mine if name.endswith(".png")} == {f"{iccid}.png" for iccid in iccids}
        assert all(mine[f"{iccid}.png"] == PNG[iccid] for iccid in iccids), "each image as it came"
        rows = list(csv.DictReader(io.StringIO(mine["all.csv"].decode())))
        assert [row["ICCID"] for row in rows] == iccids


def test_what_was_not_asked_for_is_not_in_it():
    """One recipient of an order is to get nobody else's code."""
    (archive,) = divide(zipped(plain()), {"order": ICCIDS[:1]}, CODES, CODES).files.values()
    mine = held(archive)
    assert [scanned(mine[name]) for name in mine if name.endswith(".png")] == [CODES[ICCIDS[0]]]
    assert b"CODE-1" not in mine["all.csv"]
    assert b"CODE-0" in mine["all.csv"]


def test_nested_folders_are_no_matter():
    nested = {f"x/y/{name}": content for name, content in plain().items()}
    files = divide(zipped(nested), ORDERS, CODES, CODES).files
    assert f"{ICCIDS[0]}.png" in held(files["order-a.zip"])


def test_a_name_that_climbs_out_of_its_folder_is_not_kept():
    files = divide(zipped({f"../../{ICCIDS[0]}.png": PNG[ICCIDS[0]]}), ORDERS, CODES, CODES).files
    assert list(held(files["order-a.zip"])) == [f"{ICCIDS[0]}.png"]


def test_images_whose_names_tell_nothing_are_known_by_what_they_hold():
    unnamed = {f"qr-code-{at:04d}.png": PNG[iccid] for at, iccid in enumerate(reversed(ICCIDS))}
    divided = divide(zipped(unnamed), ORDERS, CODES, ())
    assert not divided.missing
    for reference, iccids in ORDERS.items():
        scans = {scanned(png) for png in held(divided.files[f"{reference}.zip"]).values()}
        assert scans == {CODES[iccid] for iccid in iccids}


def test_a_missing_image_is_told_and_stops_nothing():
    some = {name: content for name, content in plain().items() if ICCIDS[3] not in name}
    assert divide(zipped(some), ORDERS, CODES, CODES).missing == {ICCIDS[3]}


@pytest.mark.parametrize(
    "extra",
    [
        {"logo.png": draw("https://vendor.example/logo").png},
        {"logo.png": b"no picture at all"},
        {"all.pdf": b"CODE-3", "codes.txt": b"CODE-3", f"{ICCIDS[3]}.svg": b"CODE-3"},
    ],
)
def test_what_is_no_esims_own_image_goes_to_nobody(extra: dict[str, bytes]):
    """It may hold somebody else's code."""
    files = divide(zipped({**plain(), **extra}), {"order": ICCIDS[:1]}, CODES, CODES).files
    assert held(files["order.zip"]).keys() == {f"{ICCIDS[0]}.png", "all.csv"}
    whole = divide(zipped({**plain(), **extra}), {"order": ICCIDS}, CODES, CODES).files
    assert extra.keys() <= held(whole["order.zip"]).keys(), "the whole order's archive is as it came"


def test_an_esim_whose_code_is_not_known_yet_is_somebody_elses_all_the_same():
    """Its order-mate is asked for; its own details still lag."""
    late = {ICCIDS[0]: CODES[ICCIDS[0]], ICCIDS[1]: None}
    archive = zipped({f"{iccid}.png": PNG[iccid] for iccid in ICCIDS[:2]})
    (made,) = divide(archive, {"order": ICCIDS[:1]}, late, late).files.values()
    assert list(held(made)) == [f"{ICCIDS[0]}.png"]


def test_an_archive_that_is_damaged_is_one_clear_error():
    archive = bytearray(zipped(plain()))
    archive[60] ^= 0xFF  # within the first image
    with pytest.raises(KitNotReady, match="cannot be read"):
        divide(bytes(archive), ORDERS, CODES, ())


def test_an_image_that_holds_another_code_stops_the_kit_and_tells_fingerprints_only():
    wrong = {**plain(), f"{ICCIDS[0]}.png": PNG[ICCIDS[1]]}
    with pytest.raises(KitError) as stopped:
        divide(zipped(wrong), ORDERS, CODES, CODES)
    told = str(stopped.value)
    assert ICCIDS[0] in told
    assert told.count("fingerprint") == 2
    assert "CODE-" not in told


def test_an_image_that_cannot_be_read_stops_the_kit():
    broken = {**plain(), f"{ICCIDS[2]}.png": PNG[ICCIDS[2]][:150]}
    with pytest.raises(KitError, match=f"{ICCIDS[2]}.*nothing that can be read"):
        divide(zipped(broken), ORDERS, CODES, CODES)


def test_only_the_images_that_are_to_be_verified_are_read():
    wrong = {**plain(), f"{ICCIDS[0]}.png": PNG[ICCIDS[1]]}
    assert divide(zipped(wrong), ORDERS, CODES, [ICCIDS[1]]).files


def test_a_code_that_is_none_of_these_orders_stops_the_kit():
    stranger = draw("LPA:1$rsp.example$STRANGER").png
    with pytest.raises(KitError, match="none of the 4") as stopped:
        divide(zipped({**plain(), "one-more.png": stranger}), ORDERS, CODES, ())
    assert "STRANGER" not in str(stopped.value)


def test_a_file_too_large_for_a_qr_image_is_not_unpacked():
    with pytest.raises(KitError, match="cannot be a QR image"):
        divide(zipped({**plain(), "x.png": bytes(6_000_000)}), ORDERS, CODES, CODES)


def test_a_table_that_names_no_iccid_goes_to_nobody():
    files = divide(zipped({**plain(), "all.csv": b"a,b\n1,CODE-1\n"}), ORDERS, CODES, CODES).files
    assert not any("all.csv" in held(archive) for archive in files.values())


def test_the_same_answer_makes_the_same_archives():
    assert (
        divide(zipped(plain()), ORDERS, CODES, ()).files == divide(zipped(plain()), ORDERS, CODES, ()).files
    )
