"""A job's checkpoints, written beside the training."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch

from holdfast.checkpoint import (
    CheckpointStore,
    JobLedger,
    PinnedCopies,
    Snapshot,
    digest,
    key_of,
)
from holdfast.errors import StorageError, UsageError
from holdfast.rundir import HistoryRow, JobName, Position
from holdfast.storage.objects import is_safe
from holdfast.training import trace
from holdfast.training.pace import Pace
from holdfast.training.settings import RunSettings
from holdfast.training.state import TrainState


class Saver:
    """Makes snapshots of a job's state, and one thread that makes them durable.

    There is one snapshot at a time. While it is being written no other begins: the next is of a
    later step, and nothing queues.
    """

    def __init__(
        self,
        name: JobName,
        store: CheckpointStore,
        ledger: JobLedger,
        settings: RunSettings,
        state: TrainState,
        device: str,
    ) -> None:
        self.saved: Position | None = None
        """The newest position that is durable on this machine."""
        self._safe: Position | None = None
        self._committed: list[tuple[Position, Path]] = []  # since then
        each_step = trace.tracer is not None  # so that each can be resumed from
        self.pace = Pace(settings.overhead, 0.0 if each_step else settings.save_interval)
        self._name, self._device = name, device
        self._store, self._ledger, self._settings, self._state = store, ledger, settings, state
        self._thread = ThreadPoolExecutor(1, "holdfast-saver")
        self._pinned = PinnedCopies(torch.device(device)) if device.startswith("cuda") else None
        self._still: tuple[dict[int, torch.UntypedStorage], str] = ({}, "")
        self._rows: list[HistoryRow] = []  # epochs that the journal has not heard of
        self._told: list[HistoryRow] = []  # those that it hears of with what is being written
        self._writing: Future[float] | None = None
        self._unfenced: Snapshot | None = None  # what the next step must not change
        self._must = False
        self._owed = False  # the end of an epoch came while another was being written
        self._waited = 0.0

    def resumed(self, position: Position) -> None:
        """Take note that a checkpoint of ``position`` was loaded."""
        self.saved = self._safe = position

    @property
    def safe(self) -> Position | None:
        """The newest position that is where it was to be: on the disk, or in the store."""
        for number, (position, path) in reversed(list(enumerate(self._committed))):
            if is_safe(path):
                self._safe = position
                del self._committed[: number + 1]
                break
        return self._safe

    def hold_still(self, tensors: Iterable[torch.Tensor]) -> None:
        """From here on take it that ``tensors`` do not change, until they are named anew.

        Raises:
            UsageError: those that were named before have changed.
        """
        self.finish()
        storages, before = self._still
        if digest(storages.values()) != before and storages:
            raise UsageError(
                f"{self._name}: weights that were said to be frozen have changed in training; "
                "name only those as frozen=… that no step changes"
            )
        still = {key_of(tensor): tensor.untyped_storage() for tensor in tensors}
        self._still = (still, digest(still.values()))
        self._state.still = frozenset(still)
        if self._pinned:
            self._pinned.forget()

    def is_due(self, *, epoch_ends: bool = False) -> bool:
        """Tell whether it is time for the next checkpoint, and what went wrong with the last."""
        if epoch_ends:
            self.pace.pause()
        else:
            self.pace.stepped(writing=self._writing is not None)
        if self._writing is not None and self._writing.done():
            self.finish()
        self._owed |= epoch_ends
        busy = self._writing is not None and self.pace.fixed is None  # due it stays
        return not busy and (self._owed or self.pace.is_due())

    def note_epoch(self, row: HistoryRow) -> None:
        """Let the journal hear of an epoch, once a checkpoint holds it."""
        self._rows.append(row)

    def save(self) -> None:
        """Commit a checkpoint of this very position; durable when this returns."""
        self.begin(must=True)
        self.finish(usual=False)

    @contextmanager
    def fencing(self, thing: object) -> Iterator[None]:
        """While the block runs, call `fence` before each step of an optimizer."""
        if not isinstance(thing, torch.optim.Optimizer):
            yield
            return
        hook = thing.register_step_pre_hook(lambda *_: self.fence())
        try:
            yield
        finally:
            hook.remove()

    def fence(self) -> None:
        """Let what is being written be as it was, whatever changes from here on."""
        if self._unfenced is not None:
            with self._waiting():
                self._unfenced.fence()
            self._unfenced = None

    def finish(self, *, usual: bool = True) -> None:
        """Wait until nothing is being written any more.

        Raises:
            StorageError: the end of an epoch could not be saved; inside one, training goes on
                and tries again.
        """
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            seconds = writing.result()
        except StorageError as error:
            if self._must:
                raise
            self._settings.on_notice(
                f"{self._name}, {self._state.position}: NOT saved, training goes on and tries "
                f"again in {self.pace.interval:.0f} s: {error}"
            )
        else:
            self.pace.paid(self._waited + seconds, usual=usual)
        finally:
            self._unfenced = None
            self._rows = [*self._told, *self._rows]

    def close(self) -> None:
        """Let go of the thread, once it is done; say what went wrong, as nobody else will."""
        self._thread.shutdown()
        error = self._writing.exception() if self._writing else None
        if isinstance(error, Exception):
            self._settings.on_notice(f"{self._name}: the last checkpoint was NOT saved: {error}")

    def begin(self, *, must: bool = False) -> None:
        """Freeze the state and begin to write it, after what is being written.

        Where the disk refuses, training goes on if it is not a ``must``.
        """
        self.finish()
        self._must, self._waited, self._owed = must, 0.0, False
        with self._waiting():
            state, position = self._state, self._state.position
            record = state.record(self._name, self._device)
            record["saving"] = self._said()
            snapshot = Snapshot(
                self._store.named(record),
                state.unchanging(),
                state.fenced(),
                self._pinned,
                state.settled(),
            )
        self.pace.begun()
        self._unfenced = snapshot
        self._told, self._rows = self._rows, []
        self._writing = self._thread.submit(self._write, snapshot, position)

    def _write(self, snapshot: Snapshot, position: Position) -> float:
        """In the thread: commit, prune, tell the journal; return the seconds of computing."""
        began = time.thread_time()
        path = self._store.save(self._name, position, snapshot.record, snapshot.contents)
        self.saved = position
        self._committed.append((position, path))
        self._store.prune(self._name, self._settings.keep_latest)
        if self._told:
            self._ledger.epochs_ended(self._name, self._told)
        elif position.step == 0:
            self._ledger.moved(self._name, position)
        return time.thread_time() - began

    def _said(self) -> dict[str, float]:
        """Return what ``holdfast status`` says of saving."""
        pace = self.pace
        return {"interval": pace.interval, "seconds": pace.total, "saves": pace.saves}

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began
