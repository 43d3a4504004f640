"""Images decoded once, shared by all jobs: memory-mapped uint8, safe to kill, verified."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import filelock
import numpy as np
from numpy.typing import NDArray

from holdfast.data.decode import DECODE_VERSION, quiet_pillow
from holdfast.data.shard import Pixels, Shard, ShardRecord, plan_shards
from holdfast.data.source import Source
from holdfast.errors import DataError, StorageError
from holdfast.storage import make_directory, remove, remove_empty_directory, remove_temporaries
from holdfast.storage.json_record import read_record, write_record

_INDEX = "index.json"
_CACHE_NAME = re.compile(r"[0-9a-f]{16}")
_FILE_NAME = re.compile(r"index\.json|images_\d{5}\.(npy|json)")
_KEPT = 2  # caches in one directory: switching back and forth costs nothing
_MOST_WORKERS = 16
_NAMED = 5  # bad images listed in an error


class ImageCache:
    """All good images of a source, (R, R, 3) each, in the source's order; built by `prepare`."""

    def __init__(self, directory: Path, index: dict[str, Any]) -> None:
        self._directory = directory
        self._index = index
        self._shards = [s.open() for s in plan_shards(directory, index["images"], index["resize"])]
        self._rows = np.array(index["rows"], dtype=np.int64)
        self.resize: int = index["resize"]
        """R: the side of the images in pixels."""
        self.digest: str = index["digest"]
        """Of the data, as the source computed it."""
        self.classes: tuple[str, ...] = tuple(index["classes"])
        self.names: tuple[str, ...] = tuple(index["names"])
        self.labels: NDArray[np.int64] = np.array(index["labels"], dtype=np.int64)
        self.split: NDArray[np.int8] | None = None
        if index["split"] is not None:
            self.split = np.array(index["split"], dtype=np.int8)
        self.bad: tuple[tuple[str, str], ...] = tuple((name, why) for name, why in index["bad"])
        """The images left out: name and reason."""

    @property
    def fingerprint(self) -> str:
        """The sha256 over all the pixels' CRCs: differs where another Pillow decoded otherwise."""
        return hashlib.sha256(json.dumps(self._index["shards"]).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._rows)

    def gather(self, indices: NDArray[np.int64] | Sequence[int]) -> Pixels:
        """Copy the images at ``indices`` out of the files: uint8 (B, R, R, 3)."""
        rows = self._rows[np.asarray(indices, dtype=np.int64)]
        images = np.empty((len(rows), self.resize, self.resize, 3), dtype=np.uint8)
        per_shard = len(self._shards[0])
        for out, row in enumerate(rows.tolist()):
            images[out] = self._shards[row // per_shard][row % per_shard]
        return images

    def __reduce__(self) -> tuple[type[Self], tuple[Path, dict[str, Any]]]:
        return type(self), (self._directory, self._index)  # another process maps the same files


def prepare(
    source: Source,
    directory: Path,
    *,
    resize: int,
    max_bad_images: float = 0.01,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    check_stop: Callable[[], None] | None = None,
) -> ImageCache:
    """Decode the images of ``source`` into ``directory``, or find them there, verified.

    ``progress(done, total)`` is called with numbers of images. ``check_stop`` is called between
    images and may raise to stop. Killed at any point, the next call decodes only what is not
    yet complete and ends with the same bytes. A second process waits for the first.

    Raises:
        DataError: more bad images than ``max_bad_images`` (a share of all; one is always
            allowed), or a class that has none left.
        StorageError: the cache could not be written.
    """
    make_directory(directory)
    with _alone_in(directory, check_stop):
        remove_temporaries(directory)
        digest = source.digest(directory / "stamps.json", check_stop)
        key = _key(digest, resize)
        home = directory / key[:16]
        make_directory(home)
        remove_temporaries(home)
        shards = plan_shards(home, len(source.names), resize)
        records = _complete(source, shards, workers, progress, check_stop)
        bad = {index: why for record in records for index, why in record.bad.items()}
        _check_bad(source, bad, max_bad_images)
        index = _describe(source, bad, records) | {"digest": digest, "resize": resize, "key": key}
        if read_record(home / _INDEX) != index:
            write_record(home / _INDEX, index)
            _prune(directory, home)
    return ImageCache(home, index)


def find_cache(directory: Path, digest: str, resize: int) -> ImageCache | None:
    """Return the whole cache in ``directory`` of the data whose digest begins so, verified.

    None where there is none, or a damaged one; nothing is locked, decoded or written.
    """
    homes = directory.iterdir() if directory.is_dir() else ()
    for home in sorted(path for path in homes if _CACHE_NAME.fullmatch(path.name)):
        index = read_record(home / _INDEX)
        if index is None or index["resize"] != resize or not index["digest"].startswith(digest):
            continue
        shards = plan_shards(home, index["images"], resize)
        whole = zip(shards, index["shards"], strict=True)
        if all(shard.is_intact(ShardRecord(crc32, {})) for shard, crc32 in whole):
            return ImageCache(home, index)
    return None


def _key(digest: str, resize: int) -> str:
    return hashlib.sha256(f"{digest} {resize} {DECODE_VERSION}".encode()).hexdigest()


def _complete(
    source: Source,
    shards: Sequence[Shard],
    workers: int | None,
    progress: Callable[[int, int], None] | None,
    check_stop: Callable[[], None] | None,
) -> list[ShardRecord]:
    """Verify each shard, decode those that are missing or damaged, return all their records."""
    done, total = 0, len(source.names)

    def tick(images: int = 1) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)
        if check_stop is not None:
            check_stop()

    records = []
    # threads, not processes: Pillow decodes without the interpreter's lock
    count = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
    with quiet_pillow(), ThreadPoolExecutor(count) as pool:
        for shard in shards:
            record = shard.find_record()
            if record is not None and shard.is_intact(record):
                tick(len(shard.indices))
            else:
                record = shard.decode(source, pool, tick)
            records.append(record)
    return records


