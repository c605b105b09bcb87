"""The sound rows of a manifest as the checks see them, and how a check reports what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from airflow_provider_esimgo.manifest.faults import Fault, Finding, Severity


@dataclass(frozen=True)
class BundleFacts:
    """What the checks know of a catalogue bundle. No `countries` means that its coverage is not known."""

    name: str
    countries: frozenset[str] = frozenset()  # ISO 2, roaming included


@dataclass(frozen=True)
class Sheet:
    """Text cells by known column name, indexed by spreadsheet row."""

    cells: pd.DataFrame
    bundles: Mapping[str, BundleFacts] | None = None  # the catalogue by name; None: do not check them
    extra: pd.DataFrame | None = field(default=None, repr=False)

    def column(self, name: str) -> pd.Series[str]:
        """A column, or blanks where the file has no such column."""
        if name in self.cells:
            return self.cells[name]
        return pd.Series("", index=self.cells.index, dtype=object)

    def without(self, rows: npt.NDArray[np.int64]) -> Sheet:
        """The other rows."""
        stays = ~np.isin(self.cells.index, rows)
        return Sheet(self.cells[stays], self.bundles, None if self.extra is None else self.extra[stays])


Check = Callable[[Sheet], Iterable[Finding | Fault]]


def matching(values: pd.Series[str], test: Callable[[str], re.Match[str] | None]) -> pd.Series[bool]:
    """Which values the pattern's method fits; each distinct value is looked at once."""
    codes, distinct = pd.factorize(values.to_numpy())
    fits = np.fromiter((test(value) is not None for value in distinct), dtype=bool, count=len(distinct))
    marks = fits[codes] if len(distinct) else np.zeros(0, dtype=bool)
    return pd.Series(marks, index=values.index, dtype=bool)


def faults_where(
    where: pd.Series[bool],
    sheet: Sheet,
    column: str | None,
    *,
    code: str,
    message: str | Sequence[str],
    cure: str | Sequence[str],
    severity: Severity = Severity.ERROR,
) -> Iterable[Finding]:
    """The same fault for every row that is marked; nothing where none is."""
    rows = sheet.cells.index.to_numpy()[where.to_numpy(dtype=bool)]
    if not len(rows):
        return ()
    values = None if column is None else sheet.column(column)[where].tolist()
    return (Finding(code, severity, column, rows.astype(np.int64), values, message, cure),)


def first_rows(keys: pd.DataFrame) -> pd.Series[int]:
    """For each row whose key occurs more than once: the first row with that key."""
    repeated = keys[keys.duplicated(keep=False)]
    numbered = repeated.assign(row=repeated.index)
    return numbered.groupby(list(keys), sort=False)["row"].transform("first")
