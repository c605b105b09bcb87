"""The sound rows of a manifest as the checks see them, and how a check reports what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from airflow_provider_esimgo.manifest.faults import Fault, Severity, shown


@dataclass(frozen=True)
class Sheet:
    """Text cells by known column name, indexed by spreadsheet row."""

    cells: pd.DataFrame
    bundles: frozenset[str] | None = None  # the catalogue's names; None: do not check them
    extra: pd.DataFrame | None = None

    def column(self, name: str) -> pd.Series[str]:
        """A column, or blanks where the file has no such column."""
        if name in self.cells:
            return self.cells[name]
        return pd.Series("", index=self.cells.index, dtype=object)


Check = Callable[[Sheet], Iterable[Fault]]


def faults_where(
    where: pd.Series[bool],
    sheet: Sheet,
    column: str,
    *,
    code: str,
    message: str,
    cure: str,
    severity: Severity = Severity.ERROR,
) -> Iterator[Fault]:
    """The same fault for every row that is marked."""
    marked = sheet.column(column)[where]
    for row, value in zip(marked.index, marked, strict=True):
        yield Fault(code, severity, int(row), column, shown(column, value), message, cure)


def first_rows(keys: pd.DataFrame) -> pd.Series[int]:
    """For each row whose key occurs more than once: the first row with that key."""
    repeated = keys[keys.duplicated(keep=False)]
    numbered = repeated.assign(row=repeated.index)
    return numbered.groupby(list(keys), sort=False)["row"].transform("first")
