"""The part of a run on object storage that is one job's, on a machine that has not the run."""

import time
from collections.abc import Callable
from pathlib import Path

from holdfast.errors import DirectoryInUseError
from holdfast.storage.atomic import remove, remove_empty_directory
from holdfast.storage.lock import DirectoryLock
from holdfast.storage.objects.address import Address, scratch_root
from holdfast.storage.objects.mirror import Damage, Mirror, OnNotice, first_to_send
from holdfast.storage.objects.mirrored import Mirrored
from holdfast.storage.objects.pull import local_names, pull
from holdfast.storage.objects.waits import patience

_LOOK = 0.1  # seconds between two looks at whether the store has it
_LOCK = ".lock"


class _Asking:
    """In place of a lease: whoever has it is asked before each write."""

    is_good = True

    def __init__(self, ask: Callable[[], None]) -> None:
        self.check = ask

    def renew(self) -> None:
        """Nothing is to be renewed: the answer holds for one write."""


class Lent(Mirrored):
    """The checkpoints of one job: brought from the store, written here, sent there.

    Args:
        address: where the run is.
        directory: a directory for this job and this start of the run alone.
        ours: tells the names of the job's files.
        ask: raises where somebody else trains the job now; called before each write to the store.
        damage: says what is wrong with a file, before it is sent.
        on_notice: told what a person should know.
    """

    def __init__(
        self,
        address: Address,
        directory: Path,
        ours: Callable[[str], bool],
        ask: Callable[[], None],
        damage: Damage,
        on_notice: OnNotice,
    ) -> None:
        super().__init__(address, directory)
        self.on_notice = on_notice
        self._asking = _Asking(ask)
        there = self._patiently(lambda: pull(self.store, self.synced, keep=True, ours=ours))
        self._mirror = Mirror(self.store, self.synced, self._asking, 0, there, damage, self._notice)
        self._mirror.start()
        for name in first_to_send(directory, self.synced, local_names(directory)):
            self._mirror.outbox.add(name)

    def lacks(self) -> set[str]:
        """Return the names of the files that the store does not have as they are here."""
        assert self._mirror is not None
        return self._mirror.outbox.lacks()

    def wait_for(self, names: set[str]) -> None:
        """Wait until the store has these files, or what took their place.

        Raises:
            SupersededError: somebody else trains the job now.
        """
        while names & self.lacks():
            self.check()
            time.sleep(_LOOK)

    def drain(self) -> None:
        """Wait until the store has everything, or has stayed away for too long.

        Raises:
            StorageError: it lacks something; how much, and where that is.
        """
        assert self._mirror is not None
        self._mirror.drain(patience())

    def close(self) -> None:
        """Stop sending."""
        assert self._mirror is not None
        self._mirror.close()

    def _notice(self, line: str) -> None:
        self.on_notice(line)


def place_for(address: Address, start: str, job: str) -> tuple[Path, DirectoryLock]:
    """Return a directory for one job and one start of a run, and its lock, held.

    What an earlier attempt of this start has left there was made by the same training, and counts;
    another start's is removed: its job may have been reset meanwhile. Where an attempt that was
    given up still holds the directory, this one gets another.
    """
    home = scratch_root() / f"{address.slug}-jobs"
    for other in home.glob("*/*"):
        if other.parent.name != start:
            _sweep(other)
    for number in range(1, 1000):
        place = home / start / (job if number == 1 else f"{job}.{number}")
        lock = DirectoryLock(place / _LOCK)
        try:
            lock.acquire()
        except DirectoryInUseError:
            continue
        return place, lock
    raise DirectoryInUseError(
        f"{home / start / job}: a thousand attempts hold it; end them, or wait"
    )


def leave(place: Path, lock: DirectoryLock) -> None:
    """Remove a job's directory, all of which the store has; its lock is held."""
    _empty(place)
    lock.release()
    _remove_directory(place)


def _sweep(place: Path) -> None:
    """Remove what a dead process of another start has left."""
    lock = DirectoryLock(place / _LOCK)
    try:
        lock.acquire()
    except DirectoryInUseError:
        return
    leave(place, lock)


def _empty(place: Path) -> None:
    for path in sorted(place.rglob("*"), reverse=True):  # what is inside a directory first
        if path.is_dir():
            remove_empty_directory(path)
        elif not path.name.startswith(_LOCK):
            remove(path)


def _remove_directory(place: Path) -> None:
    for path in place.glob(f"{_LOCK}*"):
        remove(path)
    remove_empty_directory(place)
    remove_empty_directory(place.parent)
