"""What the disk has and the store lacks, coalesced by name and taken in consistent cuts."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.storage import disk
from holdfast.storage.atomic import is_temporary
from holdfast.storage.objects.segments import GROWS, Growth, Segment
from holdfast.storage.objects.synced import SYNCED

DAMAGED = "damaged"
WEIGHTS = ".pth"


@dataclass(frozen=True)
class Put:
    """One file to be sent: its bytes at the cut, or where a large one stands."""

    name: str
    data: bytes | Path
    segment: Segment | None = None


@dataclass
class Batch:
    """All that was to be sent at one moment; what is left of it while it is sent."""

    puts: list[Put] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)


def is_shipped(name: str) -> bool:
    """Tell whether a file of a run, by its name in the directory, belongs into the store."""
    path = Path(name)
    inside = len(path.parts) == 1 or path.parts[0] == DAMAGED
    ours = path.name == SYNCED or path.name.startswith(".lock")
    return inside and not ours and not is_temporary(path)


class Outbox:
    """Hears of each effect on a directory, and hands out what is to be sent.

    Nothing in a batch is older than anything that was done before it was taken: checkpoints of
    the cut go first, newest first, then the journal, then what is made from it, then removals.
    """

    def __init__(
        self,
        directory: Path,
        growth: Callable[[str], Growth],
        on_change: Callable[[str], None],
        there: Collection[str],
    ) -> None:
        self._directory, self._growth, self._on_change = directory, growth, on_change
        self._there = set(there)
        self._puts: dict[str, None] = {}  # in the order in which they came last
        self._removals: dict[str, None] = {}
        self._sending: set[str] = set()
        self._closed = False
        self._quiet = threading.local()
        self._changed = threading.Condition()

    def hear(self, effect: disk.Effect) -> None:
        """Take note of an effect that is done."""
        if getattr(self._quiet, "on", False):
            return
        if effect.kind == disk.RENAME and effect.target is not None:
            self._note(effect.path, is_there=False)
            self._note(effect.target, is_there=True, rewritten=True)
        elif effect.kind == disk.SYNC:
            self._note(effect.path, is_there=True)
        elif effect.kind == disk.UNLINK:
            self._note(effect.path, is_there=False)

    def quietly(self, act: Callable[[], None]) -> None:
        """Do in this thread what the store need not hear of: it comes from there."""
        self._quiet.on = True
        try:
            act()
        finally:
            self._quiet.on = False

    def add(self, name: str) -> None:
        """Let a file be sent."""
        with self._changed:
            self._puts[name] = None
            self._changed.notify_all()

    def take(self, *, wait: bool = True) -> Batch | None:
        """Return all there is to send, as it is now; waits for something, None once closed."""
        with self._changed:
            while wait and not (self._puts or self._removals or self._closed):
                self._changed.wait()
            if not (self._puts or self._removals):
                return None
            # the journal is read after what is made from it, and so knows at least as much
            cuts = [self._cut(name) for name in reversed(self._in_order())]
            puts = [put for put in reversed(cuts) if put is not None]
            batch = Batch(puts, list(self._removals))
            self._sending = {put.name for put in puts} | self._removals.keys()
            self._puts, self._removals = {}, {}
            return batch

    def sent(self, name: str, *, is_there: bool = True) -> None:
        """Take note that the store has a file, or that it is rid of it."""
        with self._changed:
            self._sending.discard(name)
            (self._there.add if is_there else self._there.discard)(name)
            self._changed.notify_all()

    def put_back(self, batch: Batch) -> None:
        """Let what is left of a batch be sent with the next, unless something newer is."""
        with self._changed:
            newer = self._puts
            names = [p.name for p in batch.puts if p.name not in {*newer, *self._removals}]
            self._puts = dict.fromkeys(names) | newer
            kept = [n for n in batch.removals if n not in self._puts]
            self._removals = dict.fromkeys(kept) | self._removals
            self._sending = set()
            self._changed.notify_all()

    def lacks(self) -> set[str]:
        """Return the names of the files that the store does not have as they are."""
        with self._changed:
            return {*self._puts, *self._removals, *self._sending}

    def wait(self, seconds: float) -> None:
        """Wait for a change, so long at most."""
        with self._changed:
            self._changed.wait(seconds)

    def close(self) -> None:
        """Let whoever waits for something to send go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _note(self, path: Path, *, is_there: bool, rewritten: bool = False) -> None:
        if not path.is_relative_to(self._directory):
            return
        name = path.relative_to(self._directory).as_posix()
        if not is_shipped(name):
            return
        with self._changed:
            self._on_change(name)
            self._puts.pop(name, None)
            self._removals.pop(name, None)
            if is_there:
                self._puts[name] = None
            elif name in self._there or name in self._sending:
                self._removals[name] = None
            if rewritten and name.endswith(GROWS):
                self._growth(name).begin_again()
            self._changed.notify_all()

    def _in_order(self) -> list[str]:
        names = list(self._puts)
        weights = [n for n in names if n.endswith(WEIGHTS) and not n.startswith(DAMAGED)]
        aside = [n for n in names if n.startswith(DAMAGED)]
        grown = [n for n in names if n.endswith(GROWS) and n not in aside]
        made = [n for n in names if n not in {*weights, *aside, *grown}]
        return [*aside, *reversed(weights), *grown, *made]

    def _cut(self, name: str) -> Put | None:
        path = self._directory / name
        if name.endswith(WEIGHTS):
            return Put(name, path)
        try:
            if name.endswith(GROWS):
                grown = self._growth(name).cut(path)
                return Put(name, grown[1], grown[0]) if grown else None
            return Put(name, path.read_bytes())
        except FileNotFoundError:  # it is gone, which is about to be heard
            return None
