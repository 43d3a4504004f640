"""The sums that S3 servers answer with: MD5, of the whole or of the sums of parts."""

import hashlib
import re
from typing import BinaryIO

PART = 8 << 20
"""Bytes of one part of a large upload."""

_MD5 = re.compile(r"[0-9a-f]{32}(-\d+)?")


class Sums:
    """The MD5 of some bytes, and of each part of them that an upload in parts would have."""

    def __init__(self) -> None:
        self._whole, self._parts = _md5(), [_md5()]
        self._room = PART

    def add(self, data: bytes) -> None:
        """Take further bytes into account."""
        self._whole.update(data)
        while data:
            if self._room == 0:
                self._parts.append(_md5())
                self._room = PART
            piece, data = data[: self._room], data[self._room :]
            self._parts[-1].update(piece)
            self._room -= len(piece)

    def hexdigest(self) -> str:
        """Return the sum of the whole."""
        return self._whole.hexdigest()

    def agree(self, etag: str) -> bool:
        """Tell whether an ETag is theirs; one that is no MD5 says nothing."""
        if not _MD5.fullmatch(etag):
            return True
        if "-" not in etag:
            return etag == self._whole.hexdigest()
        parts = _md5(b"".join(part.digest() for part in self._parts)).hexdigest()
        # whoever copied it may have cut it into other parts
        return etag == f"{parts}-{len(self._parts)}" or not etag.endswith(f"-{len(self._parts)}")


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def sums_of(data: bytes | BinaryIO) -> Sums:
    """Return the sums of some bytes, or of a whole file."""
    sums = Sums()
    if isinstance(data, bytes):
        sums.add(data)
        return sums
    data.seek(0)
    while piece := data.read(PART):
        sums.add(piece)
    return sums
