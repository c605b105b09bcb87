"""The two files that go back to who sent a manifest: `faults.csv` to mend, and an HTML page to read.

Both hold the client's own rows, names and addresses included: they belong beside the kit and nowhere else.
The page is one file, without scripts; the client's text is escaped in it, and cannot be a formula in the CSV.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from airflow_provider_esimgo.manifest.columns import known_column
from airflow_provider_esimgo.manifest.faults import Fault, Finding, Severity, counted
from airflow_provider_esimgo.manifest.inspection import Inspection

FAULT_COLUMNS = ("fault_row", "fault_columns", "fault_codes", "fault_text")
MOST_ROWS = 1000  # on the page; faults.csv has them all
MOST_OF_FILE = 100  # faults without a row, on the page
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def faults_csv(inspection: Inspection) -> Iterator[str]:
    """Every row with an error, as the client wrote it, and what is wrong with it: mend it and send it again.

    Comes line by line, for it can be larger than the file. The separator is the client's own. Faults of the
    file itself stand first, without a row.
    """
    table = inspection.table
    line = _Line("," if table is None else table.delimiter)
    header, positions = _own_columns(inspection)
    yield line.of([*header, *FAULT_COLUMNS])
    for fault in inspection.file_faults:
        text = _sentence(fault, fault.message, fault.cure)
        yield line.of([*[""] * len(header), fault.row or "", fault.column or "", fault.code, text])
    if table is None:
        return
    rows = inspection.faulty_rows
    cells = table.every.loc[rows].to_numpy()
    for at, told in enumerate(_told_by_row(inspection, rows)):
        joined = [" | ".join(texts) for texts in zip(*told, strict=True)]
        yield line.of([*(_cell(cells[at, position]) for position in positions), int(rows[at]), *joined])


class _Line:
    """Turns cells into a line of CSV."""

    def __init__(self, delimiter: str) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, delimiter=delimiter)

    def of(self, cells: Sequence[object]) -> str:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(cells)
        return self._text.getvalue()


def _own_columns(inspection: Inspection) -> tuple[list[str], list[int]]:
    """The client's columns and where they stand, without those of an earlier faults.csv."""
    if inspection.table is None:
        return [], []
    width = inspection.table.every.shape[1]
    names = [*inspection.table.header, *[""] * (width - len(inspection.table.header))]
    kept = [at for at, name in enumerate(names) if name.strip() not in FAULT_COLUMNS]
    return [_cell(names[at]) for at in kept], kept


def _told_by_row(inspection: Inspection, rows: npt.NDArray[np.int64]) -> Iterator[list[tuple[str, str, str]]]:
    """Column, code and text of every fault of each of these rows, which are in order."""
    alone: dict[int, list[Fault]] = defaultdict(list)
    queues = []
    for part in inspection.faults.parts:
        if isinstance(part, Fault):
            alone[part.row or 0].append(part)
        else:  # a check goes through the rows in order
            queues.append((part, part.rows.searchsorted(rows), part.rows.searchsorted(rows, "right")))
    for at, row in enumerate(rows.tolist()):
        told = []
        for part, first, end in queues:
            for here in range(first[at], end[at]):
                told.append((part.column or "", part.code, _sentence(part, *part.told(here))))
        told += [(one.column or "", one.code, _sentence(one, one.message, one.cure)) for one in alone[row]]
        yield told


def _sentence(part: Fault | Finding, message: str, cure: str) -> str:
    note = "warning: " if part.severity is Severity.WARNING else ""
    return f"{f'{part.column}: ' if part.column else ''}{note}{message}; {cure}"


