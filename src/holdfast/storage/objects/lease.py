"""The right to write below an address: an object that its holder renews, and that runs out.

No two clocks are compared: who wants it watches the object for as long as it is good for, by
a clock of its own, and its holder counts from before its last renewal was sent.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.errors import DirectoryInUseError, LeaseLostError, StorageError
from holdfast.storage.boot import boot_id
from holdfast.storage.lock import is_alive
from holdfast.storage.objects.clock import now
from holdfast.storage.objects.store import ConflictError, Store, Version
from holdfast.storage.objects.waits import lease_seconds

LEASE = ".lease"

_MARGIN = 0.2  # of it: the last request that was sent in time has ended by then
_RENEWALS = 3  # in the time it is good for
_SETTLE = 0.1  # of it, after which a write of two at once is the last, as far as one can know


@dataclass(frozen=True)
class Claim:
    """What stands in the lease object."""

    id: str
    """One holding; another one of the same process has another id."""
    token: int
    """One more with each holder."""
    host: str
    pid: int
    boot: str
    """This boot of its machine, and whose process numbers these are."""
    since: str
    seconds: float
    renewed: int = 0
    released: bool = False

    @classmethod
    def of_this_process(cls, token: int) -> "Claim":
        """Return the claim of a new holder."""
        since = datetime.now().isoformat(timespec="seconds")
        name, host = uuid.uuid4().hex, socket.gethostname()
        return cls(name, token, host, os.getpid(), _machine(), since, lease_seconds())

    @classmethod
    def parse(cls, data: bytes) -> "Claim | None":
        """Read what `encode` made; None where it is anything else."""
        try:
            fields: dict[str, Any] = json.loads(data)
            claim = cls(**fields)
            int(claim.token), int(claim.pid), float(claim.seconds)
        except (ValueError, TypeError, RecursionError):
            return None
        return claim

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self)).encode()

    @property
    def is_dead(self) -> bool:
        """Whether its process is known to be gone: it was this machine's, since its boot."""
        here = self.host == socket.gethostname() and self.boot == _machine() != ""
        return here and not is_alive(self.pid)

    def __str__(self) -> str:
        """Name the holder."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def read_claim(store: Store) -> tuple[Claim | None, Version | None]:
    """Return who holds the lease, or has held it last, and the version of the object."""
    found = store.get(LEASE)
    return (Claim.parse(found[0]), found[1]) if found else (None, None)


class Lease:
    """The lease of one address, and the thread that renews it.

    ``conditional`` says whether the store keeps to the conditions of writes; where it does not,
    a write is read back after a while instead.
    """

    def __init__(
        self, store: Store, *, conditional: bool, on_notice: Callable[[str], None]
    ) -> None:
        self.predecessor: Claim | None = None
        """Who held it before."""
        self._store, self._conditional, self._on_notice = store, conditional, on_notice
        self._tried: Claim | None = None  # by a request whose answer may have been lost
        self._claim: Claim | None = None
        self._version: Version | None = None
        self._good_until = 0.0
        self._lost: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()

    def acquire(self) -> None:
        """Take the lease, at once if it is free; else watch whether its holder renews it.

        Raises:
            DirectoryInUseError: the holder is alive; told at its first renewal.
            AwayError: the store does not answer.
        """
        claim, version = read_claim(self._store)
        if claim is None or claim != self._tried:
            if claim is not None and not claim.released and not claim.is_dead:
                version = self._watch(claim)
            self.predecessor = claim
            self._tried = Claim.of_this_process((claim.token if claim else 0) + 1)
        self._take(self._tried, version)
        self._thread = threading.Thread(target=self._renew_on, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give it back, so that the next one need not wait."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._claim is None or self._lost is not None:
            return
        with self._writing:
            self._write(replace(self._claim, released=True))

    @property
    def token(self) -> int:
        """The number of this holding; later holders have greater ones."""
        assert self._claim is not None
        return self._claim.token

    @property
    def id(self) -> str:
        """What tells this holding from every other."""
        assert self._claim is not None
        return self._claim.id

    @property
    def is_good(self) -> bool:
        """Whether nobody else can have it yet: only then may anything be written."""
        return self._lost is None and now() < self._good_until

    def check(self) -> None:
        """Raise LeaseLostError where somebody else has taken it."""
        if self._lost is not None:
            raise LeaseLostError(self._lost)

    def renew(self) -> None:
        """Renew it, or find that it is lost; AwayError where the store does not answer."""
        with self._writing:
            if self._lost is None and self._claim is not None:
                self._write(replace(self._claim, renewed=self._claim.renewed + 1))

    def _watch(self, claim: Claim) -> Version | None:
        """Wait as long as a claim is good for; return its version if it is not renewed."""
        self._on_notice(
            f"{self._store.address} was in use by {claim}: waiting {claim.seconds:.0f} s to see "
            "whether it is still alive"
        )
        until = now() + claim.seconds
        version = None
        while now() < until:
            time.sleep(min(claim.seconds / (4 * _RENEWALS), max(until - now(), 0.01)))
            current, version = read_claim(self._store)
            if current is None or current.released:
                return version
            if current != claim:
                raise DirectoryInUseError(self._in_use(current))
        return version

    def _in_use(self, claim: Claim) -> str:
        return (
            f"{self._store.address} is in use by {claim}; wait for it, stop it, or name another "
            "--checkpoint-dir (`holdfast status` only reads, and works meanwhile)"
        )

    def _take(self, claim: Claim, old: Version | None) -> None:
        sent = now()
        try:
            self._version = self._send(claim, old)
        except ConflictError:
            there, self._version = read_claim(self._store)
            if there is None or there.id != claim.id:  # it may be ours, its answer lost
                raise DirectoryInUseError(
                    self._in_use(there) if there else f"{self._store.address} is being taken"
                ) from None
        if not self._conditional:
            time.sleep(claim.seconds * _SETTLE)
            there, self._version = read_claim(self._store)
            if there is None or there.id != claim.id:
                raise DirectoryInUseError(self._in_use(there or claim))
        self._claim, self._good_until = claim, self._limit(sent, claim)

    def _send(self, claim: Claim, old: Version | None) -> Version:
        if not self._conditional:
            return self._store.put(LEASE, claim.encode())
        if old is not None:
            return self._store.replace(LEASE, claim.encode(), old)
        return self._store.create(LEASE, claim.encode())

    def _write(self, claim: Claim) -> None:
        """Write a further word of ours over the last one, if that still stands."""
        sent = now()
        try:
            if not self._conditional:
                self._must_be_ours()
            self._version = self._send(claim, self._version)
        except ConflictError:
            self._version = self._must_be_ours()  # a repeated request finds its own first write
            if self._lost is None:
                self._version = self._send(claim, self._version)
        if self._lost is None:
            self._claim, self._good_until = claim, self._limit(sent, claim)

    def _must_be_ours(self) -> Version | None:
        there, version = read_claim(self._store)
        assert self._claim is not None
        if there is None or there.id != self._claim.id:
            who = f"{there} has" if there else "somebody has removed"
            self._lose(f"{self._store.address}: {who} it now, and this process has lost its lease")
        return version

    def _lose(self, why: str) -> None:
        self._lost = (
            f"{why}: stopped. What had reached the store stands; look who trains there, and run "
            "the same command again if nobody does"
        )

    def _limit(self, sent: float, claim: Claim) -> float:
        return sent + claim.seconds * (1 - _MARGIN)

    def _renew_on(self) -> None:
        assert self._claim is not None
        pause = self._claim.seconds / _RENEWALS
        while not self._stop.wait(pause) and self._lost is None:
            try:
                self.renew()
            except StorageError:  # the mirror says that the store stays away
                pause = self._claim.seconds / (4 * _RENEWALS)
            else:
                pause = self._claim.seconds / _RENEWALS


def _machine() -> str:
    """Return what two processes have in common that can look for each other by their numbers."""
    boot, namespace = boot_id(), Path("/proc/self/ns/pid")
    return f"{boot} {namespace.readlink()}" if boot and namespace.is_symlink() else boot
