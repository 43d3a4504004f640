"""Rung 3: real SIGKILLs of a real series, at chosen effects, at system calls, at any moment.

A kill comes before the effect it is called after: the child kills itself just before the call,
or strace sends the signal on the call's entry, and the kernel then does not carry it out.
"""

import itertools
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.crash import strace_attach
from tests.crash.outcome import Outcome
from tests.crash.storm import Storm
from tests.crash.tiny_run import TinyRun

MOST = 25  # kills of one run
_LIVES = 12  # starts in which a run would be through, if each got its share
_KILLED = {-signal.SIGKILL}
_AT_EFFECT = """
import os, signal
from holdfast.storage import disk
left = {number}
def strike(effect):
    global left
    left -= effect.kind == {kind!r}
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
watching = disk.watching(strike)
watching.__enter__()
"""
_IN_RECOVERY = """
import os, signal
from holdfast.storage import disk
left = {number}
def strike(effect):
    global left
    left -= 1
    training = effect.kind == disk.CREATE and effect.path.name.startswith(".Custom")
    if left == 0 or training:
        os.kill(os.getpid(), signal.SIGKILL)
watching = disk.watching(strike)
watching.__enter__()
"""
EFFECTS = ("create", "append", "write", "sync", "rename", "unlink", "sync_directory")
Strike = Callable[[Storm, random.Random], bool]


def injuries(chance: random.Random, where: Path, tiny: TinyRun) -> Iterator[list[Outcome]]:
    """Kill run after run below ``where``, for as long as somebody asks; yield those of a run."""
    for number in itertools.count():
        storm = Storm("3", tiny, where / f"killed-{number}")
        if chance.random() < 0.8:
            tiny.lend_images(storm.directory)
        while len(storm) < MOST and _strike(storm, chance):
            pass
        yield storm.finish()


def _strike(storm: Storm, chance: random.Random) -> bool:
    weights = {at_random: 7, at_effect: 6, at_call: 4, in_recovery: 2, twice_in_a_row: 2}
    if strace_attach.why_not():
        del weights[at_call]
    (chosen,) = chance.choices(list(weights), list(weights.values()))
    return chosen(storm, chance)


def at_random(storm: Storm, chance: random.Random) -> bool:
    """Kill at any moment; False where the run was through before."""
    child, delay = storm.begin(), storm.tiny.moment(chance)
    time.sleep(delay)
    if child.kill() != 0:
        storm.ended("SIGKILL at random", f"after {delay:.3f} s", child, _KILLED)
    return child.wait() != 0


def at_effect(storm: Storm, chance: random.Random, kind: str | None = None) -> bool:
    """Kill before the n-th effect of a kind; False where there were not as many."""
    kind = kind or chance.choice(EFFECTS)
    number = chance.randint(1, 1 + storm.tiny.count(kind) // _LIVES)
    return _die(storm, f"SIGKILL at {kind}", number, _AT_EFFECT.format(number=number, kind=kind))


def at_call(storm: Storm, chance: random.Random, kind: str | None = None) -> bool:
    """Have strace kill at the n-th system call of a kind on the directory's files."""
    kind = kind or chance.choice(EFFECTS)
    number = chance.randint(1, 1 + storm.tiny.count(kind) // _LIVES)
    paths = storm.tiny.paths(kind)
    child, tracer = strace_attach.begin_traced(storm, f"signal=KILL:when={number}", kind, paths)
    if child.wait() != 0:
        storm.ended(f"SIGKILL at {kind}, by strace", f"number {number}", child, _KILLED)
    tracer.process.wait(10)
    return child.wait() != 0


def in_recovery(storm: Storm, chance: random.Random, kind: str = "during recovery") -> bool:
    """Kill before the n-th effect of a start, before its first checkpoint at the latest."""
    number = chance.randint(1, 30)
    return _die(storm, f"SIGKILL {kind}", number, _IN_RECOVERY.format(number=number))


def twice_in_a_row(storm: Storm, chance: random.Random) -> bool:
    """Kill the start that takes up, and the one that takes up after that."""
    return all(in_recovery(storm, chance, "during recovery, twice in a row") for _ in range(2))


def _die(storm: Storm, kind: str, number: int, prelude: str) -> bool:
    child = storm.begin(prelude)
    if child.wait() != 0:
        storm.ended(kind, f"number {number}", child, _KILLED)
    return child.wait() != 0