def _cell(text: str) -> str:
    """Keep a spreadsheet from taking the client's text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def report_html(inspection: Inspection, *, quarantined: bool = False) -> str:
    """A page with the counts, what was assumed, and the rows with their faulty cells marked."""
    return "".join(_page(inspection, quarantined))


def _page(inspection: Inspection, quarantined: bool) -> Iterator[str]:
    faults = inspection.faults
    faulty, rows = len(inspection.faulty_rows), inspection.row_count
    warned = int((~_isin(faults.rows, inspection.faulty_rows)).sum()) if rows else 0
    name = escape(inspection.name)
    yield _HEAD.format(title=f"{name}: {counted(faults)}", style=_STYLE)
    yield f"<h1><bdi>{name}</bdi></h1><p class=verdict>{escape(_verdict(inspection, quarantined))}</p><dl class=counts>"
    for label, count, kind in (
        ("rows", rows, ""),
        ("without errors", rows - faulty, "good"),
        ("with errors", faulty, "error" if faulty else ""),
        ("with warnings only", warned, "warning" if warned else ""),
        ("errors", len(faults.errors), "error" if len(faults.errors) else ""),
        ("blank rows skipped", 0 if inspection.table is None else inspection.table.blank_rows, ""),
    ):
        yield f"<div class='{kind}'><dt>{label}</dt><dd>{count:,}</dd></div>"
    yield "</dl>"
    if inspection.notes:
        yield "<h2>What was assumed</h2><ul>"
        yield "".join(f"<li>{escape(note)}</li>" for note in inspection.notes)
        yield "</ul>"
    if len(inspection.file_faults):
        yield "<h2>The file</h2><ul>"
        for fault in inspection.file_faults[:MOST_OF_FILE]:
            column = f"<code>{escape(fault.column)}</code>: " if fault.column else ""
            column = f"row {fault.row}: {column}" if fault.row else column
            yield f"<li class={fault.severity}>{column}{escape(fault.message)}; <b>{escape(fault.cure)}</b></li>"
        yield "</ul>"
    yield from _codes(inspection)
    yield from _rows(inspection)
    yield "</body></html>\n"


def _verdict(inspection: Inspection, quarantined: bool) -> str:
    faulty = len(inspection.faulty_rows)
    if not len(inspection.faults.errors):
        return "Every row is in order."
    if quarantined:
        return (
            f"{inspection.row_count - faulty:,} rows went on. {faulty:,} were put aside into faults.csv and "
            "nothing is bought for them: mend them there, and send that file as a batch of its own."
        )
    return "Nothing was bought for any row. Mend what is marked in your file, and send the whole file again."


def _codes(inspection: Inspection) -> Iterator[str]:
    """What is wrong, how often, the most frequent first."""
    times: dict[tuple[str, str], int] = defaultdict(int)
    for part in inspection.faults.parts:
        times[part.severity, part.code] += 1 if isinstance(part, Fault) else len(part.rows)
    if not times:
        return
    yield "<h2>What is wrong, how often</h2><table class=codes>"
    for (severity, code), count in sorted(times.items(), key=lambda item: (item[0][0], -item[1])):
        yield f"<tr class={severity}><td>{severity}</td><td><code>{escape(code)}</code></td><td>{count:,}</td></tr>"
    yield "</table>"


def _rows(inspection: Inspection) -> Iterator[str]:
    table = inspection.table
    if table is None or table.every.empty:
        return
    shown = table.every
    only = len(shown) > MOST_ROWS
    if only:
        shown = shown[_isin(shown.index.to_numpy(), inspection.faults.rows)]
    header, positions = _own_columns(inspection)
    known = _columns(inspection)
    at_row: dict[int, list[Fault]] = defaultdict(list)
    wanted = set(shown.index[:MOST_ROWS].tolist())
    for part in inspection.faults.parts:
        for at, row in enumerate([part.row] if isinstance(part, Fault) else part.rows.tolist()):
            if row in wanted:
                at_row[row].append(part if isinstance(part, Fault) else part.fault(at))
    yield "<h2>The rows</h2>"
    if only:
        of = f"the first {MOST_ROWS:,} of {len(shown):,}" if len(shown) > MOST_ROWS else f"the {len(shown):,}"
        yield f"<p>Only {of} rows that something is said about are shown.</p>"
    yield "<div class=sheet><table><thead><tr><th>row</th>"
    yield "".join(f"<th><bdi>{escape(name)}</bdi></th>" for name in header)
    yield "</tr></thead><tbody>"
    for row, cells in zip(
        shown.index[:MOST_ROWS].tolist(), shown.iloc[:MOST_ROWS].to_numpy().tolist(), strict=True
    ):
        yield from _row(row, [(known[at], cells[at]) for at in positions], at_row[row])
    yield "</tbody></table></div>"


def _columns(inspection: Inspection) -> list[str | None]:
    """The known column, if any, of each position."""
    assert inspection.table is not None
    width = inspection.table.every.shape[1]
    names = [known_column(name) for name in inspection.table.header]
    return [*names, *[None] * (width - len(names))]


def _isin(rows: npt.NDArray[np.int64], among: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isin(rows, among))


def _row(row: int, cells: Iterable[tuple[str | None, str]], faults: list[Fault]) -> Iterator[str]:
    cells = list(cells)
    yield f"<tr class='{_worst(faults)}'><th>{row}</th>"
    for column, text in cells:
        here = [fault for fault in faults if column and fault.column == column]
        if here:
            tip = escape("\n".join(f"{fault.message}; {fault.cure}" for fault in here), quote=True)
            yield f'<td class="{_worst(here)} marked" dir=auto title="{tip}">{escape(text) or "∅"}</td>'
        else:
            yield f"<td dir=auto>{escape(text)}</td>"
    yield "</tr>"
    if faults:
        yield f"<tr class=note><th></th><td colspan={len(cells)}><ul>"
        for fault in faults:
            column_text = f"<code>{escape(fault.column)}</code>: " if fault.column else ""
            yield (
                f"<li class={fault.severity}>{column_text}{escape(fault.message)}; <b>{escape(fault.cure)}</b></li>"
            )
        yield "</ul></td></tr>"


def _worst(faults: list[Fault]) -> str:
    if not faults:
        return ""
    return "error" if any(fault.severity is Severity.ERROR for fault in faults) else "warning"


_HEAD = """<!doctype html>
<html lang=en><head><meta charset=utf-8><title>{title}</title>
<meta http-equiv=Content-Security-Policy content="default-src 'none'; style-src 'unsafe-inline'">
<meta name=viewport content="width=device-width"><meta name=robots content=noindex><style>{style}</style></head><body>
"""

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--bad:#b3261e;--badbg:#fde7e5;--warn:#8a5a00;--warnbg:#fff3d6;--good:#1b6e3c}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--badbg:#4a1512;--warn:#ffcf70;--warnbg:#44330a;--good:#7fd8a0}}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;padding:0 1.5rem;max-width:90rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}.verdict{font-size:1.05rem}
.counts{display:flex;flex-wrap:wrap;gap:.8rem}.counts div{
 border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem}
dt{font-size:.85rem;opacity:.75}dd{margin:0;font-size:1.4rem;font-variant-numeric:tabular-nums}
.counts .error dd,li.error code,.codes .error td:first-child{color:var(--bad)}
.counts .warning dd,li.warning code,.codes .warning td:first-child{color:var(--warn)}.counts .good dd{color:var(--good)}
.sheet{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{border:1px solid var(--line);padding:.25rem .6rem;text-align:start;white-space:pre;unicode-bidi:isolate}
thead th{position:sticky;top:0;background:Canvas}tbody th{opacity:.7;font-weight:normal;text-align:end}
.marked.error{background:var(--badbg);outline:2px solid var(--bad);outline-offset:-2px}
.marked.warning{background:var(--warnbg);outline:2px solid var(--warn);outline-offset:-2px}
.note td{white-space:normal;border-top:0}.note ul{margin:.1rem 0;padding-inline-start:1.1rem}
.codes td:last-child{text-align:end;font-variant-numeric:tabular-nums}
"""
