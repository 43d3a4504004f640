"""Rung 6: every file of a real run, injured in every way, is named, and the run ends the same."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from holdfast.rundir import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    STATUS_TEXT,
    CheckpointFile,
    JobName,
    Journal,
    list_all_checkpoints,
    list_results,
    parse_checkpoint,
    parse_result,
)
from holdfast.status import verify
from tests.crash import injure
from tests.crash.injure import DAMAGE, ODD, Injury
from tests.crash.outcome import Outcome, Verdict
from tests.crash.sameness import same, same_runs
from tests.crash.storm import entered, judge_words
from tests.crash.torn_run import FINISHED, NEARLY, STOPPED, TornRun

STATE_FILES = (RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL)
NOTHING_TO_LOSE = {".lock", ".lock.holder.json", STATUS_TEXT, "cache.lock"}
_STORAGE_FAILED = 5
_STAGES = ("head", "finetune")
_OFTEN = {FINISHED: 30, NEARLY: 5, STOPPED: 1}  # a stopped run takes seconds to finish
Fault = tuple[Verdict, str]
Rank = tuple[int, int, int]
_NOWHERE: Rank = (-1, 0, 0)


def injuries(chance: random.Random, where: Path, run: TornRun) -> Iterator[Outcome]:
    """Injure one file after the other, for as long as somebody asks."""
    while True:
        (state,) = chance.choices(list(_OFTEN), list(_OFTEN.values()))
        path = chance.choice(injure.targets(run.home / state))
        (kind,) = chance.choices((*DAMAGE, *ODD), [8] * len(DAMAGE) + [1] * len(ODD))
        name = str(path.relative_to(run.home / state))
        outcome = corrupt(run, where, state, name, kind, chance)
        if outcome is not None:
            yield outcome


def corrupt(
    run: TornRun, where: Path, state: str, name: str, kind: Injury, chance: random.Random
) -> Outcome | None:
    """Injure one file of a copy, verify, start, compare; None where nothing came to harm."""
    sweep = Corruption(run, run.copy(state, where / "run"), name, state)
    try:
        words = sweep.injure(kind, chance)
        if words is None:
            return None
        injury = f"{name} of the {state} run: {words}"
        verdict, evidence = sweep.verify() or sweep.start() or ("same bits", "")
        return Outcome("6", f"{kind.__name__} {kind_of(name)}", injury, verdict, evidence)
    finally:
        shutil.rmtree(sweep.directory)


def kind_of(name: str) -> str:
    """Say what a file is, for counting."""
    path = Path(name)
    if parse_result(path):
        return "result"
    if parse_checkpoint(path):
        return "checkpoint"
    return "images" if len(path.parts) > 1 and path.suffix != ".lock" else path.name


class Corruption:
    """One injured copy of a run."""

    def __init__(self, run: TornRun, directory: Path, name: str, state: str) -> None:
        self.run, self.directory, self.name, self.state = run, directory, name, state
        self.path = directory / name
        self.before = run.home / state / name
        self.named, self.bad = False, set[str]()

    def injure(self, kind: Injury, chance: random.Random) -> str | None:
        """Do it; None where the bytes are what they were."""
        if kind in (injure.flip, injure.truncate, injure.zero) and not self.before.stat().st_size:
            return None
        self.kind = kind.__name__
        words = kind(self.run, self.path, chance)
        if self.path.is_file() and self.path.read_bytes() == self.before.read_bytes():
            return None
        return words

    def verify(self) -> Fault | None:
        """Ask the command's own function: it names the file, and no other."""
        try:
            found = verify(self.directory)
        except Exception as error:  # noqa: BLE001 - a traceback is what this looks for
            return "traceback", f"verify: {type(error).__name__}: {error}"
        self.bad = {report.name for report in found.damaged}
        self.named = bool(self.bad & self._acceptable_names())
        if self.bad - self._acceptable_names():
            return "unclear end", f"verify names {self.bad}"
        if not self.named and self._must_be_named():
            return "other bits", "verify names nothing"
        return None

    def start(self) -> Fault | None:
        """Run the same command again, and judge what it says and leaves."""
        standing = self._standing()
        child = self.run.tiny.start(self.directory)
        status, output = child.wait(), child.output
        odd = self.kind in {kind.__name__ for kind in ODD}
        allowed = {0, _STORAGE_FAILED} if odd and self._may_be_refused() else {0}
        if wrong := judge_words(child, allowed):
            return wrong
        if status == _STORAGE_FAILED:
            return "clear refusal", ""
        return self._judge_words(output) or self._judge_entries(standing) or self.compare()

    def _may_be_refused(self) -> bool:
        """Tell whether a start leaves it to a person that something else than a file is there."""
        return self.path.name in NOTHING_TO_LOSE or self.path.parent != self.directory

    def _acceptable_names(self) -> set[str]:
        """Return what the injury may be named as: images are known by two files."""
        images = self.path.suffix in (".npy", ".json") and self.path.parent != self.directory
        pair = [Path(self.name).with_suffix(suffix) for suffix in (".npy", ".json")]
        return {self.name, *(str(path) for path in pair if images)}

    def _must_be_named(self) -> bool:
        if self.path.name in NOTHING_TO_LOSE:
            return False
        if self.kind in ("delete", "dangling"):
            return self.name in STATE_FILES or parse_result(self.path) is not None
        if not self.path.is_file():
            return True
        if self.name == JOURNAL:
            return not self._torn()
        return not self._means_the_same()

    def _torn(self) -> bool:
        """Tell whether the journal looks as a crash may leave it, with nothing lost for good."""
        tail_only = self.kind in ("append", "truncate") or Journal(self.directory).parse().torn
        known, left = (_events(d) for d in (self.before.parent, self.directory))
        return tail_only and known == left

    def _means_the_same(self) -> bool:
        """Tell whether no value differs: some bits of a zip's headers mean nothing."""
        if self.path.suffix == ".json":
            return _facts(self.before) == _facts(self.path)
        flipped_pth = self.kind == "flip" and self.path.suffix == ".pth"
        return flipped_pth and loads_the_same(self.before, self.path)

    def _standing(self) -> dict[JobName, Rank]:
        """Return how far each job can be resumed from what is good."""
        far: dict[JobName, Rank] = {}
        for file in list_all_checkpoints(self.directory):
            if file.path.name not in self.bad:
                far[file.job] = max(_rank(file), far.get(file.job, _NOWHERE))
        for job, path in list_results(self.directory):
            if path.name not in self.bad:
                far[job] = (len(_STAGES), 0, 0)
        return far

    def _judge_words(self, output: str) -> Fault | None:
        """A damaged file is named on the screen, and lies in damaged/ with the reason."""
        if not self.named or "image_cache" in self.name:
            return None
        job = parse_result(self.path)
        if self.path.name not in output and not (job and f"{job}: " in output):
            return "unclear end", f"the start does not name it: {output[:500]}"
        aside = self.directory / "damaged" / self.path.name
        reason = aside.with_name(f"{aside.name}.reason.txt")
        if self.kind != "delete" and not (os.path.lexists(aside) and reason.is_file()):
            return "unclear end", "it is not in damaged/ with the reason"
        return None

    def _judge_entries(self, standing: dict[JobName, Rank]) -> Fault | None:
        """Look for jobs that went back behind what was good."""
        for job, at in self._new_entries():
            here = (_STAGES.index(at.stage), at.epoch, at.step) if at else _NOWHERE
            if here < standing.pop(job, _NOWHERE):
                return "needless restart", f"{job} from {at}"
        return None

    def _new_entries(self) -> list[Any]:
        """Return the jobs entered since; only the times say which, where lines are lost."""
        known = {r["time"] for r in Journal(self.run.home / self.state).read()}
        whole = Journal(self.directory)
        times = [r["time"] for r in whole.read() if r["event"] in ("job_started", "job_resumed")]
        return [e for e, t in zip(entered(self.directory), times, strict=True) if t not in known]

    def compare(self) -> Fault | None:
        """Compare what came out with the undisturbed run."""
        try:
            same_runs(*self._differing())
        except AssertionError as error:
            return "other bits", str(error).splitlines()[0]
        left = [r.name for r in verify(self.directory).damaged]
        return ("unclear end", f"still damaged: {left}") if left else None

    def _differing(self) -> tuple[Path, Path]:
        """Return the undisturbed run and this one, less the files that are still one and the same.

        A checkpoint that no job had a use for any more need not be there again.
        """
        whole, pair = self.run.home / FINISHED, self.directory / "compared"
        spared = {self.name} if parse_checkpoint(self.path) and not self.path.exists() else set()
        for source, target in ((whole, pair / "calm"), (self.directory, pair / "stormy")):
            target.mkdir(parents=True)
            for path in source.iterdir():
                kept = path.suffix in (".pth", ".json", ".jsonl") and path.name not in spared
                if kept and not is_one_file(whole / path.name, self.directory / path.name):
                    os.link(path, target / path.name)
        return pair / "calm", pair / "stormy"


def is_one_file(one: Path, other: Path) -> bool:
    """Tell whether two names are of the same file, which is not even read then."""
    return one.exists() and other.exists() and one.samefile(other)


def loads_the_same(one: Path, other: Path) -> bool:
    """Tell whether torch finds the same in two files."""
    try:
        same(torch.load(one), torch.load(other))
    except (AssertionError, RuntimeError):
        return False
    return True


def _facts(path: Path) -> Any:
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        return None
    facts.pop("timestamp", None)
    return facts


def _events(directory: Path) -> list[str]:
    """Return what the journal says of the run itself; a resumed job has its epochs again."""
    kept = ("run_identified", "run_planned", "job_completed", "job_failed")
    return [json.dumps(r) for r in Journal(directory).read() if r["event"] in kept]


def _rank(file: CheckpointFile) -> tuple[int, int, int]:
    return _STAGES.index(file.position.stage), file.position.epoch, file.position.step
