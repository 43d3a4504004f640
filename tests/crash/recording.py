"""The tiny run as it happens: its effects, what it promised after each, and its end by crash."""

import random
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from holdfast.rundir import JobName, Position, parse_checkpoint
from holdfast.storage import disk
from holdfast.storage.disk import Effect
from tests.crash import library_run
from tests.crash.sameness import what_stays
from tests.crash.simulated import Files, SimulatedDisk, read_files, write_files

RUN = "run"
_BEFORE_THE_COMMIT = re.compile(r"\.(.+)\.\d+\.tmp")


class PowerCut(BaseException):
    """The machine is off: no ``except Exception`` goes on, and no cleanup reaches the disk."""


@dataclass(frozen=True)
class Promise:
    """What was acknowledged when ``after`` effects had happened: a position, or completion."""

    after: int
    job: JobName
    position: Position | None


@dataclass
class Recording:
    """A watcher that notes each effect, and lets none happen once ``last`` of them have."""

    root: Path
    last: int | None = None
    copying: bool = False
    effects: list[Effect] = field(default_factory=list)
    """Those that happened; their paths are below ``root``."""
    before: list[Files] = field(default_factory=list)
    """What stood before each effect, when ``copying``, and at the cut."""
    promises: list[Promise] = field(default_factory=list)
    cut: bool = False

    def __call__(self, effect: Effect) -> None:
        """Note what is about to happen, or prevent it."""
        if not self.cut and (self.copying or len(self.effects) == self.last):
            self.before.append(self._copy())
        if len(self.effects) == self.last:
            self.cut = True
            raise PowerCut
        target = effect.target and effect.target.relative_to(self.root)
        path = effect.path.relative_to(self.root)
        self.effects.append(replace(effect, path=path, target=target))

    def promised(self, job: JobName, position: Position | None) -> None:
        """Note that something was acknowledged."""
        self.promises.append(Promise(len(self.effects), job, position))

    def promised_by(self, count: int) -> list[Promise]:
        """Return what had been acknowledged when ``count`` effects had happened."""
        return [promise for promise in self.promises if promise.after <= count]

    def _copy(self) -> Files:
        """Return what stands; bytes that have not changed since are kept once."""
        now, past = read_files(self.root), self.before[-1] if self.before else {}
        kept = {path: past[path] for path in now if path in past and past[path] == now[path]}
        return now | kept


def record(root: Path, *, last: int | None = None, copying: bool = False) -> Recording:
    """Do the tiny run in ``root``, to its end or until ``last`` effects have happened."""
    recording = Recording(root, last, copying)
    with disk.watching(recording), suppress(PowerCut):
        library_run.train(root / RUN, recording.promised)
    return recording


@dataclass(frozen=True)
class Undisturbed:
    """A tiny run that was left alone, which is what every crashed one is compared with."""

    recording: Recording
    end: dict[str, Any]
    """All that it left."""
    where: Path
    """Where runs are crashed and recovered."""

    @property
    def kinds(self) -> list[str]:
        """The moments a crash can be put at: before each effect, and after the last."""
        return moments(self.recording.effects)


def undisturbed(where: Path) -> Undisturbed:
    """Do the tiny run once, and copy what stands before each effect and at the end."""
    with TemporaryDirectory(dir=where) as name:
        recording = record(Path(name), copying=True)
        recording.before.append(read_files(Path(name)))
        return Undisturbed(recording, what_stays(Path(name) / RUN), where)


def crash(files: Files, number: int, where: Path) -> tuple[Recording, Files]:
    """Start the run where ``files`` stand, cut its power; return what it did and what is left."""
    with TemporaryDirectory(dir=where) as name:
        write_files(Path(name), files)
        recording = record(Path(name), last=number)
        return recording, read_files(Path(name))


def one_of_each_first(kinds: Sequence[str], chance: random.Random) -> list[int]:
    """Return the numbers of all ``kinds`` in random order, one of each kind at the beginning."""
    numbers = list(range(len(kinds)))
    chance.shuffle(numbers)
    first = {kinds[number]: number for number in numbers}
    return sorted(numbers, key=lambda number: first[kinds[number]] != number)


def disk_after(effects: Sequence[Effect]) -> SimulatedDisk:
    """Return a disk on which ``effects`` have happened."""
    simulated = SimulatedDisk({})
    for effect in effects:
        simulated.apply(effect)
    return simulated


def moments(effects: Sequence[Effect]) -> list[str]:
    """Say for each effect what it does to which kind of file, and then that all is done."""
    said: list[str] = []
    for effect in effects:
        after = effect.kind == disk.SYNC_DIRECTORY and said
        said.append(
            f"{effect.kind} after {said[-1]}" if after else f"{effect.kind} of {_of(effect)}"
        )
    return [*said, "the end"]


def _of(effect: Effect) -> str:
    name = (effect.target or effect.path).name
    if match := _BEFORE_THE_COMMIT.fullmatch(name):
        name = match[1]
    file = parse_checkpoint(Path(name))
    if file is not None:
        inside = ", inside an epoch" if file.position.step else ""
        return f"a {'fold' if file.job.fold else 'full split'}'s checkpoint{inside}"
    return "a result" if name.endswith("_best.pth") else name
