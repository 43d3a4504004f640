"""Hashes of files, remembered so that an unchanged file is not read again."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from holdfast.storage.json_record import read_record, write_record

UNREADABLE = "unreadable"
"""Stands for the hash of a file that cannot be read."""

_HASH = re.compile("[0-9a-f]{64}")
_BATCH = 1024  # files handed to the threads at a time
_SAVE_EVERY = 30.0  # seconds; what a kill during the first hashing of a huge folder costs


class Stamps:
    """The file that remembers, for each file of one folder, what it looked like when hashed.

    A file whose size, modification time and change time are as remembered keeps its hash. The
    change time, which no program can set, betrays a copy that kept the old file's date. A
    damaged or foreign stamp file is built anew.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = os.path.abspath(root)  # noqa: PTH100 - a link to the folder may be renewed
        content = read_record(path) or {}
        known = content.get("files") if content.get("root") == self._root else None
        self._files = _entries(known)
        self._changed = False

    def lookup(self, name: str, marks: list[int]) -> str | None:
        """Return the remembered hash of a file that still has these marks."""
        entry = self._files.get(name)
        return str(entry[-1]) if entry is not None and entry[:-1] == marks else None

    def remember(self, name: str, marks: list[int], sha256: str) -> None:
        """Take note of a hash."""
        if self.lookup(name, marks) != sha256:
            self._files[name] = [*marks, sha256]
            self._changed = True

    def save(self) -> None:
        """Write what was learnt since the last save."""
        if self._changed:
            write_record(self._path, {"root": self._root, "files": self._files})
            self._changed = False


def hash_files(
    paths: Sequence[tuple[str, Path]],
    stamps: Stamps | None = None,
    check_stop: Callable[[], None] | None = None,
) -> list[str]:
    """Return the sha256 of each (name, path), or `UNREADABLE`, in order.

    ``check_stop`` is called after each file and may raise; what is hashed by then is kept.
    """

    def hash_one(item: tuple[str, Path]) -> tuple[list[int], str]:
        return _hash_file(*item, stamps)

    hashes: list[str] = []
    saved = time.monotonic()
    with ThreadPoolExecutor() as pool, _saving(stamps):
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for (name, _), (marks, sha256) in zip(batch, pool.map(hash_one, batch), strict=True):
                hashes.append(sha256)
                if stamps is not None and marks:
                    stamps.remember(name, marks, sha256)
                if check_stop is not None:
                    check_stop()
            if stamps is not None and time.monotonic() - saved > _SAVE_EVERY:
                stamps.save()
                saved = time.monotonic()
    return hashes


@contextmanager
def _saving(stamps: Stamps | None) -> Iterator[None]:
    try:
        yield
    finally:
        if stamps is not None:
            stamps.save()


def _hash_file(name: str, path: Path, stamps: Stamps | None) -> tuple[list[int], str]:
    """Return what identifies the file's version (empty when unreadable), and its hash."""
    try:
        known = stamps.lookup(name, marks := _marks(path.stat())) if stamps is not None else None
        if known is not None:
            return marks, known
        with path.open("rb") as file:
            marks = _marks(os.fstat(file.fileno()))  # before reading: a later change shows
            return marks, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return [], UNREADABLE


def _entries(known: object) -> dict[str, list[int | str]]:
    """Return what can be hashes with their marks; a sum that agrees does not make it sensible."""
    entries = known.items() if isinstance(known, dict) else ()
    return {name: e for name, e in entries if isinstance(e, list) and e and _is_hash(e[-1])}


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and (value == UNREADABLE or bool(_HASH.fullmatch(value)))


def _marks(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
