"""What a directory's journal and state files say, kept in memory and followed as they grow."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from holdfast.rundir.journal import Journal
from holdfast.rundir.layout import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE, JobName
from holdfast.rundir.lines import Record
from holdfast.rundir.reached import in_training
from holdfast.rundir.recovery import move, replay, state_of
from holdfast.rundir.sources import Sources, read_sources
from holdfast.rundir.state import RecoveryState
from holdfast.rundir.told import Told

Stamp = tuple[int, int, int] | None
Epochs = set[tuple[str, int]]  # stages, each with one of its epochs
_open: "WeakValueDictionary[Path, Books]" = WeakValueDictionary()


class Books:
    """The state of one directory; before each answer it looks whether the files are others.

    What was appended to the journal is read and added, in a time that does not grow with the jobs;
    anything else makes it read all again.
    """

    def __init__(self, directory: Path) -> None:
        self.behind = False
        """Whether the state files lack what the journal knows."""
        self.next_write = 0.0
        """When they may be written again, by the monotonic clock."""
        self._directory = directory
        self._files = [directory / name for name in (JOURNAL, RECOVERY_STATE, KFOLD_PROGRESS)]
        self._journal = Journal(directory)
        self._seen: tuple[Stamp, ...] = ()
        self._state = RecoveryState()
        self._records: list[Record] = []
        self._epochs: Counter[str] = Counter()
        self._trained: dict[str, Epochs] | None = {}
        self._told = Told()
        self._counted: tuple[list[str], dict[str, int], int] = ([], {}, 0)

    @classmethod
    def of(cls, directory: Path) -> "Books":
        """Return the books of a directory, the same for all who ask while anybody has them."""
        return _open.setdefault(directory.resolve(), cls(directory.resolve()))

    @property
    def state(self) -> RecoveryState:
        """The state as it is now, the caller's own."""
        known = self.known
        own = {name: value.copy() for name, value in vars(known).items() if hasattr(value, "copy")}
        return replace(known, **own)

    @property
    def known(self) -> RecoveryState:
        """The same for whoever only looks; a copy takes long where the jobs are many."""
        self._follow()
        return self._state

    @property
    def jobs(self) -> int:
        """How many jobs there are, planned or complete."""
        state, (backbones, folds, planned) = self.known, self._counted
        if state.backbones is not backbones or state.folds is not folds:  # replaced, never changed
            planned = len(state.backbones) + sum(state.folds.values())
            self._counted = (state.backbones, state.folds, planned)
        return max(planned, len(state.results))

    @property
    def records(self) -> list[Record]:
        """The journal without its epochs, which are nearly all of it."""
        self._follow()
        return self._records

    @property
    def epochs(self) -> Counter[str]:
        """How many epochs of each job the journal has."""
        self._follow()
        return self._epochs

    def trained(self, job: JobName) -> Epochs:
        """Return the epochs of a job that the journal has; of those in training at once."""
        if not self.epochs[str(job)]:
            return set()
        if self._trained is None:
            self._trained = self._read_trained(in_training(self._records))
        one = self._trained.get(str(job))
        return self._read_trained([job]).get(str(job), set()) if one is None else one

    @property
    def told(self) -> Told:
        """What the journal tells of each job, up to where the state that was last given goes."""
        return self._told

    def load(self) -> Sources:
        """Read everything, and return it."""
        seen = self._stamps()
        found = read_sources(self._directory)
        self._state = state_of(self._directory, found) or RecoveryState()
        self._records, self._epochs, self._told = [], Counter(), Told()
        self._count(found.journal)
        self._trained = None  # of old epochs no more than the job was read
        self._seen, self.next_write = seen, 0.0
        return found

    def written(self, state: RecoveryState) -> None:
        """Take note that the state files now hold ``state``."""
        self._state.timestamp = state.timestamp
        self._seen = (*self._seen[:1], *self._stamps()[1:])
        self.behind = False

    def _follow(self) -> None:
        seen = self._stamps()
        if seen != self._seen and not self._add(seen):
            self.load()

    def _add(self, seen: tuple[Stamp, ...]) -> bool:
        """Read what was appended to the journal; False where that is not all that happened."""
        before, now = self._seen[:1] or (None,), seen[0]
        if before[0] is None or now is None or self._seen[1:] != seen[1:]:
            return False
        if now[0] != before[0][0] or now[1] <= before[0][1]:
            return False
        added = self._journal.parse_from(before[0][1], now[1], self._state.crc)
        if added is None:
            return False
        news, self._state.mark, self._state.crc = added
        self._state.size = now[1]
        replay(self._state, news)
        move(self._state, news)
        self._learn(news)
        self._count(news)
        self._seen = seen
        return True

    def _count(self, records: list[Record]) -> None:
        self._epochs.update(r["job"] for r in records if r["event"] == "epoch")
        others = [r for r in records if r["event"] != "epoch"]
        self._records += others
        self._told.add(others)

    def _learn(self, news: list[Record]) -> None:
        """Keep the epochs of the jobs in training, before they are counted."""
        if self._trained is None:
            return
        for record in news:
            if record["event"] == "job_completed":
                self._trained.pop(record["job"], None)
            elif record["event"] == "epoch":
                if not self._epochs[record["job"]]:
                    self._trained.setdefault(record["job"], set())
                if (known := self._trained.get(record["job"])) is not None:
                    known.add(_epoch(record))

    def _read_trained(self, jobs: list[JobName]) -> dict[str, Epochs]:
        known: dict[str, Epochs] = {str(job): set() for job in jobs}
        for record in self._journal.about(jobs):
            if record["event"] == "epoch":
                known[record["job"]].add(_epoch(record))
        return known

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, self._files))


def _epoch(record: Record) -> tuple[str, int]:
    return sys.intern(record["stage"]), record["epoch"]


def _stamp(path: Path) -> Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
