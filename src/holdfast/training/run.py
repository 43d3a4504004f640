"""A run: one checkpoint directory and what is trained in it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.checkpoint import CheckpointStore, Ledger, lost_weights, repair
from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import (
    DEATHS,
    JobName,
    Position,
    boot_id,
    check_backbone_name,
    deaths,
    is_complete,
    last_start,
    list_all_checkpoints,
    missing_checkpoints,
)
from holdfast.storage.objects import shown, tell
from holdfast.training.changes import CONTINUE, REFUSE, RESTART_AFFECTED, Change, find_changes
from holdfast.training.interrupt import StopRequest
from holdfast.training.jobs import Jobs
from holdfast.training.settings import RunSettings


class Run(Jobs):
    """The training side of a checkpoint directory; `holdfast.open` makes one.

    It holds the directory's lock until `close`, or until the process ends; to ``look`` takes none.
    """

    def __init__(
        self, directory: Path, settings: RunSettings, stop: StopRequest, *, look: bool = False
    ) -> None:
        self.directory = directory
        self.ledger: Ledger = Ledger(directory)
        if not look:
            tell(directory, settings.on_notice)
            repair(self.ledger, settings.on_notice)
            for lost in missing_checkpoints(directory):
                settings.on_notice(f"{lost.name}: {lost.fault}")
            stop.ask = self.ledger.check
        store = CheckpointStore(directory, self.ledger.stages, self.ledger.run_id)
        super().__init__(self.ledger, store, settings, stop)

    def plan(
        self,
        run: Mapping[str, Any],
        backbones: Sequence[str],
        folds: Mapping[str, int] | None = None,
        *,
        on_change: str = REFUSE,
    ) -> None:
        """Record what this run is, or check that it is still the same.

        ``run`` holds whatever decides the result: ``run["stages"]`` the epochs of each stage,
        ``run["settings"]`` what holds for single backbones, by name. More backbones or more
        epochs extend the run, and the settings of one that has not begun may change. For any
        other difference ``on_change`` says what to do: refuse; restart-affected, which trains
        anew what it touches; or continue, which marks the results that are then no longer those
        of an undisturbed run.

        Raises:
            RecoveryRefusedError: the directory holds a run that differs; each difference is
                named, and nothing is touched.
        """
        state = self.ledger.state
        now = {**{key: state.run[key] for key in ("stages",) if key in state.run}, **run}
        compared = [key for key in state.run if key not in ("settings", "changes")]
        changes = self._changes({**dict.fromkeys(compared), **now})
        self._refuse(changes, on_change)
        if on_change == RESTART_AFFECTED:
            self._restart([change for change in changes if not self._extends(change)])
        self._tell_extensions(changes)
        settings = {**state.run.get("settings", {}), **now.get("settings", {})}
        if settings:
            now["settings"] = settings
        if marks := [*self._standing_marks(), *self._marks(changes)]:
            now["changes"] = marks
        more = [name for name in state.backbones if name not in backbones and state.run]
        self.ledger.plan(now, [*more, *backbones], {**state.folds, **(folds or {})})
        self.store.stages = self.ledger.stages

    def check(self, run: Mapping[str, Any], on_change: str = REFUSE) -> None:
        """Refuse a start that differs from the run in what ``run`` names; write nothing.

        Raises:
            RecoveryRefusedError: each difference is named.
        """
        self._refuse(self._changes(run), on_change)

    def _changes(self, run: Mapping[str, Any]) -> list[Change]:
        """Return what ``run`` changes of the record, but for backbones that have not begun."""
        known = {key: value for key, value in self.ledger.state.run.items() if key in run}
        now = dict(run) if self.ledger.state.run else {}
        found = find_changes(known, now)
        return [c for c in found if c.backbone is None or self._begun(c.backbone)]

    def _refuse(self, changes: list[Change], on_change: str) -> None:
        conflicts = [change.text for change in changes if not self._extends(change)]
        if not conflicts:
            return
        told = f"{shown(self.directory)} holds another run: {'; '.join(conflicts)}"
        if on_change == REFUSE:
            how = f" ({started})" if (started := last_start(self.directory)) else ""
            raise RecoveryRefusedError(
                f"{told}. Start it as it was started{how}, name another "
                "--checkpoint-dir, add --on-change restart-affected (trains anew what that "
                "touches) or --on-change continue (the result is then not that of an undisturbed "
                "run), or give it up with `holdfast reset`"
            )
        if on_change == CONTINUE:
            self._refuse_misfits(changes, told)
            self.settings.on_notice(
                f"{told}; continuing all the same: what is in training now will NOT be what an "
                "undisturbed run gives, and its result says so"
            )

    def _refuse_misfits(self, changes: list[Change], told: str) -> None:
        """Refuse to go on where no checkpoint fits, before the record says that it was done."""
        results = self.ledger.state.results
        stuck = [str(job) for job in self._begun(None) if job not in results]
        if stuck and any(change.reshapes for change in changes):
            raise RecoveryRefusedError(
                f"{told}. The checkpoints of {', '.join(stuck)} fit no model of that shape: start "
                "it as it was started, name another --checkpoint-dir, or add --on-change "
                "restart-affected (trains anew what that touches)"
            )

    def _extends(self, change: Change) -> bool:
        """Tell whether it is only more epochs, of a stage that no job has left behind."""
        stage, stages = change.longer_stage, self.store.stages
        if stage is None or stage not in stages:
            return False
        later = stages[stages.index(stage) + 1 :]
        state = self.ledger.state
        if later and state.results:
            return False
        newest = self._newest()
        return not any(self._stage_of(job, newest) in later for job in state.jobs())

    def _tell_extensions(self, changes: list[Change]) -> None:
        longer = [change.text for change in changes if self._extends(change)]
        if longer and self.ledger.state.results:
            self.settings.on_notice(
                f"{'; '.join(longer)}: complete backbones go on from their last checkpoint, and "
                "their results will say so; complete folds begin anew"
            )

    def _restart(self, changes: list[Change]) -> None:
        """Forget the backbones that the changes touch; what they had is trained anew."""
        for name in self.ledger.state.backbones:
            why = [change.text for change in changes if change.backbone in (None, name)]
            if why and self._begun(name):
                self.settings.on_notice(f"{name}: trained anew, because {'; '.join(why)}")
                self.ledger.reset(name)

    def _standing_marks(self) -> list[dict[str, Any]]:
        """Return the earlier marks of jobs that still have the checkpoints they were put on."""
        found, newest = [], self._newest()
        for mark in self.ledger.state.run.get("changes", []):
            jobs = [job for job in mark["jobs"] if self._stage_of(JobName.parse(job), newest)]
            if jobs:
                found.append({**mark, "jobs": jobs})
        return found

    def _marks(self, changes: list[Change]) -> list[dict[str, Any]]:
        """Return what the record keeps of changes to jobs that go on from what they have."""
        found = []
        for change in changes:
            jobs = [job for job in self._begun(change.backbone) if self._is_touched(job, change)]
            if jobs:
                found.append({"what": change.text, "jobs": [str(job) for job in jobs]})
        return found

    def _is_touched(self, job: JobName, change: Change) -> bool:
        stage = self._stage_of(job, self._newest())
        if not self._extends(change):
            return stage is not None  # a completed one too: lost weights are made of checkpoints
        return stage == change.longer_stage  # its schedule was for fewer epochs

    def _begun(self, backbone: str | None) -> list[JobName]:
        """Return the jobs of a backbone, or of all, that have a result or a checkpoint."""
        state = self.ledger.state
        mine = [job for job in state.jobs() if backbone in (None, job.backbone)]
        newest = self._newest()
        return [job for job in mine if job in state.results or job in newest]

    def _stage_of(self, job: JobName, newest: Mapping[JobName, Position]) -> str | None:
        """Return the stage of a job's newest checkpoint."""
        return newest[job].stage if job in newest else None

    def _newest(self) -> dict[JobName, Position]:
        """Return where the newest checkpoint of each job stands."""
        jobs = {file.job for file in list_all_checkpoints(self.directory)}
        files = {job: self.store.newest_first(job)[:1] for job in jobs}
        return {job: newest[0].position for job, newest in files.items() if newest}

    def pending(self, names: Sequence[str], fold: int | None = None) -> Iterator[str]:
        """Yield the backbones that are not complete, in order; where nothing was planned, plan.

        The names need not be Holdfast's: any name that can stand in a file name will do.
        """
        names = [check_backbone_name(name) for name in names]
        if not self.ledger.state.run:
            self.plan({"seed": self.settings.seed}, names)
        elif "seed" in self.ledger.state.run:
            self.check({"seed": self.settings.seed})
        for job in self.in_order([JobName(name, fold) for name in names]):
            if self.which_are_pending([job]):
                yield job.backbone

    def in_order(self, jobs: Sequence[JobName]) -> list[JobName]:
        """Return the jobs as they are to be tried: what keeps dying goes behind the others.

        Jobs do not depend on each other, so their order changes no result.
        """
        died = self.died(jobs)
        return sorted(jobs, key=lambda job: died[job] if died.get(job, 0) >= DEATHS else 0)

    def died(self, jobs: Sequence[JobName]) -> dict[JobName, int]:
        """Return how often in a row jobs have died here and got no further; tell who waits."""
        newest = self._newest()
        start = Position(self.store.stages[0], 0)
        times = deaths(self.ledger.records, newest, start, boot_id())
        died = {job: times[job] for job in jobs if job in times}
        for job in [job for job in jobs if died.get(job, 0) >= DEATHS]:
            self.settings.on_notice(
                f"{job} died {died[job]} times in a row at {newest.get(job, start)} (out of "
                "memory, or a crash in native code?): the others go first, then it is tried again"
            )
        return died

    def which_are_pending(self, jobs: Sequence[JobName]) -> list[JobName]:
        """Return the jobs that are still to be trained, or whose weights are lost and remade."""
        state = self.ledger.state
        lost = lost_weights(self.ledger, [job for job in jobs if is_complete(state, job)])
        for job in lost:
            self.settings.on_notice(f"{job}: the file with its weights is lost, making it again")
        return [job for job in jobs if job in lost or not is_complete(state, job)]

    def close(self) -> None:
        """Give the directory's lock back."""
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
