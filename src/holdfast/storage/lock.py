"""One writer per directory, by a lock that the operating system drops with its holder."""

import json
import os
import socket
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from holdfast.errors import DirectoryInUseError
from holdfast.storage.atomic import is_no_file, make_directory, storage_errors, write_atomically


class DirectoryLock:
    """The right to write in a directory; one process has it, at any number of places.

    The lock file stays empty and is never renamed: a lock belongs to an inode. Who holds it
    stands beside it, for the message of the one who comes second.
    """

    def __init__(self, path: Path) -> None:
        self._holder = path.with_name(path.name + ".holder.json")
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
        try:
            holder = json.loads(b"" if is_no_file(self._holder) else self._holder.read_bytes())
            who = "process {pid} on {host}, since {since}".format(**holder)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            who = "another process"
        return (
            f"{directory} is in use by {who}; wait for it, stop it, or name another "
            "--checkpoint-dir (`holdfast status` only reads, and works meanwhile)"
        )


def _this_process() -> dict[str, str | int]:
    now = datetime.now().isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
