"""The file behind `--db`: every record the sandbox changes is written through before anyone is answered.

Invariants: one `write` is one transaction; what was answered survives SIGKILL of the sandbox
(synchronous=OFF: the operating system holds the pages; only a power cut could lose them).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

Row = tuple[str, str, str | None]  # kind, key, document; None deletes


class SandboxFile:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS records"
            " (kind TEXT, key TEXT, document TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )

    def rows(self) -> Iterator[tuple[str, str, str]]:
        yield from self._connection.execute("SELECT kind, key, document FROM records ORDER BY kind, key")

    def write(self, rows: Sequence[Row]) -> None:
        put = [row for row in rows if row[2] is not None]
        gone = [row[:2] for row in rows if row[2] is None]
        self._in_one_transaction(put, gone)

    def clear(self, keep: Iterable[Row]) -> None:
        """Forgets everything but `keep`."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("DELETE FROM records")
        self._connection.executemany("INSERT INTO records VALUES (?, ?, ?)", list(keep))
        self._connection.execute("COMMIT")

    def _in_one_transaction(self, put: Sequence[Row], gone: Sequence[tuple[str, str]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", put)
            self._connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", gone)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
