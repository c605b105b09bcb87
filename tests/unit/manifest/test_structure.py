"""Files that are not what they say: one clear fault, where it is, and the cure."""

from __future__ import annotations

import pytest

HEADER = "recipient_ref,bundle,quantity\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b" \r\n\n", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b",,\n,,\n", "empty_file"),
        (b"recipient_ref,bundle", "no_rows"),
        (b"recipient_ref,bundle\n\n,\n", "no_rows"),
        (b"recipient_ref,bundle\nE1,b\0\n", "nul_byte"),
        (b"recipient_ref,bundle\nM\x9fller,b\n", "not_utf8"),
        (b'recipient_ref,bundle\n"E1,b\n', "unclosed_quote"),
        (b'recipient_ref,bundle\n"E"1,b\n', "stray_quote"),
        (b"recipient_ref,bundle\n" + b"x" * 200_000 + b",b\n", "unreadable_row"),
        (b"%PDF-1.7", "not_csv"),
        (b"\x1f\x8b\x08", "not_csv"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(faults, content, code):
    (fault,) = faults(content)
    assert fault.code == code
    assert fault.cure


@pytest.mark.parametrize(
    ("file", "code", "row", "says"),
    [
        ("mac_roman.csv", "not_utf8", None, "byte 96 (0x9f, line 2)"),
        ("really_xlsx.csv", "not_csv", None, "spreadsheet"),
        ("truncated_nul.csv", "nul_byte", None, "line 3"),
        ("unclosed_quote.csv", "unclosed_quote", 3, "never closed"),
    ],
)
def test_ugly_files_are_named_for_what_they_are(faults, data, file, code, row, says):
    (fault,) = faults((data / file).read_bytes())
    assert (fault.code, fault.row) == (code, row)
    assert says in fault.message


def test_rows_swallowed_by_a_stray_quote_are_pointed_at(faults, data):
    found = faults((data / "swallowed_rows.csv").read_bytes())
    assert [(fault.code, fault.row) for fault in found] == [("quantity_not_integer", 3), ("line_break", 2)]


def test_every_missing_column_is_named(faults):
    found = faults("who,what\nE1,b\n")
    assert [(fault.code, fault.column) for fault in found] == [
        ("missing_column", "recipient_ref"),
        ("missing_column", "bundle"),
    ]


def test_a_file_without_a_header_does_not_print_its_first_row(faults, data):
    found = faults((data / "no_header.csv").read_bytes())
    assert {fault.code for fault in found} == {"missing_column"}
    assert "Anna" not in str(found)
    assert "anna@" not in str(found)


@pytest.mark.parametrize(
    "header", ["bundle,recipient_ref,bundle", "bundle,recipient_ref,Bundle ", "x,bundle,recipient_ref,x"]
)
def test_a_column_name_twice_is_refused(faults, header):
    row = ",".join("abcd"[: header.count(",") + 1])
    assert [fault.code for fault in faults(f"{header}\n{row}\n")] == ["duplicate_column"]


@pytest.mark.parametrize(
    ("header", "meant"), [("iccids", "iccid"), ("quantiy", "quantity"), ("Cost Center", "cost_centre")]
)
def test_a_column_that_looks_like_a_known_one_is_not_ignored(faults, header, meant):
    (fault,) = faults(f"recipient_ref,bundle,{header}\nE1,b,\n")
    assert (fault.code, fault.column) == ("misspelt_column", meant)


@pytest.mark.parametrize("header", ["surname", "country_code", "site", "first_name", "phone"])
def test_a_column_of_the_clients_own_is_not_mistaken_for_a_known_one(read, header):
    assert read(f"recipient_ref,bundle,{header}\nE1,b,\n").extra_columns == (header,)


def test_a_nameless_column_with_values_is_refused(faults):
    assert [fault.code for fault in faults("recipient_ref,bundle,\nE1,b,2\n")] == ["nameless_column"]


def test_every_ragged_row_is_reported_with_its_number(faults):
    found = faults(HEADER + "E1,b\nE2,b,1,x\nE3,b,1\n\nE4\n")
    assert [(fault.code, fault.row) for fault in found] == [
        ("too_few_fields", 2),
        ("too_many_fields", 3),
        ("too_few_fields", 6),
    ]
    assert found[1].message == "the row has 4 fields but the header has 3"


def test_one_field_more_in_every_row_is_not_taken_for_an_index(faults):
    found = faults(HEADER + "E1,b,1,\nE2,b,1,\n")
    assert [(fault.code, fault.row) for fault in found] == [("too_many_fields", 2), ("too_many_fields", 3)]


def test_file_and_row_faults_come_together(faults):
    found = faults("recipient_ref,quantity\nE1,x\nE2\n")
    assert [fault.code for fault in found] == ["missing_column", "quantity_not_integer", "too_few_fields"]
