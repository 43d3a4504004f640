"""A disk in memory that knows what a power cut may leave of the effects it was told.

Promised by a disk: what a file held when it was last synced, and what a directory named when it
was last synced. All else may or may not be there. Names change in the order in which they were
changed, as journaling file systems do it: a cut undoes the last few, or none, or all.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.storage import disk
from holdfast.storage.disk import Effect

Files = dict[Path, bytes | None]
"""What stands on a disk, by path; None for a directory."""


def read_files(root: Path) -> Files:
    """Return all that stands below ``root``."""
    paths = sorted(root.rglob("*"))
    return {p.relative_to(root): None if p.is_dir() else p.read_bytes() for p in paths}


def write_files(root: Path, files: Files) -> None:
    """Make ``files`` stand below ``root``, which is empty."""
    for path, data in sorted(files.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


@dataclass
class Inode:
    """A file, whatever it is called; or, without bytes, a directory."""

    data: bytes | None
    synced: bytes | None

    def unsynced(self) -> tuple[bytes, bytes]:
        """Return what no cut can touch, and what was written after it."""
        data, synced = self.data or b"", self.synced or b""
        return (synced, data[len(synced) :]) if data.startswith(synced) else (b"", data)


Loss = Callable[[Inode, random.Random], bytes | None]


def _cut(inode: Inode, chance: random.Random) -> bytes:
    safe, risked = inode.unsynced()
    return safe + risked[: chance.randint(1, max(1, len(risked) - 1))]


def _zeroed(inode: Inode, chance: random.Random) -> bytes:
    safe, risked = inode.unsynced()
    return safe + bytes(len(risked))


LOSSES: Mapping[str, Loss] = {
    "nothing": lambda inode, chance: inode.data,
    "dropped": lambda inode, chance: inode.synced,
    "cut": _cut,
    "zeroed": _zeroed,
}
"""What becomes of data that was written and not synced."""


class SimulatedDisk:
    """What stands, what of it is durable, and the changes of names that are not."""

    def __init__(self, files: Files) -> None:
        self._names = {path: Inode(data, data) for path, data in files.items()}
        self._durable = dict(self._names)
        self._pending: list[dict[Path, Inode | None]] = []

    def apply(self, effect: Effect) -> None:
        """Let one effect happen."""
        path = effect.path
        match effect.kind:
            case disk.CREATE | disk.APPEND:
                self._open(path, empty=effect.kind == disk.CREATE)
            case disk.WRITE:
                inode = self._names[path]
                inode.data = (inode.data or b"") + effect.data
            case disk.SYNC:
                self._names[path].synced = self._names[path].data
            case disk.RENAME:
                assert effect.target is not None
                self._change({path: None, effect.target: self._names[path]})
            case disk.MAKE_DIRECTORY if path not in self._names:
                self._change({path: Inode(None, None)})
            case disk.UNLINK | disk.REMOVE_DIRECTORY if path in self._names:
                self._change({path: None})
            case disk.SYNC_DIRECTORY:
                self._sync_directory(path)

    def live(self) -> Files:
        """Return what stands, and a killed process leaves."""
        return {path: inode.data for path, inode in self._names.items()}

    def after_power_cut(self, chance: random.Random) -> Iterator[tuple[str, str, Files]]:
        """Yield each state that a power cut may leave: its kind, its details, what stands."""
        for kept in range(len(self._pending) + 1):
            names = _changed(self._durable, self._pending[:kept])
            at_risk = [path.name for path, inode in names.items() if inode.data != inode.synced]
            undone = len(self._pending) - kept
            for loss in LOSSES if at_risk else ["nothing"]:
                kind = f"lost write: {loss}" + (", and names undone" if undone else "")
                detail = f"{', '.join(at_risk) or 'no file'}: {loss}; {undone} names undone"
                yield kind, detail, _left(names, LOSSES[loss], chance)

    def _open(self, path: Path, *, empty: bool) -> None:
        if path not in self._names:
            self._change({path: Inode(b"", b"")})
        elif empty:
            self._names[path].data = b""

    def _change(self, change: dict[Path, Inode | None]) -> None:
        self._pending.append(change)
        self._names = _changed(self._names, [change])

    def _sync_directory(self, directory: Path) -> None:
        waiting = self._pending
        self._pending = [change for change in waiting if _directory(change) != directory]
        self._durable = _changed(
            self._durable, [change for change in waiting if _directory(change) == directory]
        )


def _directory(change: Mapping[Path, Inode | None]) -> Path:
    return next(iter(change)).parent


def _changed(
    names: Mapping[Path, Inode], changes: list[dict[Path, Inode | None]]
) -> dict[Path, Inode]:
    after: dict[Path, Inode | None] = dict(names)
    for change in changes:
        after.update(change)
    return {path: inode for path, inode in after.items() if inode is not None}


def _left(names: Mapping[Path, Inode], loss: Loss, chance: random.Random) -> Files:
    """Return what is found where the power has come back; nothing in a directory that is gone."""
    return {
        path: inode.data if inode.data == inode.synced else loss(inode, chance)
        for path, inode in names.items()
        if path.parent == Path() or path.parent in names
    }
