"""The thread that brings the store what the disk has, and what it says when it cannot."""

import random
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from holdfast.errors import LeaseLostError, StorageError, SupersededError
from holdfast.storage import disk
from holdfast.storage.objects.clock import now
from holdfast.storage.objects.outbox import DAMAGED, Batch, Outbox, Put
from holdfast.storage.objects.segments import GROWS, Growth
from holdfast.storage.objects.store import AwayError, ConflictError, Store
from holdfast.storage.objects.synced import Synced, stamp_of

Damage = Callable[[Path], str | None]
OnNotice = Callable[[str], None]

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 30.0
_WORTH_A_WORD = 2  # failures, since all was there
_SILENCE = 3.0  # seconds of waiting at the end that need no word
_AT_ONCE = 500  # objects that one request removes


class Right(Protocol):
    """What lets a process write to the store: a lease, or an answer of whoever has it."""

    @property
    def is_good(self) -> bool:
        """Whether anything may be written now."""

    def renew(self) -> None:
        """Make it good again, if it still is this process's."""

    def check(self) -> None:
        """Raise where it is another process's now."""


class Mirror:
    """Sends what happens in a directory to the store, for as long as it may.

    ``damage`` says what is wrong with a ``.pth``: one that is damaged on the disk is not sent.
    ``there`` are the objects in the store; the segments that are sent now carry ``token``.
    """

    def __init__(
        self,
        store: Store,
        synced: Synced,
        lease: Right,
        token: int,
        there: Collection[str],
        damage: Damage,
        on_notice: OnNotice,
    ) -> None:
        self._store, self._synced, self._lease = store, synced, lease
        self._damage, self.on_notice = damage, on_notice
        self._directory = synced.directory
        self._token, self._there = token, there
        self._growths: dict[str, Growth] = {}
        self.outbox = Outbox(self._directory, self._growth, synced.forget, there)
        self._refused: set[str] = set()  # damaged on the disk
        self._away: str | None = None
        self._failures = 0
        self._fault: BaseException | None = None
        self._progress = now()
        self._stop = threading.Event()
        self._following = ExitStack()
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)

    def start(self) -> None:
        """Begin to follow the directory, and to send."""
        self._following.enter_context(disk.following(self.outbox.hear))
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, which nobody expected, or LeaseLostError."""
        self._lease.check()
        if self._fault is not None:
            raise self._fault

    def is_safe(self, path: Path) -> bool:
        """Tell whether the store has a file as it is now."""
        name = path.relative_to(self._directory).as_posix()
        return path.exists() and name not in self.outbox.lacks() | self._refused

    def drain(self, patience: float) -> None:
        """Wait until the store has everything, or has stayed away for ``patience`` seconds.

        Raises:
            StorageError: it lacks something; how much, and where that is.
        """
        began = self._progress = now()
        told = False
        while left := self.outbox.lacks():
            self.check()
            if not told and now() - began > _SILENCE:
                self.on_notice(f"{self._store.address}: {_files(left)} on the way")
                told = True
            if self._away is not None and now() - self._progress > patience:
                break
            self.outbox.wait(0.2)
        if left:
            why = f" ({self._away})" if self._away else ""
            raise StorageError(
                f"{self._store.address}: {_files(left)} NOT in the store and in "
                f"{self._directory} only{why}; run the same command again on this machine"
            )

    def close(self) -> None:
        """Stop sending; what is left stays in the directory."""
        self._following.close()
        self._stop.set()
        self.outbox.close()
        if self._thread.is_alive():
            self._thread.join()

    def _growth(self, name: str) -> Growth:
        if name not in self._growths:
            old = [n for n in self._there if n.startswith(f"{name}.d/")]
            self._growths[name] = Growth(name, self._token, old)
        return self._growths[name]

    def _work(self) -> None:
        wait = _FIRST_WAIT
        try:
            while not self._stop.is_set() and (batch := self.outbox.take()):
                if self._try(batch):
                    wait = _FIRST_WAIT
                else:
                    self._stop.wait(wait * random.uniform(0.5, 1.0))
                    wait = min(2 * wait, _LONGEST_WAIT)
        except (LeaseLostError, SupersededError):  # told by whoever asks `check`
            return
        except BaseException as error:
            self._fault = error
            raise

    def _try(self, batch: Batch) -> bool:
        """Send a batch; what cannot be sent now is put back."""
        try:
            self._send(batch)
        except (StorageError, OSError) as error:
            self.outbox.put_back(batch)
            self._failures += 1
            self._tell_away(error)
            return False
        self._tell_back()
        return True

    def _send(self, batch: Batch) -> None:
        gone = False
        while batch.puts:
            gone |= not self._put(batch.puts[0])
            self._done(batch.puts.pop(0).name)
        for growth in self._growths.values():
            old = growth.old()
            self._remove(old)
            growth.gone(old)
        if gone:  # what took its place may not have been sent yet
            self.outbox.put_back(batch)
            batch.removals = []
        self._remove(batch.removals)
        for name in batch.removals:
            self._done(name, is_there=False)
        self._synced.save()

    def _done(self, name: str, *, is_there: bool = True) -> None:
        self._progress = now()
        self.outbox.sent(name, is_there=is_there)

    def _put(self, put: Put) -> bool:
        """Send one file; False where it is gone."""
        if isinstance(put.data, Path):
            return self._put_weights(put.name, put.data)
        self._ask_lease()
        if put.segment is not None:
            self._append(put)
        else:
            self._store.put(put.name, put.data)
        self._ask_lease()
        return True

    def _append(self, put: Put) -> None:
        assert put.segment is not None and isinstance(put.data, bytes)
        growth = self._growth(put.name)
        try:
            self._store.create(put.segment.name, put.data)
        except ConflictError as error:  # ours, its answer lost; or nobody knows whose
            growth.begin_again()
            raise AwayError(f"{self._store.address}: sends {put.name} again") from error
        growth.has(put.segment, len(put.data))

    def _put_weights(self, name: str, path: Path) -> bool:
        if self._synced.is_skeleton(name):
            return True
        reason = None if name.startswith(DAMAGED) else self._damage(path)
        if not path.exists():
            return False
        self._refused.discard(name)
        if reason is not None:
            self._refused.add(name)
            self.on_notice(f"{name}: {reason}; NOT sent to {self._store.address}")
            return True
        self._ask_lease()
        before = stamp_of(path)
        try:
            version = self._store.put(name, path)
        except FileNotFoundError:
            return False
        self._ask_lease()
        if before is not None and stamp_of(path) == before:
            self._synced.note(name, version.etag)
        return True

    def _remove(self, names: list[str]) -> None:
        for start in range(0, len(names), _AT_ONCE):
            self._ask_lease()
            self._store.delete(*names[start : start + _AT_ONCE])

    def _ask_lease(self) -> None:
        """Refuse to write, or to take it that something is written, without a good lease.

        A link that is busy with a large file may not have let its renewals through: if it can be
        renewed now, nobody has had it meanwhile.
        """
        if not self._lease.is_good:
            self._lease.renew()
        self._lease.check()
        if not self._lease.is_good:
            raise AwayError(f"{self._store.address}: the lease could not be renewed in time")

    def _tell_away(self, error: Exception) -> None:
        if self._failures == _WORTH_A_WORD:
            self.on_notice(
                f"{error}: training goes on in {self._directory}, "
                f"{_files(self.outbox.lacks())} NOT in the store yet; tried again"
            )
        self._away = str(error)

    def _tell_back(self) -> None:
        if self._failures and not self.outbox.lacks():
            if self._failures >= _WORTH_A_WORD:
                self.on_notice(f"{self._store.address}: has caught up, all that was saved is there")
            self._away, self._failures = None, 0


def _files(names: set[str]) -> str:
    return "1 file is" if len(names) == 1 else f"{len(names)} files are"


def first_to_send(directory: Path, synced: Synced, names: list[str]) -> list[str]:
    """Return, of a directory's files, those that the store does not have as they are."""
    grown = [name for name in names if name.endswith(GROWS)]
    others = [n for n in names if n not in grown and not synced.is_skeleton(n)]
    return [*(n for n in others if not synced.is_clean(n)), *grown]
