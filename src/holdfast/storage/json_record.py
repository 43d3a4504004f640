"""Small JSON files that tell when they are damaged."""

import json
import zlib
from pathlib import Path
from typing import Any

from holdfast.errors import StorageError
from holdfast.storage.atomic import is_no_file, write_atomically


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` (JSON types only) with its CRC-32, atomically; StorageError if refused."""
    record = {"crc32": _crc32(content), "content": content}
    write_atomically(path, json.dumps(record).encode() + b"\n")


def read_record(path: Path) -> dict[str, Any] | None:
    """Read what `write_record` wrote; None when it is missing, unreadable or damaged."""
    try:
        record = json.loads(b"" if is_no_file(path) else path.read_bytes())
        content: dict[str, Any] = record["content"]
        intact = record["crc32"] == _crc32(content)
    except (OSError, StorageError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return content if intact and isinstance(content, dict) else None


def _crc32(content: object) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
