"""A run that takes injury after injury, is finished by the same command, and is compared."""

import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from holdfast.rundir import (
    JobName,
    Journal,
    Position,
    damage,
    list_all_checkpoints,
    list_results,
)
from tests.crash.outcome import Outcome, Verdict
from tests.crash.sameness import same_runs
from tests.crash.tiny_run import TinyRun
from tests.warm_python import Child

LONGEST = 90.0  # seconds of one start; the undisturbed run takes five
_REASONS = ("disk is full", "Input/output error", "not writable", "Read-only file system")
_STAGES = ("head", "finetune")
Fault = tuple[Verdict, str]
Rank = tuple[int, int, int]
_COMPLETE: Rank = (len(_STAGES), 0, 0)


def nothing() -> Fault | None:
    """What there is to mend after most injuries."""


class Storm:
    """One stormy run; an injury is a `begin`, whatever hits the child, and an `ended`."""

    def __init__(self, rung: str, tiny: TinyRun, directory: Path) -> None:
        self.rung, self.tiny, self.directory = rung, tiny, directory
        self._standing: dict[JobName, Rank] = {}
        self._entered = 0
        self._injuries: list[tuple[str, str, Fault | None]] = []

    def __len__(self) -> int:
        return len(self._injuries)

    @property
    def faults(self) -> list[Fault]:
        """What has been found wrong so far."""
        return [fault for _, _, fault in self._injuries if fault]

    def begin(self, prelude: str = "") -> Child:
        """Start the series, or go on with it."""
        for job, rank in standing(self.directory).items():
            self._standing[job] = max(rank, self._standing.get(job, rank))
        self._entered = len(entered(self.directory))
        self._child = self.tiny.start(self.directory, prelude)
        return self._child

    @property
    def through(self) -> bool:
        """Whether the last start finished the run; waits for its end."""
        return self._child.wait() == 0

    def ended(
        self,
        kind: str,
        injury: str,
        child: Child,
        allowed: Collection[int],
        mend: Callable[[], Fault | None] = nothing,
    ) -> None:
        """Judge the end of an injured child; ``mend`` makes the disk good, and judges it."""
        words, mended = judge_words(child, allowed), mend()
        self._injuries.append((kind, injury, words or mended or self._judge_disk()))

    def finish(self) -> list[Outcome]:
        """Let the run end in peace and compare it; a run that is good leaves nothing behind."""
        child = self.begin()
        fault = judge_words(child, {0}) or self._judge_disk() or self._compare()
        end: Fault = fault or ("same bits", "")
        outcomes = [Outcome(self.rung, k, i, *(own or end)) for k, i, own in self._injuries]
        if all(outcome.good for outcome in outcomes):
            shutil.rmtree(self.directory)
        return outcomes

    def _compare(self) -> Fault | None:
        try:
            same_runs(self.tiny.calm, self.directory)
        except AssertionError as error:
            return "other bits", str(error).splitlines()[0]
        return None

    def _judge_disk(self) -> Fault | None:
        """Look for jobs set back behind what stood before, and for damage under final names."""
        seen = set()
        for job, position in entered(self.directory)[self._entered :]:
            before = self._standing.get(job, _rank(None))
            if job not in seen and _rank(position) < before:
                return "needless restart", f"{job} from {position}, stood at {before}"
            seen.add(job)
        for path in self.directory.glob("*.pth"):
            if reason := damage(path):
                return "other bits", f"{path.name}: {reason}"
        aside = [path.name for path in (self.directory / "damaged").glob("*")]
        return ("needless restart", f"set aside: {aside}") if aside else None


def ended_by_error(
    storm: Storm,
    kind: str,
    injury: str,
    child: Child,
    mend: Callable[[], Fault | None] = nothing,
    *,
    leftovers: bool = False,
) -> None:
    """Judge a child that the disk refused something: it ends with exit code 5, or tells it.

    ``leftovers``: whether it could not even remove what it had begun to write.
    """
    silent = storm.through and not any(reason in child.output for reason in _REASONS)
    silence: Fault | None = ("unclear end", "it went on in silence") if silent else None

    def mend_and_look() -> Fault | None:
        mended = mend()
        left = [] if leftovers else list(storm.directory.rglob(f".*.{child.pid}.tmp"))
        return silence or mended or (("unclear end", f"left {left[0].name}") if left else None)

    storm.ended(kind, injury, child, {0, 5}, mend_and_look)


def judge_words(child: Child, allowed: Collection[int]) -> Fault | None:
    """Judge how a child ended: by what, and whether it said so in one clear line."""
    deadline = time.monotonic() + LONGEST
    while child.running:
        if time.monotonic() > deadline:
            child.kill()
            return "unclear end", "it did not end by itself"
        time.sleep(0.005)
    status, output = child.wait(), child.output
    child.output_file.unlink()
    if "Traceback" in output:
        return "traceback", output[output.index("Traceback") :]
    if status not in allowed:
        return "unclear end", f"status {status}: {output[-500:]}"
    said = [line for line in output.splitlines() if line.startswith("holdfast: ")]
    if status > 0 and len(said) != 1:
        return "unclear end", f"status {status} with {len(said)} lines: {output[-500:]}"
    return None


def standing(directory: Path) -> dict[JobName, Rank]:
    """Return how far each job can be resumed from what verifies on the disk."""
    far: dict[JobName, Rank] = {}
    for file in list_all_checkpoints(directory) if directory.is_dir() else []:
        if damage(file.path) is None:
            far[file.job] = max(_rank(file.position), far.get(file.job, _rank(None)))
    for job, path in list_results(directory):
        if damage(path) is None:
            far[job] = _COMPLETE
    return far


def entered(directory: Path) -> list[tuple[JobName, Position | None]]:
    """Return every taking up of a job that the journal knows, with the position."""
    found = []
    for record in Journal(directory).read():
        if record["event"] in ("job_started", "job_resumed"):
            resumed = record["event"] == "job_resumed"
            at = [record[key] for key in ("stage", "epoch", "step")] if resumed else None
            found.append((JobName.parse(record["job"]), Position(*at) if at else None))
    return found


def _rank(position: Position | None) -> Rank:
    if position is None:
        return (-1, 0, 0)
    return _STAGES.index(position.stage), position.epoch, position.step
