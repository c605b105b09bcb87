"""Whatever the bytes are: a manifest, or a ManifestError. And both readers see the same cells."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_esimgo.manifest import ManifestError, content_hash, expand_units, read_manifest
from airflow_provider_esimgo.manifest.structure import UnreadableError, decode, read_table

BUNDLES = ["esim_A", "esim_B"]
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
        table = read_table(decode(("recipient_ref,bundle\n" + text).encode()))
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
