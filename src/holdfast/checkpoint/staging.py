"""Copies of what lies on a cuda device, in pinned host memory, made beside its computing."""

from collections.abc import Collection, Mapping

import torch


class PinnedCopies:
    """Host memory that device storages are copied to, kept for the next time.

    What changes only at a fence goes over a stream of its own; what the next forward pass may
    change goes over the compute stream, in front of it.
    """

    def __init__(self, device: torch.device) -> None:
        self._beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._copied: list[torch.cuda.Event] = []
        self._buffers: dict[int, torch.UntypedStorage] = {}

    def copy(
        self,
        storages: Mapping[int, torch.UntypedStorage],
        still: Collection[int],
        fenced: Collection[int],
    ) -> dict[int, torch.UntypedStorage]:
        """Begin to copy ``storages``; return by their keys where their bytes will be.

        The storages must live, and the copies before have been used, until `wait` returns.
        """
        compute = torch.cuda.current_stream(self._beside.device)
        self._beside.wait_stream(compute)  # the step before may still be running
        for key, storage in storages.items():
            if key in still and key in self._buffers:
                continue
            stream = self._beside if key in still or key in fenced else compute
            with torch.cuda.stream(stream):
                _as_bytes(self._buffer(key, storage)).copy_(_as_bytes(storage), non_blocking=True)
        self._copied = [self._beside.record_event(), compute.record_event()]
        self._buffers = {key: self._buffers[key] for key in storages}
        return self._buffers

    def fence(self) -> None:
        """Let the device change nothing before it is copied; the host does not wait."""
        for event in self._copied:
            torch.cuda.current_stream(self._beside.device).wait_event(event)

    def wait(self) -> None:
        """Return when the copies are whole."""
        for event in self._copied:
            event.synchronize()

    def forget(self) -> None:
        """Let go of all memory: what stood still may change now."""
        self._buffers.clear()

    def _buffer(self, key: int, storage: torch.UntypedStorage) -> torch.UntypedStorage:
        known = self._buffers.get(key)
        if known is None or known.nbytes() != storage.nbytes():
            bytes_ = torch.empty(storage.nbytes(), dtype=torch.uint8, pin_memory=True)
            known = self._buffers[key] = bytes_.untyped_storage()
        return known


def _as_bytes(storage: torch.UntypedStorage) -> torch.Tensor:
    empty = torch.empty(0, dtype=torch.uint8, device=storage.device)
    return empty.set_(storage, 0, (storage.nbytes(),))  # type: ignore[call-overload,no-any-return]
