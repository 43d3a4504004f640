"""The CRC-32 of each record of a zip, by several threads: zlib sums without Python's lock."""

import zlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

_THREADS, _PIECE = 4, 1 << 20
_WORTH_THREADS = 16 << 20


def wrong_sum(archive: ZipFile, starts: Sequence[int]) -> str | None:
    """Name the first record that is not what was written; ``starts`` says where each one's data is.

    Raises:
        EOFError: the file ends inside a record.
    """
    assert archive.fp is not None
    records = archive.infolist()
    sums = _Sums(archive.fp, list(zip(records, starts, strict=True)))
    if sum(record.file_size for record in records) >= _WORTH_THREADS:
        sums.make_in_threads()
    sums.make()
    return next((record.filename for record in records if not sums.good[record.filename]), None)


class _Sums:
    """The records of one archive, and which of them are what was written."""

    def __init__(self, file: IO[bytes], places: Sequence[tuple[ZipInfo, int]]) -> None:
        self.good: dict[str, bool] = {}
        self._file: Any = file  # typeshed's IO has no readinto
        self._places = places
        self._seek = Lock()

    def make_in_threads(self) -> None:
        """Sum what can be summed by several threads; all of it, where they are to be had."""
        left = deque(self._places)
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                threads = [pool.submit(self._sum, left) for _ in range(_THREADS)]
        except RuntimeError:  # no thread is to be had
            return
        for thread in threads:
            thread.result()

    def make(self) -> None:
        """Sum what is left."""
        self._sum(deque(p for p in self._places if p[0].filename not in self.good))

    def _sum(self, left: deque[tuple[ZipInfo, int]]) -> None:
        buffer = memoryview(bytearray(_PIECE))
        while True:
            try:
                record, start = left.popleft()
            except IndexError:
                return
            self.good[record.filename] = self._crc(record, start, buffer) == record.CRC

    def _crc(self, record: ZipInfo, start: int, buffer: memoryview) -> int:
        crc, at, end = 0, start, start + record.file_size
        while at < end:
            piece = buffer[: end - at]
            with self._seek:
                self._file.seek(at)
                count = self._file.readinto(piece)
            if not count:
                raise EOFError
            crc, at = zlib.crc32(piece[:count], crc), at + count
        return crc
