"""Whatever the bytes are: a manifest, or a ManifestError. And both readers see the same cells."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from airflow_provider_esimgo.manifest import (
    ManifestError,
    content_hash,
    expand_units,
    inspect_manifest,
    read_manifest,
)
from airflow_provider_esimgo.manifest.encoding import decode
from airflow_provider_esimgo.manifest.faults import UnreadableError
from airflow_provider_esimgo.manifest.report import faults_csv, report_html
from airflow_provider_esimgo.manifest.structure import read_table

BUNDLES = ["esim_A", "esim_B"]
WORKBOOK = (Path(__file__).parents[2] / "data" / "workbook.xlsx").read_bytes()
messy = st.text(st.sampled_from("Ee1b,;\t\"\n\r =+'\x00\x1a\x85\u2028\ufeffé\U0001f600"), max_size=60)
cell = st.one_of(
    st.sampled_from(
        ["", "E1", "E2", "esim_A", "esim_a", "2", "8.94E+18", "8944538532008160222", "DE", "2026-02-30"]
    ),
    messy,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


def refusal_is_readable(error: ManifestError) -> None:
    assert error.errors
    assert "Nothing was bought" in str(error)


def read_or_refuse(content: bytes):
    try:
        manifest = read_manifest(io.BytesIO(content), bundles=BUNDLES)
    except ManifestError as error:
        return refusal_is_readable(error)
    units = expand_units(manifest)
    assert len(units) == manifest.unit_count >= manifest.row_count > 0
    assert content_hash(units) == manifest.content_hash
    for row in manifest.rows:
        assert row.bundle in BUNDLES
        assert 1 <= len(row.recipient_ref) <= 64
        assert row.recipient_ref.isprintable()
        assert row.iccid is None or (
            18 <= len(row.iccid) <= 20 and row.iccid.isascii() and row.iccid.isdigit()
        )
    return manifest


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"recipient_ref,bundle\n\x00")
def test_any_bytes_are_read_or_refused(content):
    read_or_refuse(content)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(content):
    read_or_refuse(content.encode("utf-8", "surrogatepass"))


@settings(max_examples=200)
@given(st.sampled_from(["", "\ufeff"]), messy)
def test_any_rows_under_a_good_header_are_read_or_refused(mark, rest):
    read_or_refuse(f"{mark}recipient_ref,bundle,quantity,iccid,name\n{rest}".encode())


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            ["recipient_ref", "Bundle ", "bundle", "quantity", "iccid", "country", "install_by", "x", ""]
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.lists(cell, min_size=1, max_size=6), max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_table_is_read_or_refused(header, rows, separator, line_end):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, lineterminator=line_end).writerows([header, *rows])
    read_or_refuse(file.getvalue().encode())


@settings(max_examples=200)
@given(messy)
def test_pandas_and_csv_see_the_same_cells(text):
    try:
        table = read_table(*decode(("recipient_ref,bundle\n" + text).encode()))
    except UnreadableError:
        return
    clean = ("recipient_ref,bundle\n" + text).lstrip("\ufeff")
    records = list(csv.reader(io.StringIO(clean, newline="")))
    for row, values in zip(table.cells.index, table.cells.to_numpy().tolist(), strict=True):
        assert values == records[row - 1]


@given(
    st.lists(
        st.tuples(
            st.text("ABab12-", min_size=1, max_size=6).filter(lambda ref: not ref.startswith("-")),
            st.sampled_from(BUNDLES),
            st.integers(1, 12),
        ),
        unique_by=lambda row: row[:2],
        min_size=1,
        max_size=12,
    )
)
def test_a_good_table_is_always_read(rows):
    file = io.StringIO()
    csv.writer(file).writerows([("recipient_ref", "bundle", "quantity"), *rows])
    manifest = read_or_refuse(file.getvalue().encode())
    assert manifest is not None
    assert [(row.recipient_ref, row.bundle, row.quantity) for row in manifest.rows] == rows


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp850", "mac-roman", "cp1251", "shift-jis", "utf-32"]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.sampled_from(ENCODINGS), st.integers(0, 8))
def test_any_name_in_any_encoding_is_read_as_written_or_refused(name, encoding, cut):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("recipient_ref", "bundle", "name"), ("E1", "esim_A", name)])
    content = file.getvalue().encode(encoding, "ignore")
    manifest = read_or_refuse(content[: len(content) - cut])
    if manifest is None or cut:
        return
    if encoding.startswith("utf"):
        assert (manifest.rows[0].name or "") == name.strip(" \u00a0")


@settings(max_examples=100, deadline=None)
@given(st.text("ABCÄÖÜäöüßéáç xyz", min_size=1, max_size=20))
def test_western_names_of_windows_are_read_as_written_or_refused(name):
    manifest = read_or_refuse(f"recipient_ref,bundle,name\nE1,esim_A,{name}\n".encode("cp1252"))
    assert manifest is None or (manifest.rows[0].name or "") == name.strip()


iccids = st.integers(10**17, 10**20 - 1).map(str)
DAMAGE = {
    "float": lambda iccid: repr(float(iccid)),
    "exponent": lambda iccid: f"{float(iccid):.5E}",
    "comma exponent": lambda iccid: f"{float(iccid):.2E}".replace(".", ","),
    "point zero": lambda iccid: f"{iccid}.0",
    "fifteen digits": lambda iccid: iccid[:15] + "0" * (len(iccid) - 15),
    "spaces": lambda iccid: f"{iccid[:4]} {iccid[4:]}",
    "apostrophe": lambda iccid: f"'{iccid}",
    "cut": lambda iccid: iccid[:17],
    "letter": lambda iccid: iccid[:-1] + "O",
    "full width": lambda iccid: iccid[:-1] + "\uff11",
}


@settings(max_examples=200, deadline=None)
@given(
    iccids, st.sampled_from(sorted(DAMAGE)), st.sampled_from(",;\t"), st.sampled_from(["utf-8-sig", "utf-16"])
)
def test_a_damaged_iccid_never_passes(iccid, damage, separator, encoding):
    file = io.StringIO(newline="")
    rows = [("recipient_ref", "bundle", "iccid"), ("E1", "esim_A", DAMAGE[damage](iccid))]
    csv.writer(file, delimiter=separator).writerows(rows)
    assert read_or_refuse(file.getvalue().encode(encoding)) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(10**20), 10**20),
                st.floats(),
                st.datetimes(),
                st.sampled_from(
                    ["recipient_ref", "bundle", "iccid", "E1", "esim_A", "=1+1", "#N/A", "8.9E+18"]
                ),
                st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=8),
            ),
            max_size=4,
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_workbook_is_read_or_refused(rows, headed):
    book = openpyxl.Workbook()
    for row in [["recipient_ref", "bundle", "iccid", "name"]] * headed + rows:
        try:
            book.active.append(row)
        except (IllegalCharacterError, ValueError):
            return
    file = io.BytesIO()
    try:
        book.save(file)
    except (ValueError, OverflowError, TypeError):
        return  # openpyxl does not write it, so nobody can send it
    read_or_refuse(file.getvalue())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=30), st.integers(0, 200))
def test_any_damage_to_a_workbook_is_read_or_refused(spots, cut):
    content = bytearray(WORKBOOK)
    for at, value in spots:
        content[at % len(content)] = value
    read_or_refuse(bytes(content[: len(content) - cut]))


@settings(max_examples=60, deadline=None)
@given(iccids)
def test_an_iccid_that_a_workbook_holds_as_a_number_never_passes(iccid):
    book = openpyxl.Workbook()
    book.active.append(["recipient_ref", "bundle", "iccid"])
    book.active.append(["E1", "esim_A", int(iccid)])
    file = io.BytesIO()
    book.save(file)
    assert read_or_refuse(file.getvalue()) is None


@settings(max_examples=100, deadline=None)
@given(messy)
def test_reports_of_anything_are_written(rest):
    inspection = inspect_manifest(io.BytesIO(f"recipient_ref;bundle;quantity;iccid;name\n{rest}".encode()))
    assert "<script" not in report_html(inspection)
    lines = list(csv.reader(io.StringIO("".join(faults_csv(inspection)), newline=""), delimiter=";"))
    assert len(lines) >= 1 + len(inspection.faulty_rows)
