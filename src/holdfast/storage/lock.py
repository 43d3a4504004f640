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

_INTRODUCTION = 1.0  # seconds that a new holder may take to write down who it is


class DirectoryLock:
    """The right to write in a directory; one process has it, at any number of places.

    The lock file stays empty and is never renamed: a lock belongs to an inode. Who holds it
    stands beside it, for the message of the one who comes second.
    """

    def __init__(self, path: Path) -> None:
        self._holder = _holder_file(path)
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
                self._lock.acquire(timeout=0)
            except Timeout:
                raise DirectoryInUseError(self._in_use()) from None
        newly = self._lock.lock_counter == 1
        if newly:
            self._introduce()
        return newly

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def _introduce(self) -> None:
        try:
            write_atomically(self._holder, json.dumps(_this_process()).encode())
        except BaseException:
            self._lock.release()  # whoever was refused holds nothing
            raise

    def _in_use(self) -> str:
        directory = self._holder.parent
        patience = time.monotonic() + _INTRODUCTION
        while (who := _who_is_there(self._holder)) is None and time.monotonic() < patience:
            time.sleep(0.02)  # it has the lock and has not said so yet
        return (
            f"{directory} is in use by {who or 'another process'}; wait for it, stop it, or name "
            "another --checkpoint-dir (`holdfast status` only reads, and works meanwhile)"
        )


def who_holds(path: Path) -> str | None:
    """Name who holds the lock ``path``, as far as its holder's file knows; takes no lock."""
    return _who_is_there(_holder_file(path))


def _holder_file(path: Path) -> Path:
    return path.with_name(path.name + ".holder.json")


def _who_is_there(path: Path) -> str | None:
    """Name the holder; None where its file says nothing, or names one that has died."""
    try:
        holder = json.loads(b"" if is_no_file(path) else path.read_bytes())
        gone = holder["host"] == socket.gethostname() and not _is_alive(int(holder["pid"]))
        who = "process {pid} on {host}, since {since}".format(**holder)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return None if gone else who


def _is_alive(pid: int) -> bool:
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