def _describe(
    source: Source, bad: dict[int, str], records: Sequence[ShardRecord]
) -> dict[str, Any]:
    """Gather what the index says about the images, as JSON types."""
    rows = [row for row in range(len(source.names)) if row not in bad]
    return {
        "version": DECODE_VERSION,
        "images": len(source.names),
        "rows": rows,
        "names": [source.names[row] for row in rows],
        "labels": source.labels[rows].tolist(),
        "split": None if source.split is None else source.split[rows].tolist(),
        "classes": list(source.classes),
        "bad": [[source.names[row], why] for row, why in bad.items()],
        "shards": [record.crc32 for record in records],
    }


def _check_bad(source: Source, bad: dict[int, str], share: float) -> None:
    total = len(source.names)
    if len(bad) == total:
        raise DataError(f"none of the {total} images can be read: {_listed(source, bad)}")
    allowed = max(1, int(share * total + 1e-9))  # 0.29 of 100 is 29
    if len(bad) > allowed:
        raise DataError(
            f"{len(bad)} of {total} images cannot be read, only {allowed} may "
            f"({_listed(source, bad)}): raise --max-bad-images, or mend or remove them"
        )
    good = np.delete(source.labels, list(bad))
    for label, name in enumerate(source.classes):
        if not (good == label).any():
            its_own = [index for index in bad if source.labels[index] == label]
            raise DataError(
                f"no image of class {name} can be read "
                f"({_listed(source, {index: bad[index] for index in its_own})}): "
                "mend or add images, or remove the class"
            )


def _listed(source: Source, bad: dict[int, str]) -> str:
    """Name a few bad images, and say how many more there are."""
    text = "; ".join(f"{source.names[index]}: {why}" for index, why in list(bad.items())[:_NAMED])
    return text if len(bad) <= _NAMED else f"{text}; and {len(bad) - _NAMED} more"


def _prune(directory: Path, home: Path) -> None:
    """Remove all caches but the newest; one that another process holds open may stay."""
    others = [p for p in directory.iterdir() if p != home and _CACHE_NAME.fullmatch(p.name)]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for stale in others[_KEPT - 1 :]:
        with suppress(StorageError):  # only space is lost
            for path in stale.iterdir():
                if _FILE_NAME.fullmatch(path.name):
                    remove(path)
            remove_temporaries(stale)
            remove_empty_directory(stale)


@contextmanager
def _alone_in(directory: Path, check_stop: Callable[[], None] | None) -> Iterator[None]:
    """Hold the directory's lock; jobs that start together decode once, not each for itself."""
    lock = filelock.FileLock(directory / "cache.lock")
    while not lock.is_locked:
        if check_stop is not None:
            check_stop()
        try:
            lock.acquire(timeout=1.0)
        except filelock.Timeout:
            continue
        except OSError as error:
            raise StorageError(f"{lock.lock_file}: {error.strerror}; make it writable") from error
    try:
        yield
    finally:
        lock.release()
