"""One file of the cache: a few hundred decoded images in a row."""

import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from holdfast.data.decode import BadImage, square
from holdfast.data.source import Source
from holdfast.errors import StorageError
from holdfast.storage import atomic_writer, is_no_file
from holdfast.storage.json_record import read_record, write_record

Pixels: TypeAlias = NDArray[np.uint8]

_MOST_BYTES = 64 * 2**20  # what a kill loses, and a shard takes in memory while decoded
_MOST_IMAGES = 512


@dataclass(frozen=True)
class ShardRecord:
    """What was decoded: the CRC-32 of the pixels, and the images that are bad, with reasons."""

    crc32: int
    bad: dict[int, str]
    """By index in the source; their pixels are zeros."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"crc32": self.crc32, "bad": [[index, why] for index, why in self.bad.items()]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ShardRecord":
        """Read what `to_json` gave."""
        return cls(content["crc32"], {int(index): str(why) for index, why in content["bad"]})


@dataclass(frozen=True)
class Shard:
    """The place of images ``indices`` of a source: one .npy file, uint8 (n, side, side, 3)."""

    path: Path
    indices: range
    side: int

    def open(self) -> Pixels:
        """Map the file into memory; raises ValueError or OSError if it is not what it should be."""
        mapped = np.load(self.path, mmap_mode="r")
        pixels: Pixels = mapped
        shape = (len(self.indices), self.side, self.side, 3)
        if pixels.dtype != np.uint8 or pixels.shape != shape or not pixels.flags.c_contiguous:
            raise ValueError(f"{self.path} holds {pixels.dtype} {pixels.shape}, not uint8 {shape}")
        if self.path.stat().st_size != mapped.offset + pixels.nbytes:
            raise ValueError(f"{self.path} holds more than its pixels")
        return pixels

    def find_record(self) -> ShardRecord | None:
        """Return the record beside the file: None until the shard is complete."""
        content = read_record(self._record_path)
        try:
            return None if content is None else ShardRecord.from_json(content)
        except (LookupError, TypeError, ValueError):  # a record, but of something else
            return None

    def is_intact(self, record: ShardRecord) -> bool:
        """Read the pixels once and compare their CRC-32."""
        try:
            return not is_no_file(self.path) and zlib.crc32(self.open().data) == record.crc32
        except (OSError, StorageError, ValueError, EOFError):
            return False

    def decode(self, source: Source, pool: Executor, tick: Callable[[], None]) -> ShardRecord:
        """Decode the images in parallel, write them, then their record; both durably.

        ``tick`` is called after each image and may raise: then nothing is written.
        """
        pixels = np.zeros((len(self.indices), self.side, self.side, 3), dtype=np.uint8)

        def decode_one(row: int) -> str | None:
            try:
                pixels[row] = square(source.read(self.indices[row], self.side), self.side)
            except BadImage as bad:
                return bad.reason
            return None

        bad = {}
        futures = [pool.submit(decode_one, row) for row in range(len(self.indices))]
        try:
            for index, future in zip(self.indices, futures, strict=True):
                if (reason := future.result()) is not None:
                    bad[index] = reason
                tick()
        finally:
            for future in futures:
                future.cancel()
        return self._write(pixels, bad)

    def _write(self, pixels: Pixels, bad: dict[int, str]) -> ShardRecord:
        record = ShardRecord(zlib.crc32(pixels.data), bad)
        with atomic_writer(self.path) as file:
            np.save(file, pixels)
        write_record(self._record_path, record.to_json())
        return record

    @property
    def _record_path(self) -> Path:
        return self.path.with_suffix(".json")


def plan_shards(directory: Path, images: int, side: int) -> list[Shard]:
    """Divide ``images`` images of (side, side, 3) bytes among files of at most 64 MiB."""
    most = max(1, min(_MOST_IMAGES, _MOST_BYTES // (side * side * 3)))
    starts = range(0, images, most)
    return [
        Shard(directory / f"images_{n:05d}.npy", range(start, min(start + most, images)), side)
        for n, start in enumerate(starts)
    ]
