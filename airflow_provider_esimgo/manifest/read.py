"""CSV to a manifest, or to every fault in it at once.

A file with an error yields no rows at all: half a manifest would buy half a batch. Warnings travel on the
manifest; so do notes of what was forgiven in reading it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import BinaryIO

import pandas as pd

from airflow_provider_esimgo.manifest.checks import parse_day, run_checks
from airflow_provider_esimgo.manifest.columns import Columns, recognise_columns
from airflow_provider_esimgo.manifest.faults import Fault, ManifestError, Severity
from airflow_provider_esimgo.manifest.hashing import content_hash
from airflow_provider_esimgo.manifest.model import Manifest, Row
from airflow_provider_esimgo.manifest.sheet import Sheet
from airflow_provider_esimgo.manifest.structure import Table, UnreadableError, decode, read_table


def read_manifest(
    file: BinaryIO, *, name: str = "manifest", bundles: Collection[str] | None = None
) -> Manifest:
    """Read and check a manifest; with `bundles`, the catalogue's names, bundle names are checked too.

    Raises ManifestError with all faults if there is an error among them.
    """
    data = file.read()
    if not isinstance(data, bytes):
        raise TypeError("open the manifest in binary mode ('rb')")
    try:
        table = read_table(decode(data))
    except UnreadableError as error:
        raise ManifestError([error.fault], name) from None
    columns = recognise_columns(table.header)
    sheet, notes = _sheet(table, columns, bundles)
    faults = [*columns.faults, *_nameless(table, columns), *table.faults, *run_checks(sheet)]
    if any(fault.severity is Severity.ERROR for fault in faults):
        raise ManifestError(faults, name)
    rows = tuple(_rows(sheet))
    return Manifest(
        name=name,
        rows=rows,
        blank_rows=table.blank_rows,
        warnings=tuple(faults),
        notes=(*table.notes, *columns.notes, *notes),
        extra_columns=tuple(columns.extra),
        content_hash=content_hash(rows),
    )


def _sheet(table: Table, columns: Columns, bundles: Collection[str] | None) -> tuple[Sheet, tuple[str, ...]]:
    """The known columns by name, without spaces around their values, and a note if there were any.

    Spaces around an ICCID stay: they are evidence of what has been done to it.
    """
    cells = pd.DataFrame(index=table.cells.index)
    trimmed = 0
    for column, position in columns.known.items():
        raw = table.cells[position]
        clean = raw if column == "iccid" else raw.str.strip(" \u00a0")
        trimmed += int((clean != raw).sum())
        cells[column] = clean
    extra = table.cells[list(columns.extra.values())].set_axis(list(columns.extra), axis=1)
    notes = (f"spaces around {trimmed} values were removed",) if trimmed else ()
    return Sheet(cells, None if bundles is None else frozenset(bundles), extra), notes


def _nameless(table: Table, columns: Columns) -> Iterator[Fault]:
    """Spreadsheets leave empty columns at the edge; only one with something in it is a fault."""
    for position in columns.nameless:
        if (table.cells[position].str.strip() != "").any():
            yield Fault(
                "nameless_column",
                Severity.ERROR,
                None,
                None,
                None,
                f"column {position + 1} has values but no name in the header",
                "name it, or remove the column",
            )


def _rows(sheet: Sheet) -> Iterator[Row]:
    texts = {
        column: sheet.column(column).tolist()
        for column in ("recipient_ref", "bundle", "quantity", "iccid", "cost_centre", "name", "email")
    }
    countries = sheet.column("country").str.upper().tolist()
    given_days = sheet.column("install_by")
    days = {value: parse_day(value) for value in given_days.drop_duplicates()}
    extras = [] if sheet.extra is None else sheet.extra.to_dict("records")
    for at, (number, day) in enumerate(zip(sheet.cells.index, given_days, strict=True)):
        yield Row(
            number=int(number),
            recipient_ref=texts["recipient_ref"][at],
            bundle=texts["bundle"][at],
            quantity=int(texts["quantity"][at] or 1),
            iccid=texts["iccid"][at] or None,
            cost_centre=texts["cost_centre"][at] or None,
            country=countries[at] or None,
            install_by=days[day],
            name=texts["name"][at] or None,
            email=texts["email"][at] or None,
            extra={str(key): value for key, value in extras[at].items()} if extras else {},
        )
