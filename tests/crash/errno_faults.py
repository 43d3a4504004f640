"""Rung 4: errors of a real kernel in the middle of a series: injected ones, and bad disks.

An error is injected by strace at a write or a sync of one kind of file; the call is not carried
out. What a child may do then: end with exit code 5 and one clear line, or go on and tell it.
"""

import itertools
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash import strace_attach
from tests.crash.bad_disks import bad_disks
from tests.crash.outcome import Outcome
from tests.crash.storm import Storm, ended_by_error
from tests.crash.tiny_run import TinyRun

MOST = 15  # faults of one run
ERRORS = ("ENOSPC", "EIO", "EDQUOT")
DIRECTORY, ANY, IMAGES = "the directory", "any file", "the image cache"
TARGETS = {  # what a run writes, by the paths in its directory
    "a checkpoint inside an epoch": r"\w+_step\d+\.pth",
    "a checkpoint at an epoch's end": r"\w+_epoch[1-9]\d*\.pth",
    "a checkpoint at a stage's start": r"\w+_epoch0\.pth",
    "a result": r"\w+_best\.pth",
    "the journal": r"journal\.jsonl",
    "the recovery state": r"\.recovery_state\.json",
    "the folds": r"\.kfold_progress\.json",
    "the status text": r"recovery_status\.txt",
    "the lock's holder": r"\.lock\.holder\.json",
    IMAGES: r"image_cache/.*",
    DIRECTORY: r"\.",
    ANY: r"[^/]+",
}
_CALLS = (
    *((effect, target) for target in list(TARGETS)[:-2] for effect in ("write", "sync")),
    ("sync_directory", DIRECTORY),
    *((effect, ANY) for effect in ("create", "rename", "unlink")),
)


@dataclass(frozen=True)
class Injection:
    """An error at the n-th call of one kind on one kind of file, or from there on."""

    error: str
    effect: str
    target: str
    lasting: bool

    def strike(self, storm: Storm, chance: random.Random) -> bool:
        """Start the series under strace; tell whether it met the error."""
        if self.target == IMAGES:  # it may be deleted at any time, and is made anew
            shutil.rmtree(storm.directory / "image_cache", ignore_errors=True)
        number = chance.randint(1, 3)
        fault = f"error={self.error}:when={number}{'+' * self.lasting}"
        child, tracer = strace_attach.begin_traced(storm, fault, self.effect, self._paths(storm))
        child.wait()
        if not tracer.injected():
            return False
        injury = f"{self.target}, number {number}{' and all later' * self.lasting}"
        ended_by_error(storm, f"{self.error} at {self.effect}", injury, child)
        return True

    def _paths(self, storm: Storm) -> list[str]:
        paths = storm.tiny.paths(self.effect)
        names = {path: re.sub(r"\.([^/]+)\.PID\.tmp$", r"\1", path) for path in paths}
        return [path for path in paths if re.fullmatch(TARGETS[self.target], names[path])]


def injections() -> list[Injection]:
    """Return every error at every kind of call on every kind of file."""
    return [
        Injection(error, effect, target, lasting)
        for error in ERRORS
        for effect, target in _CALLS
        for lasting in (False, True)
    ]


def injuries(chance: random.Random, where: Path, tiny: TinyRun) -> Iterator[list[Outcome]]:
    """Deal every fault once, in random order, bad disks in between; and then again.

    What is yielded is what came of the faults of one run.
    """
    disks = bad_disks(chance, where, tiny)
    for number in itertools.count():
        waiting = [] if strace_attach.why_not() else injections()
        chance.shuffle(waiting)
        while waiting:
            storm = Storm("4", tiny, where / f"faulty-{number}-{len(waiting)}")
            tiny.lend_images(storm.directory)
            _deal(storm, waiting, chance)
            yield storm.finish()
            yield next(disks)
        yield next(disks)


def _deal(storm: Storm, waiting: list[Injection], chance: random.Random) -> None:
    """Deal faults to one run until it is through; those that it did not meet wait on."""
    missed = []
    while waiting and len(storm) < MOST:
        fault = waiting.pop()
        if not fault.strike(storm, chance):
            missed.append(fault)
        if storm.through:
            break
    waiting += missed  # the next run begins with them
