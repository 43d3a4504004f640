"""Bringing a directory in line with the store, at a start or for a look."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from holdfast.storage.atomic import make_directory, remove, write_atomically
from holdfast.storage.objects.outbox import WEIGHTS, is_shipped
from holdfast.storage.objects.segments import Segment, current
from holdfast.storage.objects.skeleton import make_skeleton
from holdfast.storage.objects.store import AwayError, Entry, GoneError, Store
from holdfast.storage.objects.synced import Synced
from holdfast.storage.objects.together import together

_TRIES = 10


class _MovedError(Exception):
    """The store has changed between the listing and the reading."""


@dataclass(frozen=True)
class _There:
    """What the store has, as files: whole objects, and what consists of segments."""

    objects: Mapping[str, Entry]
    grown: Mapping[str, list[Segment]]

    @property
    def names(self) -> set[str]:
        return {*self.objects, *self.grown}


def pull(
    store: Store, synced: Synced, *, keep: bool, ours: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """Bring a directory in line with the store; return the names of all objects there.

    With ``keep``, nobody else has had the lease since this directory was in line with the store:
    what differs here is newer and stays, but for what workers of this holder's have replaced there,
    and skeletons of what they have pruned. Otherwise the store wins. Only ``ours`` is looked at.

    Raises:
        StorageError: the store does not answer, or the disk refuses.
    """
    make_directory(synced.directory)
    for _ in range(_TRIES):
        listing = {name: entry for name, entry in store.list().items() if ours(name)}
        there = _as_files(listing)
        try:
            _bring(store, synced, there, _differing(synced, there, keep=keep))
        except (_MovedError, GoneError):  # compacted, or pruned, beside us
            continue
        return list(listing)
    raise AwayError(f"{store.address}: changes faster than it can be read; try again")


def local_names(directory: Path) -> list[str]:
    """Return the names of all files of a directory that belong into the store."""
    paths = [*directory.iterdir(), *(directory / "damaged").glob("*")]
    names = sorted(p.relative_to(directory).as_posix() for p in paths if p.is_file())
    return [name for name in names if is_shipped(name)]


def _as_files(listing: Mapping[str, Entry]) -> _There:
    grown = current(listing)
    plain = {n: e for n, e in listing.items() if is_shipped(n) and n not in grown}
    return _There({n: e for n, e in plain.items() if not n.startswith((".lease", ".probe"))}, grown)


def _differing(synced: Synced, there: _There, *, keep: bool) -> set[str]:
    """Return what is to be brought; what the store has not is removed here, if it wins."""
    here = set(local_names(synced.directory))
    if keep:
        outlines = {n for n in here if synced.is_skeleton(n)}
        _drop(synced, outlines - there.names)
        known = {n for n in here & there.objects.keys() if n in outlines or synced.is_clean(n)}
        replaced = {n for n in known if synced.etag(n) != there.objects[n].etag}
        return (there.names - here) | replaced
    same = {n for n in here & there.objects.keys() if synced.is_clean(n, there.objects[n].etag)}
    _drop(synced, here - there.names)
    return there.names - same


def _drop(synced: Synced, names: Iterable[str]) -> None:
    for name in sorted(names):
        remove(synced.directory / name)
        synced.forget(name)


def _bring(store: Store, synced: Synced, there: _There, names: set[str]) -> None:
    weights = sorted(name for name in names if name.endswith(WEIGHTS))
    synced.now_skeletons(weights)
    synced.save()  # before there is one: a skeleton is never taken for the file
    jobs: list[Callable[[], None]] = [
        *(partial(_bring_weights, store, synced, there.objects[name]) for name in weights),
        *(partial(_bring_object, store, synced, n) for n in names & there.objects.keys()
          if n not in weights),
        *(partial(_bring_grown, store, synced, there.grown[n]) for n in names & there.grown.keys()),
    ]  # fmt: skip
    together(jobs)


def _bring_weights(store: Store, synced: Synced, entry: Entry) -> None:
    path = synced.directory / entry.name
    make_directory(path.parent)
    if not make_skeleton(store, entry, path):
        synced.now_whole(entry.name)
    synced.note(entry.name, entry.etag)


def _bring_object(store: Store, synced: Synced, name: str) -> None:
    found = store.get(name)
    if found is None:
        raise _MovedError(name)
    path = synced.directory / name
    make_directory(path.parent)
    write_atomically(path, found[0])


def _bring_grown(store: Store, synced: Synced, segments: list[Segment]) -> None:
    data = b""
    for segment in segments:
        found = store.get(segment.name)
        if found is None or len(data) != segment.offset:
            raise _MovedError(segment.name)
        data += found[0]
    write_atomically(synced.directory / segments[0].file, data)
