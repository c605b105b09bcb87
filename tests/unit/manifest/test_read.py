"""Reading: every value stays the text it was, and what was forgiven is said."""

from __future__ import annotations

import io
from datetime import date

import pytest

from airflow_provider_esimgo.manifest import Row, expand_units, read_manifest


def test_a_clean_manifest_is_read_whole(data, catalogue):
    with (data / "clean.csv").open("rb") as file:
        manifest = read_manifest(file, name="clean.csv", bundles=catalogue)
    assert manifest.name == "clean.csv"
    assert manifest.rows[0] == Row(
        number=2,
        recipient_ref="E-1001",
        bundle="esim_1GB_7D_DE_V2",
        quantity=1,
        cost_centre="CC-10",
        country="DE",
        install_by=date(2026, 3, 31),
        name="Anna Müller",
        email="anna@example.com",
    )
    assert (manifest.row_count, manifest.unit_count) == (7, 9)
    assert manifest.warnings == ()
    assert manifest.notes == ()


def test_namibia_and_words_that_look_like_nothing_stay_text(data):
    with (data / "clean.csv").open("rb") as file:
        manifest = read_manifest(file)
    assert manifest.rows[1].country == "NA"
    assert [row.recipient_ref for row in manifest.rows[3:]] == ["null", "nan", "1e5", "007"]


@pytest.mark.parametrize(
    "ref", ["NA", "N/A", "NULL", "None", "NaN", "nan", "true", "1e5", "0001", "1.0", "inf"]
)
def test_a_recipient_ref_is_never_reinterpreted(read, ref):
    assert read(f"recipient_ref,bundle\n{ref},b\n").rows[0].recipient_ref == ref


def test_a_countrys_letters_are_capitalised(data):
    with (data / "clean.csv").open("rb") as file:
        assert read_manifest(file).rows[2].country == "GB"


def test_column_order_is_free_and_unknown_columns_are_kept_for_the_kit(read):
    manifest = read("Site,bundle,Phone,recipient_ref\nBerlin,b,+49,E1\n")
    assert manifest.extra_columns == ("Site", "Phone")
    assert dict(manifest.rows[0].extra) == {"Site": "Berlin", "Phone": "+49"}


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated(data):
    with (data / "utf8_bom_crlf.csv").open("rb") as file:
        manifest = read_manifest(file)
    assert manifest.rows[0].recipient_ref == "E-1"
    assert manifest.rows[0].name == "Müller"
    assert manifest.notes == ()


def test_sloppy_headers_are_read_and_noted(read):
    manifest = read("Recipient_Ref ,BUNDLE,Cost Centre,E-Mail\nE1,b,CC,a@b.c\n")
    row = manifest.rows[0]
    assert (row.recipient_ref, row.bundle, row.cost_centre, row.email) == ("E1", "b", "CC", "a@b.c")
    assert manifest.notes[0] == "column 1 'Recipient_Ref ' was read as recipient_ref"
    assert len(manifest.notes) == 4


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolon"), ("\t", "tab")])
def test_semicolons_and_tabs_are_read_and_noted(read, separator, word):
    manifest = read("recipient_ref,bundle,quantity\nE1,b,2\n".replace(",", separator))
    assert manifest.rows[0].quantity == 2
    assert manifest.notes == (f"read as {word}-separated",)


def test_spaces_around_values_are_removed_and_noted(read):
    manifest = read("recipient_ref,bundle,quantity\n E1 ,b\u00a0, 2\n")
    assert manifest.rows[0] == Row(2, "E1", "b", 2)
    assert manifest.notes == ("spaces around 3 values were removed",)


def test_blank_rows_are_skipped_and_counted_and_rows_keep_their_numbers(read):
    manifest = read("recipient_ref,bundle\n\nE1,b\n , \n,\nE2,b\n\n")
    assert manifest.blank_rows == 4
    assert [row.number for row in manifest.rows] == [3, 6]


def test_a_line_break_inside_a_value_does_not_shift_row_numbers(read):
    manifest = read('recipient_ref,bundle,address\nE1,b,"1 High St\nLeeds"\nE2,b,x\n')
    assert [row.number for row in manifest.rows] == [2, 3]
    assert manifest.rows[0].extra["address"] == "1 High St\nLeeds"
    assert [(warning.code, warning.row) for warning in manifest.warnings] == [("line_break", 2)]


def test_empty_columns_at_the_edge_are_ignored(read):
    assert read("recipient_ref,bundle,,\nE1,b,,\n").extra_columns == ()


def test_leading_zeros_of_a_quantity_mean_nothing(read):
    manifest = read("recipient_ref,bundle,quantity\nE1,b,0003\n")
    assert manifest.rows[0].quantity == 3


def test_personal_data_is_in_no_repr(read):
    manifest = read("recipient_ref,bundle,name,email,phone\nE1,b,Zaphod,zaphod@example.com,+4912\n")
    assert manifest.rows[0].name == "Zaphod"
    seen = repr(manifest) + repr(manifest.rows) + repr(expand_units(manifest))
    for secret in ("Zaphod", "zaphod@example.com", "+4912"):
        assert secret not in seen


def test_a_text_file_is_refused_with_the_cure():
    with pytest.raises(TypeError, match="binary mode"):
        read_manifest(io.StringIO("recipient_ref,bundle\n"))  # type: ignore[arg-type]


def test_units_are_numbered_through_the_batch_in_row_order(read):
    units = expand_units(read("recipient_ref,bundle,quantity,country\nE1,b,2,de\n\nE2,c,1,\n"))
    assert [(unit.number, unit.row, unit.recipient_ref, unit.country) for unit in units] == [
        (1, 2, "E1", "DE"),
        (2, 2, "E1", "DE"),
        (3, 4, "E2", None),
    ]
