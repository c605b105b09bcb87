"""Upload files for device management: what each system takes, and nothing that it would refuse."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.kit.mdm import FORMATS, check_formats, mdm_files

CODE = "K2-1ABCDE-9XYZ01"
IMEIS = ("356938035643809", "490154203237518", "353879234252633")


def entry(at: int = 0, recipient: str = "", **fields: Any) -> KitEntry:
    known = {
        "bundle": "esim_1GB_7D_GB_V2",
        "smdp_address": "rsp.example.com",
        "matching_id": f"{CODE}-{at}",
        "name": "Ada Whitfield",
        "email": "ada@acme.example",
        **fields,
    }
    known.setdefault("iccid", f"{8944500000000000000 + at}")
    return KitEntry(recipient_ref=recipient or f"ACME-{at}", **known)


def with_imeis(*imeis: str, column: str = "imei") -> list[KitEntry]:
    return [entry(at, extra={column: imei}) for at, imei in enumerate(imeis)]


def files(formats: str, entries: list[KitEntry]) -> dict[str, bytes]:
    listed = list(mdm_files([formats], entries))
    made = dict(listed)
    assert len(made) == len(listed)
    return made


def sheet_of(entries: list[KitEntry]) -> Any:
    (content,) = files("knox", entries).values()
    return openpyxl.load_workbook(io.BytesIO(content)).active


def android_lines(entries: list[KitEntry]) -> list[dict[str, Any]]:
    (content,) = files("android_management", entries).values()
    return [json.loads(line) for line in content.decode("ascii").splitlines()]


def refusal(formats: list[str], entries: list[KitEntry]) -> str:
    """What is told, which names no code and no person."""
    with pytest.raises(KitError) as refused:
        mdm_files(formats, entries)
    told = str(refused.value)
    assert not any(secret in told for secret in (CODE, "Ada", "ada@"))
    return told


class TestFormats:
    def test_are_in_one_order_and_each_once(self):
        assert check_formats(["knox", "intune", "knox"]) == ("intune", "knox")
        assert check_formats(FORMATS[::-1]) == FORMATS
        assert check_formats([]) == ()

    @pytest.mark.parametrize(
        "name", ["apple", "Apple", "APPLE_MDM", "apple mdm", "jamf", "Jamf Pro", "apple-configurator", "iOS"]
    )
    def test_apples_is_refused_with_the_reason_and_the_way_out(self, name):
        told = refusal([name], [])
        assert "RefreshCellularPlans" in told
        assert "QR codes" in told

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("Intune", "intune"),
            ("in-tune", "intune"),
            ("knoxx", "knox"),
            ("Android Management", "android_management"),
        ],
    )
    def test_a_misspelt_one_is_told_with_the_nearest_and_the_list(self, name, meant):
        told = refusal([name], [])
        assert f"Did you mean {meant!r}?" in told
        assert all(known in told for known in FORMATS)

    def test_an_unknown_one_is_told_with_the_list(self):
        told = refusal(["workspace_one"], [])
        assert "Did you mean" not in told
        assert all(known in told for known in FORMATS)

    def test_a_bare_text_is_not_taken_for_a_list_of_letters(self):
        assert "['intune']" in refusal("intune", [])  # type: ignore[arg-type]


class TestEveryFormat:
    @pytest.mark.parametrize("name", FORMATS)
    def test_entries_without_a_code_are_left_out(self, name):
        kept, *_ = with_imeis(IMEIS[0])
        withheld = entry(7, smdp_address="", matching_id="", withheld="installed already")
        made = files(name, [withheld, kept])
        assert made == files(name, [kept])
        assert files(name, [withheld]) == {}

    @pytest.mark.parametrize("name", FORMATS)
    def test_an_esim_with_two_bundles_is_there_once_and_in_its_first_place(self, name):
        one, two = with_imeis(*IMEIS[:2])
        second_bundle = entry(0, bundle="esim_5GB_30D_FR_V2", topped_up=True, extra=one.extra)
        assert files(name, [one, two, second_bundle]) == files(name, [one, two])

    def test_the_same_entries_make_the_same_bytes_at_any_time(self, monkeypatch):
        entries = with_imeis(*IMEIS)
        made = list(mdm_files(FORMATS, entries))
        later = time.localtime(time.time() + 90_000)
        monkeypatch.setattr(time, "localtime", lambda *_: later)
        assert list(mdm_files(FORMATS[::-1], entries)) == made
        assert [name.split("/")[1].split("-")[0] for name, _ in made] == ["intune", "knox", "android"]

    def test_what_is_wrong_is_told_before_the_first_file(self):
        assert "Knox" in refusal(["intune", "knox"], [entry()])


class TestIntune:
    def test_a_file_is_the_servers_name_and_a_row_an_esim(self):
        made = files("intune", [entry(1), entry(2, smdp_address="RSP.example.com")])
        assert made == {
            "mdm/intune-esim_1GB_7D_GB_V2-rsp.example.com-001.csv": (
                b"rsp.example.com\r\n"
                b"8944500000000000001,K2-1ABCDE-9XYZ01-1\r\n"
                b"8944500000000000002,K2-1ABCDE-9XYZ01-2\r\n"
            )
        }

    def test_each_server_and_each_bundle_has_its_own_file(self):
        made = files("intune", [entry(1), entry(2, smdp_address="b.example.com"), entry(3, bundle="other")])
        assert list(made) == [
            "mdm/intune-esim_1GB_7D_GB_V2-rsp.example.com-001.csv",
            "mdm/intune-esim_1GB_7D_GB_V2-b.example.com-001.csv",
            "mdm/intune-other-rsp.example.com-001.csv",
        ]

    @pytest.mark.parametrize(
        ("esims", "rows"), [(1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])]
    )
    def test_no_file_has_more_than_a_thousand_rows(self, esims, rows):
        made = files("intune", [entry(at) for at in range(esims)])
        assert [content.count(b"\r\n") - 1 for content in made.values()] == rows
        assert [name[-7:-4] for name in made] == [f"{part:03}" for part in range(1, len(rows) + 1)]
        assert all(content.startswith(b"rsp.example.com\r\n") for content in made.values())
        esims_written = [line for content in made.values() for line in content.split()[1:]]
        assert len(set(esims_written)) == esims

    @given(st.lists(st.text(max_size=4) | st.sampled_from(["a/b", "a_b", "A_b", "é", "e"]), min_size=1))
    def test_no_two_files_have_one_name_even_where_case_is_not_told(self, bundles):
        made = files("intune", [entry(at, bundle=bundle) for at, bundle in enumerate(bundles)])
        assert len({name.casefold() for name in made}) == len(set(bundles))
        assert all(name.isascii() and name.count("/") == 1 for name in made)

    def test_a_file_has_its_name_in_whatever_order_the_entries_come(self):
        alike = [entry(1, bundle="a/b"), entry(2, bundle="a_b")]
        assert files("intune", alike) == files("intune", alike[::-1])

    @pytest.mark.parametrize(
        ("fields", "misfit"),
        [
            ({"iccid": "894450000000000001"}, "ICCID"),
            ({"iccid": "894450000000000000123"}, "ICCID"),
            ({"iccid": "894450000000000000\N{ARABIC-INDIC DIGIT ONE}"}, "ICCID"),
            ({"iccid": "8944500000000000001\n"}, "ICCID"),
            ({"matching_id": f"{CODE}_1"}, "matching id"),
            ({"matching_id": f"{CODE},1"}, "matching id"),
            ({"smdp_address": "rsp"}, "SM-DP+ address"),
            ({"smdp_address": "10.0.0.1"}, "SM-DP+ address"),
            ({"smdp_address": "rsp,x.example"}, "SM-DP+ address"),
        ],
    )
    def test_what_intune_would_refuse_is_told_with_its_iccid_and_the_way_out(self, fields, misfit):
        told = refusal(["intune"], [entry(1), entry(2, **fields)])
        assert fields.get("iccid", "8944500000000000002") in told
        assert misfit in told
        assert "Leave 'intune' out" in told


class TestKnox:
    def test_a_row_is_the_whole_code_and_the_phone(self):
        rows = list(sheet_of(with_imeis(*IMEIS)).iter_rows(values_only=True))
        assert rows == [
            ("Activation Code", "IMEI"),
            *((f"LPA:1$rsp.example.com${CODE}-{at}", imei) for at, imei in enumerate(IMEIS)),
        ]

    def test_every_cell_is_text(self):
        cells = [cell for row in sheet_of(with_imeis(*IMEIS)).iter_rows() for cell in row]
        assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}

    def test_the_workbook_holds_no_time_of_writing(self):
        (content,) = files("knox", with_imeis(IMEIS[0])).values()
        archive = zipfile.ZipFile(io.BytesIO(content))
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        assert archive.read("docProps/core.xml").count(b"1980-01-01T00:00:00Z") == 2

    def test_no_code_is_ever_in_a_temporary_file(self, monkeypatch):
        def refuse(*_, **__):
            raise AssertionError("a temporary file")

        for make in ("mkstemp", "mkdtemp", "TemporaryFile", "NamedTemporaryFile"):
            monkeypatch.setattr(tempfile, make, refuse)
        assert files("knox", with_imeis(*IMEIS))

    @pytest.mark.parametrize("column", ["imei", "IMEI", "I-M_E I", " Imei "])
    @pytest.mark.parametrize("written", ["356938035643809", "35-693803-564380-9", " 35 693803 564380 9 "])
    def test_the_manifests_column_is_read_as_people_write_it(self, column, written):
        assert sheet_of(with_imeis(written, column=column))["B2"].value == "356938035643809"

    @pytest.mark.parametrize(
        "written",
        [
            "35693803564380",
            "3569380356438090",
            "356938035643808",
            "3.57E+14",
            "356938035643809.0",
            "=35693803564380",
            "n/a",
            "\N{ARABIC-INDIC DIGIT THREE}56938035643809",
        ],
    )
    def test_an_imei_that_is_none_is_told_by_its_recipient(self, written):
        told = refusal(["knox"], with_imeis(IMEIS[0], written))
        assert "1 of 2 eSIMs" in told
        assert "check digit ('ACME-1')" in told
        assert written not in told

    def test_esims_without_a_phone_are_counted_and_the_first_few_named(self):
        told = refusal(["knox"], [entry(at) for at in range(8)])
        assert "8 of 8 eSIMs" in told
        assert "('ACME-0', 'ACME-1', 'ACME-2', 'ACME-3', 'ACME-4' and 3 more)" in told
        assert "column 'imei'" in told

    def test_two_esims_for_one_phone_are_refused(self):
        told = refusal(["knox"], with_imeis(IMEIS[0], "35-693803-564380-9", IMEIS[1]))
        assert "2 of 3 eSIMs" in told
        assert "share an IMEI with another one ('ACME-0', 'ACME-1')" in told

    def test_two_columns_that_disagree_are_no_imei(self):
        told = refusal(["knox"], [entry(0, extra={"imei": IMEIS[0], "IMEI": IMEIS[1]})])
        assert "1 without an IMEI" in told

    def test_a_hostile_recipient_is_told_as_it_is_spelt(self):
        told = refusal(["knox"], [entry(0, recipient="A\n\N{RIGHT-TO-LEFT OVERRIDE}B")])
        assert r"'A\n\u202eB'" in told

    def test_a_code_that_no_workbook_holds_is_told_by_its_iccid(self):
        told = refusal(["knox"], [entry(0, matching_id=f"{CODE}\x01", extra={"imei": IMEIS[0]})])
        assert "8944500000000000000" in told

    def test_without_the_extra_it_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "xlsxwriter", None)
        assert "airflow-provider-esimgo[xlsx]" in refusal(["knox"], with_imeis(IMEIS[0]))

    def test_the_other_formats_need_no_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "xlsxwriter", None)
        assert len(list(mdm_files(["intune", "android_management"], [entry()]))) == 2


class TestAndroidManagement:
    def test_a_line_has_the_commands_body_and_whom_it_is_for(self):
        one, two = android_lines([entry(1, "Ümit 🙂\n"), entry(2, extra={"IMEI": "35-693803-564380-9"})])
        assert one == {
            "recipient_ref": "Ümit 🙂\n",
            "iccid": "8944500000000000001",
            "imei": None,
            "command": {
                "type": "ADD_ESIM",
                "addEsimParams": {
                    "activationCode": f"LPA:1$rsp.example.com${CODE}-1",
                    "activationState": "ACTIVATED",
                },
            },
        }
        assert two["imei"] == "356938035643809"
        assert list(two) == ["recipient_ref", "iccid", "imei", "command"]

    def test_a_person_is_in_no_line(self):
        (content,) = files("android_management", [entry()]).values()
        assert b"Ada" not in content
        assert b"ada@" not in content
