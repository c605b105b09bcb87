"""Windows-1252 only where it is sure; everything else names its byte and the cure."""

from __future__ import annotations

import sys

import pytest

TABLE = "recipient_ref,bundle,name\nE1,b,{}\n"


@pytest.mark.parametrize("name", ["Müller", "Groß Änne", "José Ávila", "Çelik", "Zoë"])
def test_what_all_western_encodings_agree_on_is_read(read, name):
    manifest = read(TABLE.format(name).encode("cp1252"))
    assert manifest.rows[0].name == name
    assert manifest.notes == ("read as Windows-1252",)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Müller", "cp850"),
        ("Müller", "mac-roman"),
        ("Straße", "cp437"),
        ("Nováček", "cp1250"),
        ("Hélène", "cp1252"),  # è is č in Central Europe
        ("Юлия", "cp1251"),
        ("Ελένη", "cp1253"),
        ("田中", "shift-jis"),
        ("张伟", "gbk"),
        ("100 €", "cp1252"),
    ],
)
def test_what_could_be_something_else_is_refused_with_its_byte(faults, name, encoding):
    (fault,) = faults(TABLE.format(name).encode(encoding))
    assert fault.code == "not_utf8"
    assert "line 2) is not UTF-8" in fault.message
    assert "CSV UTF-8" in fault.cure


def test_a_damaged_byte_in_a_file_marked_as_utf8_is_no_windows_file(faults):
    (fault,) = faults(b"\xef\xbb\xbf" + TABLE.format("Müller").encode("cp1252"))
    assert fault.code == "not_utf8"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_known_by_its_mark(read, encoding):
    manifest = read(("\ufeff" + TABLE.format("שרה")).encode(encoding))
    assert manifest.rows[0].name == "שרה"
    assert manifest.notes == ("read as UTF-16",)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfea", "damaged_utf16"),
        (b"\xff\xfe", "empty_file"),
        ("\ufeffa\0b".encode("utf-16-le"), "nul_byte"),
        ("\ufeffrecipient_ref".encode("utf-32-le"), "not_csv"),
        (b"PK\x03\x04 and no more", "not_csv"),
    ],
)
def test_what_only_begins_like_it_is_refused(faults, content, code):
    assert [fault.code for fault in faults(content)] == [code]


def test_without_the_extra_a_workbook_names_it(faults, monkeypatch, data):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (fault,) = faults((data.parents[2] / "data" / "workbook.xlsx").read_bytes())
    assert fault.code == "xlsx_extra"
    assert "airflow-provider-esimgo[xlsx]" in fault.cure


def test_a_workbook_cut_short_is_refused(faults, data):
    whole = (data.parents[2] / "data" / "workbook.xlsx").read_bytes()
    start = whole.index(b"xl/worksheets/sheet1.xml") + 60
    (fault,) = faults(whole[:start] + b"\0" * 40 + whole[start + 40 :])
    assert fault.code == "damaged_workbook"
