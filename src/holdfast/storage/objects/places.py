"""Which directory of this machine stands for which address."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.storage.atomic import remove
from holdfast.storage.lock import DirectoryLock, holder_file, introduce
from holdfast.storage.objects.address import Address, is_url, scratch_root
from holdfast.storage.objects.borrowed import Lent, leave, place_for
from holdfast.storage.objects.held import Held, HeldLock
from holdfast.storage.objects.lease import LEASE, Claim, read_claim
from holdfast.storage.objects.mirror import Damage, OnNotice
from holdfast.storage.objects.mirrored import Mirrored
from holdfast.storage.objects.scratch import Scratch
from holdfast.storage.objects.store import Entry

_SKEW = 60.0  # seconds by which the server's clock may differ from ours, for a look

_scratches: dict[Path, Scratch] = {}


def located(where: str | Path) -> Path:
    """Return the directory of a run: the one that is named, or the scratch of a URL.

    Raises:
        UsageError: the URL names no run.
    """
    if not is_url(where):
        return Path(where)
    address = Address.parse(where)
    directory = scratch_root() / address.slug
    if directory not in _scratches:
        _scratches[directory] = Held(address, directory)
    return directory


def named(where: str | Path) -> str:
    """Return what names a run from anywhere: its URL, or its directory's whole path."""
    return str(Address.parse(where) if is_url(where) else Path(where).resolve())


def shown(directory: Path) -> str:
    """Return what a person calls a run's directory: its URL, where it stands for one."""
    scratch = _scratches.get(directory)
    return str(scratch.address if scratch else directory)


def lock_of(path: Path, damage: Damage) -> DirectoryLock | HeldLock:
    """Return the lock of a run; ``damage`` says what is wrong with a file, before it is sent."""
    held = _scratches.get(path.parent)
    return HeldLock(path, held, damage) if isinstance(held, Held) else DirectoryLock(path)


def tell(directory: Path, on_notice: OnNotice) -> None:
    """Let a run's store say to ``on_notice`` what a person should know."""
    held = _scratches.get(directory)
    if isinstance(held, Held):
        held.on_notice = on_notice


def look(directory: Path) -> None:
    """Before a read without the lock: bring what is here in line with its store."""
    if scratch := _scratches.get(directory):
        scratch.look()


def fetch(path: Path) -> None:
    """Before a file is read whole: bring it from the store, if it is only there.

    Raises:
        GoneError: the store does not have it any more.
        StorageError: the store does not answer.
    """
    if scratch := _scratch_of(path):
        scratch.fetch(path)


def is_safe(path: Path) -> bool:
    """Tell whether a file that is durable here is where it was to be: in the store, if any."""
    held = _scratches.get(path.parent)
    return not isinstance(held, Mirrored) or held.is_safe(path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give all of a file to read: itself, or for a while a copy of what only the store has.

    Raises:
        GoneError: the store does not have it any more.
        StorageError: the store does not answer.
    """
    scratch = _scratch_of(path)
    if scratch is None or not scratch.is_skeleton(path):
        yield path
        return
    with scratch.whole(path) as copy:
        yield copy


def outlines_do(path: Path) -> bool:
    """Tell whether only the store has all of a file, and a look at its outlines is enough."""
    scratch = _scratch_of(path)
    return scratch is not None and scratch.is_skeleton(path) and not scratch.thorough


@contextmanager
def thorough(directory: Path) -> Iterator[None]:
    """In the block, verify all of each file, also of those that only the store has."""
    scratch = _scratches.get(directory)
    if scratch is None:
        yield
        return
    scratch.thorough = True
    try:
        yield
    finally:
        scratch.thorough = False


@contextmanager
def viewed(where: str | Path, *, whole: bool = False) -> Iterator[Path]:
    """Give a directory to read a run in, beside whoever writes it: of a URL, a fresh copy.

    Its checkpoints are outlines there; to verify one reads it ``whole``, or only looks at it.

    Raises:
        StorageError: the store does not answer.
    """
    if not is_url(where):
        yield Path(where)
        return
    address = Address.parse(where)
    with tempfile.TemporaryDirectory(prefix="holdfast-") as place:
        directory = Path(place).resolve() / "run"
        view = _scratches[directory] = Scratch(address, directory)
        view.thorough = whole
        try:
            refresh(directory)
            yield directory
        finally:
            del _scratches[directory]


def refresh(directory: Path) -> None:
    """Bring what `viewed` has given up to date: only what has changed in the store is read.

    Raises:
        StorageError: the store does not answer; what is there stays.
    """
    if view := _scratches.get(directory):
        view.look()
        _introduce_holder(view)


@contextmanager
def lent(
    where: str,
    start: str,
    job: str,
    *,
    ours: Callable[[str], bool],
    ask: Callable[[], None],
    damage: Damage,
    on_notice: OnNotice,
) -> Iterator[Lent]:
    """Give a directory for one job of a run at a URL, to a process that has not the run.

    ``start`` tells the starts of the run apart; for the rest see `Lent`. When the block ends by
    itself, nothing is left in the directory.

    Raises:
        StorageError: the store does not answer.
    """
    address = Address.parse(where)
    place, lock = place_for(address, start, job)
    try:
        mine = _scratches[place] = Lent(address, place, ours, ask, damage, on_notice)
        try:
            yield mine
        finally:
            mine.close()
            del _scratches[place]
    except BaseException:
        lock.release()
        raise
    leave(place, lock)


def _introduce_holder(view: Scratch) -> None:
    """Let the copy say who holds the lease, if anybody still seems to."""
    file = holder_file(view.directory / ".lock")
    claim, _ = read_claim(view.store)
    if claim is None or not _seems_held(claim, view.store.list().get(LEASE)):
        remove(file)
    else:
        holder: dict[str, str | int] = {"host": claim.host, "pid": claim.pid, "since": claim.since}
        introduce(file, holder)


def _seems_held(claim: Claim, entry: Entry | None) -> bool:
    if entry is None or claim.released or claim.is_dead:
        return False
    return time.time() - entry.modified < claim.seconds + _SKEW


def _scratch_of(path: Path) -> Scratch | None:
    if not _scratches:
        return None
    return next((s for p in path.parents[:2] if (s := _scratches.get(p))), None)
