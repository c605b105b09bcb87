"""A file to a manifest, or to every fault in it at once.

A row with an error is never bought. Unless asked otherwise neither is any other row of its file: half a
manifest would buy half a batch. Warnings travel on the manifest; so do notes of what was forgiven.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

import pandas as pd

from airflow_provider_esimgo.manifest.checks import run_checks
from airflow_provider_esimgo.manifest.columns import Columns, recognise_columns
from airflow_provider_esimgo.manifest.encoding import decode
from airflow_provider_esimgo.manifest.faults import Fault, Faults, Severity, UnreadableError
from airflow_provider_esimgo.manifest.inspection import Inspection, OnFaults
from airflow_provider_esimgo.manifest.model import Manifest
from airflow_provider_esimgo.manifest.sheet import BundleFacts, Sheet
from airflow_provider_esimgo.manifest.structure import Table, read_table
from airflow_provider_esimgo.manifest.workbook import is_workbook, read_workbook

Bundles = Collection[str] | Mapping[str, BundleFacts]


def read_manifest(
    file: BinaryIO,
    *,
    name: str = "manifest",
    bundles: Bundles | None = None,
    default_bundle: str | None = None,
    on_faults: OnFaults = OnFaults.FAIL,
) -> Manifest:
    """Read and check a manifest.

    Args:
        file: opened in binary mode.
        name: what to call it in messages.
        bundles: the catalogue's names, or its facts by name: then bundle names, and countries, are checked too.
        default_bundle: what rows that name no bundle ask for; the column may then be left out.
        on_faults: what to do about rows with errors.

    Raises:
        ManifestError: with all faults, if there is an error among them.
    """
    inspection = inspect_manifest(file, name=name, bundles=bundles, default_bundle=default_bundle)
    return inspection.manifest(on_faults)


def inspect_manifest(
    file: BinaryIO,
    *,
    name: str = "manifest",
    bundles: Bundles | None = None,
    default_bundle: str | None = None,
) -> Inspection:
    """Read and check a manifest, and keep all that was found. Never raises for what is in the file."""
    data = file.read()
    if not isinstance(data, bytes):
        raise TypeError("open the manifest in binary mode ('rb')")
    try:
        if is_workbook(data):
            table = read_workbook(data)
        else:
            text, notes = decode(data)
            table = read_table(text, notes)
    except UnreadableError as error:
        return Inspection(name, Faults([error.fault]))
    columns = recognise_columns(table.header, without=("bundle",) if default_bundle else ())
    sheet, forgiven = _sheet(table, columns, bundles, default_bundle)
    parts = [*columns.faults, *_nameless(table, columns), *table.faults, *run_checks(sheet)]
    return Inspection(
        name,
        Faults(parts),
        notes=(*table.notes, *columns.notes, *forgiven),
        table=table,
        sheet=sheet,
        extra_columns=tuple(columns.extra),
    )


def _sheet(
    table: Table, columns: Columns, bundles: Bundles | None, default_bundle: str | None
) -> tuple[Sheet, tuple[str, ...]]:
    """The known columns by name, without spaces around their values, and notes of what was assumed.

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
    notes = [f"spaces around {trimmed} values were removed"] if trimmed else []
    if default_bundle:
        named = cells.get("bundle", pd.Series("", index=cells.index))
        cells["bundle"] = named.mask(named == "", default_bundle)
        if count := int((named == "").sum()):
            notes.append(f"{count} rows name no bundle and get {default_bundle}")
    return Sheet(cells, _facts(bundles), extra), tuple(notes)


def _facts(bundles: Bundles | None) -> Mapping[str, BundleFacts] | None:
    if bundles is None or isinstance(bundles, Mapping):
        return bundles
    return {name: BundleFacts(name) for name in bundles}


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
