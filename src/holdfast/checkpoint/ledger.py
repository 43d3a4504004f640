"""The one writer of what a run knows: journal, recovery state, status text, in that order."""

import os
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.rundir import (
    DEFAULT_STAGES,
    JOURNAL,
    LOCK,
    STATUS_TEXT,
    HistoryRow,
    JobName,
    Journal,
    Position,
    Record,
    RecoveryState,
    Result,
    boot_id,
    find_faults,
    forget,
    kept,
    list_all_checkpoints,
    list_results,
    load_state,
    peek,
    pth_reports,
    read_sources,
    save_state,
    set_aside,
    set_aside_copy,
    stamped,
    state_of,
)
from holdfast.status import render_text, summarise
from holdfast.storage import (
    DirectoryLock,
    remove,
    remove_temporaries,
    settle_directory,
    write_atomically,
)


class Ledger:
    """What a checkpoint directory knows, read from the disk each time it is asked.

    Nothing is kept in memory, so any number of ledgers in one process agree. Reading needs
    nothing; the first write takes the directory's lock and keeps it until `close` or the end
    of the process.
    """

    def __init__(self, directory: Path, default_backbones: list[str] | None = None) -> None:
        self.directory = directory
        self.journal = Journal(directory)
        self.holding = False
        """Whether this is the directory's writer."""
        self.mended: dict[str, str] = {}
        """What `hold` found damaged and rebuilt, by file name, with the reason."""
        self._default_backbones = default_backbones or []
        self._lock = DirectoryLock(directory / LOCK)

    def hold(self) -> None:
        """Become the directory's writer: lock it, and end what a dead writer left half-done.

        Raises:
            DirectoryInUseError: another process is the writer.
            RecoveryRefusedError: a newer Holdfast was.
        """
        if self.holding:
            return
        newly = self._lock.acquire()
        self.holding = True
        if newly:  # otherwise what is half-written is another ledger's of this process
            try:
                self._take_up()
            except BaseException:
                self.close()  # whoever was refused holds nothing
                raise

    def close(self) -> None:
        """Stop being the writer."""
        if self.holding:
            self.holding = False
            self._lock.release()

    @property
    def state(self) -> RecoveryState:
        """The recovery state as the disk has it; hand a changed one to `publish`."""
        return load_state(self.directory) or RecoveryState()

    @property
    def stages(self) -> tuple[str, ...]:
        """The order of a job's stages in this run."""
        return tuple(self.state.run.get("stages") or DEFAULT_STAGES)

    @property
    def run_id(self) -> str:
        """What the run's checkpoints carry; empty while it has none."""
        return self.state.run_id

    def identify(self) -> None:
        """Give the run its id, that of its checkpoints where everything else has lost it."""
        self.hold()
        state = self.state
        if not state.run_id:
            state.run_id = self._id_of_checkpoints() or uuid.uuid4().hex
            self.journal.append("run_identified", run_id=state.run_id)
            self.publish(state)

    def agree_on_epochs(self, job: JobName, history: list[HistoryRow]) -> None:
        """Make the journal's epochs of a job those of its history: no more, no fewer."""
        self.hold()
        shaped = [row for row in history if {"stage", "epoch"} <= row.keys()]
        trained = {(row["stage"], row["epoch"]) for row in shaped}
        mine = [r for r in self.journal.read() if _is_epoch_of(r, job)]
        known = {(r["stage"], r["epoch"]) for r in mine}
        missing = [row for row in shaped if (row["stage"], row["epoch"]) not in known]
        self.journal.rewrite(
            lambda r: not _is_epoch_of(r, job) or (r["stage"], r["epoch"]) in trained,
            [stamped("epoch", job=str(job), **row) for row in missing],
        )

    def plan(self, run: dict[str, Any], backbones: list[str], folds: dict[str, int]) -> None:
        """Record what the run is and what it is to train."""
        self.hold()
        state, backbones = self.state, list(dict.fromkeys(backbones))
        known = (state.run, state.backbones, state.folds)
        if known != (run, backbones, folds) or not self.journal.has("run_planned"):
            self.journal.append("run_planned", run=run, backbones=backbones, folds=folds)
            state.run, state.backbones, state.folds = run, backbones, folds
        self.publish(state)

    def remember_stages(self, epochs: dict[str, int]) -> None:
        """Record the stages of the run's jobs where they are not what is known."""
        state = self.state
        if state.run.get("stages") != epochs:
            self.plan({**state.run, "stages": epochs}, state.backbones, state.folds)

    def entered(self, job: JobName, position: Position | None) -> None:
        """Record that ``job`` starts, or goes on from ``position``."""
        self.hold()
        if position is None:
            self.agree_on_epochs(job, [])  # what an earlier training of it did is done anew
            self.journal.append("job_started", job=str(job), boot_id=boot_id())
        else:
            self.journal.append("job_resumed", job=str(job), **vars(position), boot_id=boot_id())
        state = self.state
        state.failed.pop(job, None)
        self.publish(_at(state, job, position or Position(self.stages[0], 0)))

    def moved(self, job: JobName, position: Position) -> None:
        """Record how far ``job`` has come."""
        self.hold()
        self.publish(_at(self.state, job, position))

    def completed(
        self, job: JobName, result: Result, seconds: float = 0.0, *, weights: bool = True
    ) -> None:
        """Record the result of ``job``; a second one replaces the first."""
        self.hold()
        self.journal.append(
            "job_completed", job=str(job), result=result, seconds=seconds, weights=weights
        )
        state = self.state
        state.results[job] = result
        state.failed.pop(job, None)
        if state.current_job == job:
            state.current_job = state.current_stage = state.current_epoch = None
        self.publish(state)

    def failed(self, job: JobName, error: str) -> None:
        """Record that ``job`` ended with ``error``; the next start tries it again."""
        self.hold()
        self.journal.append("job_failed", job=str(job), error=error)
        state = self.state
        state.failed[job] = error
        self.publish(state)

    def reset(self, backbone: str | None = None) -> None:
        """Forget one backbone, or with None the whole run, and remove its checkpoints."""
        self.hold()
        self.journal.append("reset", backbone=backbone)
        self._finish_reset()

    def publish(self, state: RecoveryState) -> None:
        """Write recovery state and status text."""
        self.hold()
        save_state(self.directory, state)
        status = summarise(self.directory, state, self.journal.read(), self._default_backbones)
        write_atomically(self.directory / STATUS_TEXT, render_text(status).encode())

    def _take_up(self) -> None:
        _ = self.state  # what a newer Holdfast wrote is refused before anything changes
        settle_directory(self.directory)
        remove_temporaries(self.directory)
        self._mend()
        self._finish_reset()

    def _mend(self) -> None:
        """Set damaged state files aside, and write anew what is damaged, torn or missing."""
        found = read_sources(self.directory)
        state, self.mended = state_of(self.directory, found), find_faults(found)
        for name, reason in self.mended.items():
            self._set_aside(self.directory / name, reason, begun=state is not None)
        if state is None:
            return
        if JOURNAL in self.mended:
            self.journal.write_anew([*found.journal, kept(state)])
        elif found.torn:
            self.journal.write_anew(found.journal)
        if found.main is None or found.kfold is None:
            self.publish(state)

    def _set_aside(self, path: Path, reason: str, *, begun: bool) -> None:
        """Move a state file away; of a journal that is to be mended in its place, put a copy."""
        if path == self.journal.path and begun and path.is_file():
            set_aside_copy(self.directory, path, reason)
        elif os.path.lexists(path):
            set_aside(self.directory, path, reason)

    def _id_of_checkpoints(self) -> str:
        """Return the run id that most of the good checkpoints carry."""
        good = [report for report in pth_reports(self.directory) if not report.fault]
        ids = Counter(peek(self.directory / report.name)["run_id"] for report in good)
        return ids.most_common(1)[0][0] if ids else ""

    def _finish_reset(self) -> None:
        """Carry out a reset that is the journal's last word; a crash inside one ends here."""
        last = self.journal.read()[-1:]
        if not last or last[0].get("event") != "reset":
            return
        backbone = last[0]["backbone"]
        for file in list_all_checkpoints(self.directory):
            if backbone in (None, file.job.backbone):
                remove(file.path)
        for job, path in list_results(self.directory):
            if backbone in (None, job.backbone):
                remove(path)
        state = self.state
        forget(state, backbone)
        self.publish(state)
        done = [stamped("reset_done", backbone=backbone)]
        if self.journal.has("state_kept") and backbone is not None:
            done.append(kept(state))
        self.journal.rewrite(lambda record: not _concerns(record, backbone), done)


def _at(state: RecoveryState, job: JobName, position: Position) -> RecoveryState:
    state.current_job = job
    state.current_stage, state.current_epoch = position.stage, position.epoch
    return state


def _is_epoch_of(record: Mapping[str, Any], job: JobName) -> bool:
    return record.get("event") == "epoch" and record.get("job") == str(job)


def _concerns(record: Record, backbone: str | None) -> bool:
    """Tell whether a reset wipes a record: itself, and what is about its backbone, or about any."""
    if backbone is None or record["event"] in ("reset", "state_kept"):
        return True
    job = record.get("job")
    return isinstance(job, str) and JobName.parse(job).backbone == backbone
