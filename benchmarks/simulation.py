"""A series on a simulated cluster: virtual nodes and hours, and the driver's own code, for real.

What is real: the schedule, the ledger with its journal and state files on a real directory, written
to by `write_down` in the order in which the workers of `holdfast/pipeline/on_ray` tell. What is
simulated: nodes, which die at exponential intervals and come back; jobs, which take their time and
lose what they did since their last checkpoint; and of Ray, its queue, first in, first out, and that
it starts a task anew whose node has died, up to twice.
"""

import heapq
import math
import random
import resource
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.checkpoint import Ledger, write_down
from holdfast.pipeline.schedule import Schedule, at_a_time
from holdfast.rundir import DEATHS, JobName, Position, RecoveryState
from holdfast.storage import disk

STAGES = {"head": 2, "finetune": 8}
CLASSES = 10


@dataclass(frozen=True)
class Cluster:
    """The machines; times in seconds."""

    nodes: int
    mtbf: float = math.inf
    """Mean time between the failures of one node."""
    repair: float = 300.0
    """Until a node that died takes jobs again: a reboot, or another spot machine."""
    detection: float = 30.0
    """Until Ray gives a dead node up."""
    start: float = 10.0
    """From the placing of a job to its first step."""
    interval: float = 60.0
    """Between two checkpoints inside an epoch; its end has one too."""
    overhead: float = 0.01
    """By how much checkpoints slow a job down."""
    seed: int = 0


@dataclass
class Attempt:
    """One placing of a job on a node."""

    job: JobName
    node: int
    began: float
    saved: float
    """Work that was done, and saved, before it."""


