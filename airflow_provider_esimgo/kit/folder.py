"""Where a kit is written: a local folder or object storage, each file whole or not at all.

A local file comes under a temporary name and is renamed; it is its owner's alone, and so is its folder. An object
store shows an object only when it is whole; other remote file systems get a temporary name as well.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HALF = r"\..*\.[0-9a-f]{8}\.part"  # what a file is called until it is whole
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "wasb", "memory"})
_WAITING = 128  # files sent to a remote folder at once, where its file system can do so
_WAITING_BYTES = 8_000_000


class KitFolder:
    """A folder under one kit's name.

    Args:
        path: a `pathlib.Path`, or anything that works like one (Airflow's `ObjectStoragePath`).
    """

    def __init__(self, path: Any) -> None:
        self.path = path
        self._written: set[str] = set()
        self._waiting: dict[str, bytes] = {}
        self._made: set[Path] = set()
        self._began = time.time()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, or looks as if it were."""
        return _is_local(self.path)

    def put(self, name: str, content: bytes) -> None:
        """Write one file; `name` is relative, with "/" between folders. Remote ones may wait for `flush`."""
        self._written.add(name)
        if self.is_local:
            place = Path(_local(self.path)) / name
            for made in (Path(_local(self.path)), place.parent):
                if made not in self._made:
                    private_folder(made)
                    self._made.add(made)
            write_file(place, content)
            return
        self._waiting[name] = content
        if len(self._waiting) >= _WAITING or sum(map(len, self._waiting.values())) >= _WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Everything that was put is there."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        _send({f"{_remote(self.path)}/{name}": content for name, content in waiting.items()}, self.path)

    def exists(self, name: str = "") -> bool:
        """Whether it, or one of its files, is there."""
        with _errors_of_its_own():
            return bool((self.path / name if name else self.path).exists())

    def names(self, folder: str, pattern: str) -> list[str]:
        """The files in one of its folders ("" is itself) whose whole name matches a regular expression."""
        place = self.path / folder if folder else self.path
        prefix = f"{folder}/" if folder else ""
        try:
            with _errors_of_its_own():
                found = _files_in(place)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(f"{prefix}{name}" for name in found if re.fullmatch(pattern, name))

    def remove(self, names: Iterable[str]) -> int:
        """Remove files; how many there were."""
        if self.is_local:
            removed = 0
            for name in names:
                with suppress(FileNotFoundError):
                    (Path(_local(self.path)) / name).unlink()
                    removed += 1
            return removed
        names = set(names)
        folders = {name.rpartition("/")[0] for name in names}
        there = names.intersection(found for folder in folders for found in self.names(folder, ".*"))
        if there:
            with _errors_of_its_own():
                self.path.fs.rm([f"{_remote(self.path)}/{name}" for name in sorted(there)])  # many at once
        return len(there)

    def remove_strays(self, folders: Mapping[str, str]) -> None:
        """Remove, of these folders' files that match its expression, those that were not written now.

        With them goes what a killed writer left half written; another one may be at work, whose files are younger.
        """
        for folder, pattern in {"": "", **folders}.items():
            self.remove(name for name in self.names(folder, pattern) if name not in self._written)
            halves = self.names(folder, HALF) if self.is_local else []
            self.remove(name for name in halves if self._age_of(name) > time.time() - self._began)

    def _age_of(self, name: str) -> float:
        try:
            return time.time() - (Path(_local(self.path)) / name).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove_if_empty(self, folder: str = "") -> None:
        """Remove one of its folders, or itself, unless something is in it."""
        if not self.is_local:
            return  # object stores have no folders
        place = Path(_local(self.path / folder if folder else self.path))
        try:
            place.rmdir()
        except OSError:
            return


def _files_in(path: Any) -> list[str]:
    if _is_local(path):
        return [each.name for each in Path(_local(path)).iterdir() if each.is_file()]
    path.fs.invalidate_cache()  # another machine may have written there
    return [
        str(each["name"]).rpartition("/")[2]
        for each in path.fs.ls(_remote(path), detail=True)
        if each["type"] == "file"
    ]


def private_folder(path: Any) -> None:
    """Make a folder, with its parents; a local one is its owner's alone."""
    if _is_local(path):
        local = Path(_local(path))
        local.mkdir(parents=True, exist_ok=True)
        local.chmod(0o700)
    elif path.protocol not in _OBJECT_STORES:
        path.mkdir(parents=True, exist_ok=True)


def write_file(path: Any, content: bytes | Iterable[bytes]) -> None:
    """Write a whole file or none; a local one is its owner's alone."""
    parts = (content,) if isinstance(content, bytes) else content
    if not _is_local(path):
        _send({_remote(path): b"".join(parts)}, path)
        return
    local = Path(_local(path))
    temporary = local.with_name(f".{local.name}.{uuid.uuid4().hex[:8]}.part")  # two may write at once
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        temporary.replace(local)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _send(contents: dict[str, bytes], path: Any) -> None:
    with _errors_of_its_own():
        _pipe(contents, path)


@contextmanager
def _errors_of_its_own() -> Iterator[None]:
    """Each store has exceptions of its own, and botocore's, for one, are no OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _pipe(contents: dict[str, bytes], path: Any) -> None:
    if path.protocol in _OBJECT_STORES:
        path.fs.pipe(contents)  # at once, where the file system can
        return
    for target, content in contents.items():
        folder, _, name = target.rpartition("/")
        path.fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.part"
        path.fs.pipe_file(temporary, content)
        path.fs.mv(temporary, target)


def _is_local(path: Any) -> bool:
    # the class tells nothing: with older universal_pathlib a path in a bucket is a pathlib.Path as well
    return getattr(path, "protocol", "") in {"", "file", "local"}


def _local(path: Any) -> str:
    return str(path.path) if hasattr(path, "protocol") else str(path)


def _remote(path: Any) -> str:
    return str(path.path).rstrip("/")
