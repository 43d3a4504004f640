"""A scratch directory that is this process's to write in: lease, mirror, and their end."""

import atexit
import os
from pathlib import Path

from holdfast.errors import DirectoryInUseError, HoldfastError
from holdfast.storage.atomic import make_directory
from holdfast.storage.lock import DirectoryLock
from holdfast.storage.objects.clock import now
from holdfast.storage.objects.lease import Lease, read_claim
from holdfast.storage.objects.mirror import Damage, Mirror, first_to_send
from holdfast.storage.objects.mirrored import Mirrored
from holdfast.storage.objects.probe import probe
from holdfast.storage.objects.pull import local_names, pull
from holdfast.storage.objects.segments import Segment
from holdfast.storage.objects.store import LEASE_TIMES, AwayError, Store
from holdfast.storage.objects.waits import patience

_LOOK_AGAIN = 2.0  # seconds for which a reader believes what it has seen
_LOOKING = 2.0  # seconds that a reader of this machine may take to bring the scratch in line


class Held(Mirrored):
    """The scratch directory of an address, which one process at a time writes in."""

    _lease: Lease | None = None
    _pid = 0
    _looked = float("-inf")

    def hold(self, damage: Damage) -> None:
        """Take the lease, bring the directory in line, and begin to send; the lock is held.

        Raises:
            DirectoryInUseError: another process has the lease.
            StorageError: the store refuses, or stays away.
        """
        self._synced = None  # another process may have written it
        honours = self._patiently(lambda: probe(self.store))
        self.store.sums_are_md5 = honours.sums
        if not honours.conditions:
            self.on_notice(
                f"{self.address}: this server ignores the conditions of writes, so a lease is "
                "read back instead; two starts in the same seconds could both get it: see to it "
                "that there is only one"
            )
        store = Store(self.address, LEASE_TIMES)
        lease = Lease(store, conditional=honours.conditions, on_notice=self.on_notice)
        self._patiently(lease.acquire)
        try:
            self._mirror = self._patiently(lambda: self._begin(lease, damage))
        except BaseException:
            lease.release()
            raise
        self._lease, self._pid = lease, os.getpid()
        atexit.register(self._at_exit)

    def let_go(self) -> None:
        """Send what is left, and give the lease back.

        Raises:
            LeaseLostError: there is none to give back.
            StorageError: something is not in the store.
        """
        lease, mirror = self._lease, self._mirror
        if lease is None or mirror is None:
            return
        atexit.unregister(self._at_exit)
        try:
            mirror.drain(patience())
        finally:
            mirror.close()
            self._lease = self._mirror = None
            self._release(lease)

    def look(self) -> None:
        """Bring the directory in line for a reader, unless a process of this machine does."""
        if self._mirror is not None or now() - self._looked < _LOOK_AGAIN:
            return
        lock = DirectoryLock(self.directory / ".lock")
        try:
            lock.acquire()
        except DirectoryInUseError:
            return
        try:
            self._look()
        finally:
            lock.release()
        self._looked = now()

    def _look(self) -> None:
        self._synced = None
        claim, _ = read_claim(self.store)
        if claim is not None and claim.id == self.synced.holder:
            return  # what is here is the newest
        self.synced.holder = ""
        pull(self.store, self.synced, keep=False)
        self.synced.save()

    def _begin(self, lease: Lease, damage: Damage) -> Mirror:
        make_directory(self.directory)
        before = lease.predecessor
        ours = before is not None and before.id == self.synced.holder
        ours |= self.synced.holder == lease.id  # the second try
        self.synced.holder = lease.id if ours else ""
        there = pull(self.store, self.synced, keep=ours)
        self.synced.holder = lease.id
        self.synced.save()
        token = max([lease.token, *(s.token + 1 for n in there if (s := Segment.parse(n)))])
        mirror = Mirror(
            self.store,
            self.synced,
            lease,
            token,
            there,
            damage,
            lambda line: self.on_notice(line),
        )
        mirror.start()
        for name in first_to_send(self.directory, self.synced, local_names(self.directory)):
            mirror.outbox.add(name)
        return mirror

    def _release(self, lease: Lease) -> None:
        try:
            lease.release()
        except AwayError:
            self.on_notice(f"{self.address}: the lease could not be given back, and runs out")
        lease.check()

    def _at_exit(self) -> None:
        """End a holding that nobody has ended; a forked child has none."""
        if os.getpid() != self._pid:
            return
        try:
            self.let_go()
        except HoldfastError as error:
            self.on_notice(str(error))


class HeldLock:
    """The lock of a scratch directory and the lease of its address, as one."""

    def __init__(self, path: Path, held: Held, damage: Damage) -> None:
        self._local = DirectoryLock(path, str(held.address), patience=_LOOKING)
        self._held, self._damage = held, damage

    def acquire(self) -> bool:
        """Take both; taking them again in this process is counted, as `DirectoryLock` does.

        Raises:
            DirectoryInUseError: another process holds one of them.
            StorageError: the directory cannot be written, or the store stays away.
        """
        newly = self._local.acquire()
        if newly:
            try:
                self._held.hold(self._damage)
            except BaseException:
                self._local.release()
                raise
        return newly

    def release(self) -> None:
        """Give both back, once everything is in the store.

        Raises:
            StorageError: something is not.
        """
        try:
            if self._local.count == 1:
                self._held.let_go()
        finally:
            self._local.release()

    def check(self) -> None:
        """Raise LeaseLostError where another process has taken over."""
        self._held.check()
