"""One writer per directory, by a lock that the operating system drops with its holder."""

import json
import os
import socket
import time
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from holdfast.errors import DirectoryInUseError
from holdfast.storage.atomic import is_no_file, make_directory, storage_errors, write_atomically

_HOLDER = ".holder.json"
_INTRODUCTION = 1.0  # seconds that a new holder may take to write down who it is


class DirectoryLock:
    """The right to write in a directory; one process has it, at any number of places.

    The lock file stays empty and is never renamed: a lock belongs to an inode. Who holds it
    stands beside it, for the message of the one who comes second.
    """

    def __init__(self, path: Path, name: str | None = None, patience: float = 0.0) -> None:
        """Take ``name`` for the directory's, and ``patience`` seconds to be given the lock."""
        self._name, self._patience = name or str(path.parent), patience
        self._holder = holder_file(path)
        self._lock = FileLock(path, is_singleton=True, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock at once; taking it again in this process is counted, not refused.

        Returns whether this process has only now become the holder.

        Raises:
            DirectoryInUseError: another process holds it.
            StorageError: the directory cannot be written.
        """
        make_directory(self._holder.parent)
        with storage_errors(self._holder.parent):
            try:
                self._lock.acquire(timeout=self._patience)
            except Timeout:
                raise DirectoryInUseError(self._in_use()) from None
        newly = self._lock.lock_counter == 1
        if newly:
            self._introduce()
            _held_here.add(self._holder.resolve())
        return newly

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()
        if not self._lock.lock_counter:
            _held_here.discard(self._holder.resolve())

    def check(self) -> None:
        """Raise where another process has the lock now; this one, it cannot have."""

    @property
    def count(self) -> int:
        """How often this process has taken it, and not given it back."""
        return self._lock.lock_counter

    def _introduce(self) -> None:
        try:
            introduce(self._holder, _this_process())
        except BaseException:
            self._lock.release()  # whoever was refused holds nothing
            raise

    def _in_use(self) -> str:
        patience = time.monotonic() + _INTRODUCTION
        while (who := _who_is_there(self._holder)) is None and time.monotonic() < patience:
            time.sleep(0.02)  # it has the lock and has not said so yet
        return (
            f"{self._name} is in use by {who or 'another process'}; wait for it, stop it, or name "
            "another --checkpoint-dir (`holdfast status` only reads, and works meanwhile)"
        )


def holder_file(path: Path) -> Path:
    """Return where it stands who holds the lock ``path``."""
    return path.with_name(path.name + _HOLDER)


def introduce(file: Path, holder: dict[str, str | int]) -> None:
    """Say in a holder's file who it is."""
    write_atomically(file, json.dumps(holder).encode())


def who_holds(path: Path) -> str | None:
    """Name who holds the lock ``path``, as far as its holder's file knows; takes no lock."""
    return _who_is_there(holder_file(path))


_held_here: set[Path] = set()
"""The holders' files of this process: a notebook goes on when its training has ended."""


def _who_is_there(path: Path) -> str | None:
    """Name the holder; None where its file says nothing, or names one that has died."""
    try:
        holder = json.loads(b"" if is_no_file(path) else path.read_bytes())
        here = holder["host"] == socket.gethostname()
        gone = here and (not is_alive(int(holder["pid"])) or _given_back(path, int(holder["pid"])))
        who = "process {pid} on {host}, since {since}".format(**holder)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return None if gone else who


def _given_back(path: Path, pid: int) -> bool:
    """Tell whether it was this process that had the lock beside ``path``, and has it no more."""
    lock = path.with_name(path.name.removesuffix(_HOLDER))  # a copy of another directory has none
    return pid == os.getpid() and path.resolve() not in _held_here and lock.exists()


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine is there, as far as the system says."""
    if os.name == "nt":  # there, signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but there
        return True
    return True


def _this_process() -> dict[str, str | int]:
    now = datetime.now().isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