@dataclass
class Cost:
    """What the driver's own code took."""

    cpu: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    written: int = 0

    def note(self, effect: disk.Effect) -> None:
        """Count what is about to happen on the disk."""
        self.effects[effect.kind] += 1
        self.written += len(effect.data)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the processor time of the block."""
        began = time.process_time()
        yield
        self.cpu += time.process_time() - began


class Simulation:
    """One series, from its plan to its end."""

    def __init__(self, directory: Path, work: Mapping[JobName, float], cluster: Cluster) -> None:
        self.now = 0.0
        self.completed: Counter[JobName] = Counter()
        self.failed: set[JobName] = set()
        self.deaths = 0
        self.lost = 0.0
        """Seconds of work that were done in vain."""
        self.checkpoints = 0
        self.cost = Cost()
        self._work, self._cluster = dict(work), cluster
        self._directory = directory
        self._random = random.Random(cluster.seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._free = list(range(cluster.nodes))[::-1]
        self._running: dict[int, Attempt] = {}
        self._queue: deque[JobName] = deque()
        self._retries: dict[JobName, int] = {}  # of each task that Ray knows
        self._saved: dict[JobName, float] = {}
        self._count = 0
        self._slow = 1.0 + cluster.overhead

    def run(self) -> float:
        """Train all; return the seconds until the last job was complete."""
        with disk.watching(self.cost.note):
            with self.cost.counting():
                self._plan()
                self._hand_out()
            if self._cluster.mtbf < math.inf:
                for node in range(self._cluster.nodes):
                    self._at(self._lifetime(), self._die, node)
            self._place()
            while self._schedule:
                self.now, _, happen, args = heapq.heappop(self._events)
                happen(*args)
            with self.cost.counting():
                self.ledger.close()
        return self.now

    def _plan(self) -> None:
        """Begin the run, as a start of `holdfast train` does."""
        self.ledger = Ledger(self._directory)
        self.ledger.identify()
        folds = Counter(job.backbone for job in self._work if job.fold is not None)
        names = [job.backbone for job in self._work if job.fold is None]
        self.ledger.plan({"stages": STAGES, "seed": 42}, names, dict(folds))
        self._schedule = Schedule(self._work)

    # the driver, as pipeline/on_ray/driver.py has it

    def _hand_out(self) -> None:
        most = at_a_time(self._cluster.nodes)
        while len(self._retries) < most and (job := self._schedule.take()) is not None:
            self.ledger.changes_in(job)
            self._retries[job] = DEATHS - 1
            self._queue.append(job)

    def _hear(self, event: str, *told: Any) -> None:
        self.cost.events[event] += 1
        write_down(self.ledger, event, told)

    def _take_back(self, job: JobName) -> None:
        del self._retries[job]
        if job in self.completed:
            return
        if self._schedule.is_hopeless(job):
            self._hear("failed", job, "its process dies again and again, and gets it no further")
            self.failed.add(job)
            self._schedule.end(job)
        else:
            self._schedule.put_back(job)

    # the cluster

    def _at(self, later: float, happen: Callable[..., None], *args: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + later, self._count, happen, args))

    def _lifetime(self) -> float:
        return self._random.expovariate(1.0 / self._cluster.mtbf)

    def _place(self) -> None:
        while self._queue and self._free:
            job, node = self._queue.popleft(), self._free.pop()
            attempt = Attempt(job, node, self.now, self._saved.get(job, 0.0))
            self._running[node] = attempt
            self._at(self._cluster.start, self._enter, attempt)

    def _runs(self, attempt: Attempt) -> bool:
        return self._running.get(attempt.node) is attempt

    def _enter(self, attempt: Attempt) -> None:
        """The worker has read the newest checkpoint, and says so."""
        if not self._runs(attempt):
            return
        job, begun = attempt.job, attempt.job in self._saved
        with self.cost.counting():
            position = self._position(job, attempt.saved) if begun else None
            if begun:
                epochs = self._epochs(job, attempt.saved)
                self._hear("agree_on_epochs", job, [row(number) for number in range(epochs)])
            self._hear("entered", job, position)
            stuck = self._schedule.entered(job, position)
            if stuck and stuck % DEATHS == 0:  # the driver cancels the task
                self._leave(attempt)
                self._take_back(job)
                self._hand_out()
                self._place()
                return
            self._hear("remember_stages", dict(STAGES))
            if not begun:
                self._hear("moved", job, Position("head", 0))
        self._saved.setdefault(job, 0.0)
        self._next_epoch(attempt, self._epochs(job, attempt.saved) + 1)

    def _next_epoch(self, attempt: Attempt, number: int) -> None:
        length = self._work[attempt.job] / sum(STAGES.values())
        since = max(attempt.saved, (number - 1) * length)
        self._at((number * length - since) * self._slow, self._end_epoch, attempt, number)

    def _end_epoch(self, attempt: Attempt, number: int) -> None:
        if not self._runs(attempt):
            return
        job, length = attempt.job, self._work[attempt.job] / sum(STAGES.values())
        trained = number * length - max(attempt.saved, (number - 1) * length)
        self.checkpoints += 1 + int(trained / self._cluster.interval)
        with self.cost.counting():
            self._hear("epochs_ended", job, [row(number - 1)])
            if number == STAGES["head"]:
                self._hear("moved", job, Position("finetune", 0))
        if number < sum(STAGES.values()):
            self._next_epoch(attempt, number + 1)
            return
        self.completed[job] += 1
        with self.cost.counting():
            self._hear("completed", job, result(job), self._work[job], True)
            self._schedule.end(job)
            self._take_back(job)
            self._hand_out()
        self._leave(attempt)
        self._place()

    def _leave(self, attempt: Attempt) -> None:
        del self._running[attempt.node]
        self._free.append(attempt.node)

    def _die(self, node: int) -> None:
        self.deaths += 1
        attempt = self._running.pop(node, None)
        if attempt is None:
            self._free.remove(node)
        else:
            self._save_what_is(attempt)
            self._at(self._cluster.detection, self._miss, attempt.job)
        self._at(self._cluster.repair, self._come_back, node)

    def _come_back(self, node: int) -> None:
        self._free.append(node)
        self._at(self._lifetime(), self._die, node)
        self._place()

    def _save_what_is(self, attempt: Attempt) -> None:
        """Keep of a job's work what a checkpoint has."""
        trained = (self.now - attempt.began - self._cluster.start) / self._slow
        if trained <= 0:
            return
        done = attempt.saved + trained
        length = self._work[attempt.job] / sum(STAGES.values())
        base = max(attempt.saved, done // length * length)
        kept = base + (done - base) // self._cluster.interval * self._cluster.interval
        self._saved[attempt.job] = kept
        self.checkpoints += int((kept - base) / self._cluster.interval + 0.5)
        self.lost += done - kept

    def _miss(self, job: JobName) -> None:
        """Ray has found out; it tries again, and then it is the driver's turn."""
        if self._retries[job]:
            self._retries[job] -= 1
            self._queue.append(job)
        else:
            with self.cost.counting():
                self._take_back(job)
                self._hand_out()
        self._place()

    def _epochs(self, job: JobName, done: float) -> int:
        """Return how many epochs are complete; a hair's breadth is the rounding of floats."""
        return int(done / self._work[job] * sum(STAGES.values()) + 1e-9)

    def _position(self, job: JobName, done: float) -> Position:
        epochs = self._epochs(job, done)
        inside = done - epochs * self._work[job] / sum(STAGES.values())
        step = round(max(inside, 0.0))  # a step a second
        if epochs < STAGES["head"]:
            return Position("head", epochs, step)
        return Position("finetune", epochs - STAGES["head"], step)


def ideal(work: Mapping[JobName, float], nodes: int) -> float:
    """Return the seconds below which nothing can stay: all work shared out, or the longest job."""
    return max(sum(work.values()) / nodes, max(work.values()))


def row(number: int) -> dict[str, Any]:
    """Return what a job tells of its epoch of this number, counted from 0."""
    head = number < STAGES["head"]
    stage, epoch = ("head", number + 1) if head else ("finetune", number + 1 - STAGES["head"])
    means = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1", "learning_rate")
    return {"stage": stage, "epoch": epoch} | dict.fromkeys(means, 1 / (number + 3))


def result(job: JobName) -> dict[str, Any]:
    """Return a result with the fields and the size of a real one, for ten classes."""
    draw = random.Random(str(job))
    matrix = [[draw.randrange(100) for _ in range(CLASSES)] for _ in range(CLASSES)]
    names = ("accuracy", "precision", "recall", "f1", "loss", "roc_auc")
    scores = {name: draw.random() for name in names}
    final = {"final_accuracy": scores["accuracy"], "final_loss": scores["loss"]}
    return {**scores, "confusion_matrix": matrix, "stages": dict(STAGES), **final}


def start_again(directory: Path) -> tuple[float, RecoveryState]:
    """Return the seconds in which another driver would know the run, and what it knows."""
    began = time.perf_counter()
    ledger = Ledger(directory)
    ledger.hold()
    state, seconds = ledger.state, time.perf_counter() - began
    ledger.close()
    return seconds, state


def peak_memory() -> int:
    """Return the most bytes that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
