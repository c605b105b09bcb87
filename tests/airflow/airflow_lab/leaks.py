"""Looks for secrets in everything that an Airflow home holds: files byte by byte, databases cell by cell.

A database is searched both ways: SQLite cuts long values into pages, and a WAL holds what no table shows yet.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

from airflow_provider_esimgo.sandbox.server import SandboxServer

SQLITE = b"SQLite format 3\x00"


def secrets_of(sandbox: SandboxServer, people: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """Everything that belongs into the kit and the mail only, or nowhere."""
    esims, people = list(sandbox.store.esims.values()), list(people)
    return {
        "an activation code": [esim.lpa for esim in esims],
        "a matching id": [esim.matching_id for esim in esims],
        "a PIN": [esim.pin for esim in esims],
        "a PUK": [esim.puk for esim in esims],
        "the API key": [sandbox.key],
        "a name": [person["name"] for person in people],
        "an e-mail address": [person["email"] for person in people],
    }


def spellings(secret: str) -> set[bytes]:
    """How a text may be written down: as it is, within JSON, within a URL."""
    texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    texts |= {quote(secret, safe=""), quote_plus(secret), quote(secret)}
    texts |= {json.dumps(text)[1:-1] for text in set(texts)}  # JSON within JSON, as rendered fields are
    return {text.encode() for text in texts}


def leaks(root: Path, secrets: Mapping[str, Collection[str]], *, but_in: Iterable[Path] = ()) -> list[str]:
    """Where under `root` one of `secrets` (kind: texts) is; the kits, which are meant to hold them, left out."""
    kinds = {
        spelling: kind for kind, texts in secrets.items() for text in texts for spelling in spellings(text)
    }
    assert all(len(spelling) > 3 for spelling in kinds), "too short to be told from noise"
    pattern = re.compile(b"|".join(re.escape(one) for one in sorted(kinds, key=len, reverse=True)))
    meant = tuple(but_in)
    found = set()
    for file in sorted(root.rglob("*")):
        if not file.is_file() or any(file.is_relative_to(place) for place in meant):
            continue
        for where, content in _contents(file):
            found |= {f"{kinds[hit]} in {where}" for hit in pattern.findall(content)}
    return sorted(found)


def _contents(file: Path) -> Iterator[tuple[str, bytes]]:
    raw = file.read_bytes()
    yield str(file), raw
    if raw.startswith(SQLITE):
        with closing(sqlite3.connect(file)) as database:
            database.text_factory = bytes
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                name = table.decode()
                cursor = database.execute(f'SELECT * FROM "{name}"')
                columns = [column[0] for column in cursor.description]
                for row in cursor:
                    for column, value in zip(columns, row, strict=True):
                        if value is not None:
                            cell = value if isinstance(value, bytes) else str(value).encode()
                            yield f"{file}: {name}.{column}", cell
