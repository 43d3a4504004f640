"""A record frozen at one instant, and written while training goes on.

What may change a tensor decides what becomes of it. What stays as it is for a whole stage is read
where it lies. What only an optimizer's step changes is read where it lies too, beside the next
forward and backward pass, until that step is about to be made: the *fence* then copies what has
not been written yet (CheckFreq, FAST 2021, section 4.2, has the fence). The rest is copied at
once: BatchNorm's statistics change in the forward pass, and what a loop of one's own does with
its own objects nobody knows. No version counter is asked: fused optimizers leave them alone.
"""

import hashlib
import threading
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from holdfast.checkpoint.archive import bytes_of
from holdfast.checkpoint.plain import savable
from holdfast.checkpoint.record import CheckpointRecord
from holdfast.checkpoint.staging import PinnedCopies

Settled = Mapping[int, Mapping[int, torch.UntypedStorage]]


class Snapshot:
    """The record of one instant.

    Args:
        record: what `make_record` returns. Its containers are copied, its tensors are not.
        still: keys (`key_of`) of storages that stay as they are until this is written.
        fenced: keys of storages that stay as they are until `fence`.
        pinned: where what lies on a cuda device is copied to.
        settled: the storages of mappings that nobody ever changes, by the mapping's ``id``.

    Raises:
        UsageError: ``record`` holds what ``torch.load`` would not read back.
    """

    def __init__(
        self,
        record: CheckpointRecord,
        still: Collection[int] = (),
        fenced: Collection[int] = (),
        pinned: PinnedCopies | None = None,
        settled: Settled = MappingProxyType({}),
    ) -> None:
        self.record: CheckpointRecord = savable(record, settled)
        self._pinned = pinned
        found = storages_of(self.record, settled)
        on_device = {key: s for key, s in found.items() if s.device.type != "cpu"}
        self._staged = pinned.copy(on_device, still, fenced) if pinned and on_device else {}
        changing = found.keys() - self._staged.keys() - set(still)
        self._pieces = {key: _Piece(found[key]) for key in changing}
        self._fenced = [piece for key, piece in self._pieces.items() if key in fenced]
        for key in changing - set(fenced):
            self._pieces[key].keep()

    def fence(self) -> None:
        """Copy what is about to change and has not been written yet."""
        if self._pinned and self._staged:
            self._pinned.fence()
        for piece in self._fenced:
            piece.keep()
        self._fenced = []

    def contents(self, storages: Sequence[torch.UntypedStorage]) -> Generator[memoryview]:
        """Yield the bytes of each storage of the record, as they were; each view until the next."""
        if self._pinned and self._staged:
            self._pinned.wait()
        for storage in storages:
            key = key_of(storage)
            if piece := self._pieces.get(key):
                yield from piece.give()
            else:
                yield bytes_of(self._staged.get(key, storage))


class _Piece:
    """The bytes of one storage, until they are written."""

    def __init__(self, storage: torch.UntypedStorage) -> None:
        self._storage: torch.UntypedStorage | None = storage
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Copy them, unless they are written already."""
        with self._lock:
            if self._storage is not None:
                self._storage = self._storage.clone()  # type: ignore[no-untyped-call]

    def give(self) -> Generator[memoryview]:
        """Yield them; who wants to change them waits that long."""
        with self._lock:
            assert self._storage is not None
            yield bytes_of(self._storage)
            self._storage = None


def storages_of(
    value: Any, settled: Settled = MappingProxyType({})
) -> dict[int, torch.UntypedStorage]:
    """Return the storages of all tensors in nested containers, each once, by its key.

    Those of mappings in ``settled`` are known.
    """
    found: dict[int, torch.UntypedStorage] = {}

    def visit(item: Any) -> None:
        if isinstance(item, torch.Tensor):
            if item.layout == torch.strided:  # any other is a copy already
                storage = item.untyped_storage()
                found[storage._cdata] = storage
        elif id(item) in settled:
            found.update(settled[id(item)])
        elif isinstance(item, dict):
            for part in item.values():
                visit(part)
        elif isinstance(item, list | tuple):
            for part in item:
                visit(part)

    visit(value)
    return found


def key_of(thing: torch.Tensor | torch.UntypedStorage) -> int:
    """Return what tells one storage from another while both live."""
    storage = thing.untyped_storage() if isinstance(thing, torch.Tensor) else thing
    return int(storage._cdata)


def digest(storages: Iterable[torch.UntypedStorage]) -> str:
    """Return what changes, but by a chance of one in 2**64, when a byte of the storages does."""
    hashed = hashlib.blake2b(digest_size=8)
    for storage in storages:
        hashed.update(bytes_of(storage.cpu()))  # type: ignore[no-untyped-call]
    return hashed.hexdigest()
