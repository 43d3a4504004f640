"""What to say when a checkpoint does not fit on the disk."""

import errno
import shutil
from pathlib import Path
from typing import Any

from holdfast.checkpoint.snapshot import storages_of
from holdfast.errors import StorageError
from holdfast.rundir import DAMAGED, IMAGE_CACHE
from holdfast.status import human_bytes

FULL = (errno.ENOSPC, errno.EDQUOT)


def full_disk(path: Path, record: dict[str, Any], number: int | None) -> StorageError:
    """Return the error that says how much is needed, how much is free, and what can go."""
    needed, free = (
        human_bytes(sum(s.nbytes() for s in storages_of(record).values())),
        human_bytes(_free(path.parent)),
    )
    can_go = [
        f"{name}/ ({human_bytes(size)})"
        for name in (DAMAGED, IMAGE_CACHE)
        if (size := _size(path.parent / name))
    ]
    ways = f"; {' and '.join(can_go)} in {path.parent} may be removed" if can_go else ""
    return StorageError(
        f"{path}: the disk is full: {needed} are needed, {free} are free{ways}. What was saved "
        "before stands; free some space and run the same command again",
        number,
    )


def _free(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
