"""The one writer of what a run knows: journal, recovery state, status text, in that order."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.checkpoint.mend import mend_journal, run_id_of_checkpoints
from holdfast.rundir import (
    DEFAULT_STAGES,
    LOCK,
    STATUS_TEXT,
    Books,
    HistoryRow,
    JobName,
    Journal,
    Position,
    Record,
    RecoveryState,
    Result,
    boot_id,
    concerns,
    damage,
    find_faults,
    kept,
    list_all_checkpoints,
    list_results,
    save_state,
    stamped,
)
from holdfast.status import render_text, summarise
from holdfast.storage import (
    remove,
    remove_temporaries,
    settle_directory,
    write_atomically,
)
from holdfast.storage.objects import lock_of

_FEW_JOBS = 400
_PATIENCE = 100  # 1 % of the time, at most, goes into what only people and lost journals need


class Ledger:
    """What a checkpoint directory knows; the journal's word, followed as it grows.

    Any number of ledgers agree: what one has written the others have read when they are asked.
    Reading needs nothing; the first write takes the directory's lock and keeps it until `close`
    or the end of the process.

    An event is one line of the journal, durable when the call returns. State files and status
    text follow at once where the jobs are few and more has happened than the end of an epoch.
    Otherwise they are written again when a hundred times as long has gone by as the last time
    took, and by `close`: whoever reads them reads the rest off the journal.
    """

    def __init__(self, directory: Path, default_backbones: list[str] | None = None) -> None:
        self.directory = directory
        self.journal = Journal(directory)
        self.holding = False
        """Whether this is the directory's writer."""
        self.mended: dict[str, str] = {}
        """What `hold` found damaged and rebuilt, by file name, with the reason."""
        self._books = Books.of(directory)
        self._default_backbones = default_backbones or []
        self._lock = lock_of(directory / LOCK, damage)

    def hold(self) -> None:
        """Become the directory's writer: lock it, and end what a dead writer left half-done.

        Raises:
            DirectoryInUseError: another process is the writer.
            LeaseLostError: another process has become it, of a run on object storage.
            RecoveryRefusedError: a newer Holdfast was.
        """
        if self.holding:
            self.check()
            return
        newly = self._lock.acquire()
        self.holding = True
        if newly:  # otherwise what is half-written is another ledger's of this process
            try:
                self._take_up()
            except BaseException:
                self._let_go()  # whoever was refused holds nothing
                raise

    def close(self) -> None:
        """Stop being the writer, leaving everything written."""
        if self.holding:
            try:
                if self._books.behind:
                    self.publish()
            finally:
                self._let_go()

    def check(self) -> None:
        """Raise LeaseLostError where this was the writer and another process is now."""
        self._lock.check()

    def _let_go(self) -> None:
        self.holding = False
        self._lock.release()

    @property
    def state(self) -> RecoveryState:
        """The recovery state as it is now; changing what one is given changes nothing."""
        return self._books.state

    @property
    def records(self) -> list[Record]:
        """The journal without its epochs."""
        return self._books.records

    @property
    def stages(self) -> tuple[str, ...]:
        """The order of a job's stages in this run."""
        return tuple(self._books.known.run.get("stages") or DEFAULT_STAGES)

    @property
    def run_id(self) -> str:
        """What the run's checkpoints carry; empty while it has none."""
        return self._books.known.run_id

    def identify(self) -> None:
        """Give the run its id, that of its checkpoints where everything else has lost it."""
        self.hold()
        if not self.run_id:
            run_id = run_id_of_checkpoints(self.directory) or uuid.uuid4().hex
            self.journal.append("run_identified", run_id=run_id)
            self.publish()

    def agree_on_epochs(self, job: JobName, history: list[HistoryRow]) -> None:
        """Make the journal's epochs of a job those of its history: no more, no fewer."""
        self.hold()
        shaped = [row for row in history if {"stage", "epoch"} <= row.keys()]
        trained = {(row["stage"], row["epoch"]) for row in shaped}
        known = self._books.trained(job)
        missing = [row for row in shaped if (row["stage"], row["epoch"]) not in known]
        added = [stamped("epoch", job=str(job), **row) for row in missing]
        if not known <= trained:
            self.journal.rewrite(
                lambda r: not _is_epoch_of(r, job) or (r["stage"], r["epoch"]) in trained, added
            )
        elif added:
            self.journal.extend(added)

    def plan(self, run: dict[str, Any], backbones: list[str], folds: dict[str, int]) -> None:
        """Record what the run is and what it is to train."""
        self.hold()
        state, backbones = self._books.known, list(dict.fromkeys(backbones))
        known = (state.run, state.backbones, state.folds)
        if known != (run, backbones, folds) or not self._has("run_planned"):
            self.journal.append("run_planned", run=run, backbones=backbones, folds=folds)
        self.publish()

    def remember_stages(self, epochs: dict[str, int]) -> None:
        """Record the stages of the run's jobs where they are not what is known."""
        state = self._books.known
        if state.run.get("stages") != epochs:
            self.plan({**state.run, "stages": epochs}, state.backbones, state.folds)

    def entered(
        self, job: JobName, position: Position | None, seconds: float = 0.0, interval: float = 0.0
    ) -> None:
        """Record that ``job`` starts, or goes on from ``position``; see `JobLedger`."""
        self.hold()
        if position is None:
            self.agree_on_epochs(job, [])  # what an earlier training of it did is done anew
            self.journal.append("job_started", job=str(job), boot_id=boot_id())
        else:
            spared = {"seconds": seconds, "interval": interval}
            at = vars(position)
            self.journal.append("job_resumed", job=str(job), **at, **spared, boot_id=boot_id())
        self._written()

    def moved(self, job: JobName, position: Position) -> None:
        """Record how far ``job`` has come."""
        self.stands(job, position.stage, position.epoch)

    def stands(
        self, job: JobName | None, stage: str | None = None, epoch: int | None = None
    ) -> None:
        """Record where the run stands; with None, no job is in training."""
        self.hold()
        state = self._books.known
        if (job, stage, epoch) != (state.current_job, state.current_stage, state.current_epoch):
            name, fold = (job.backbone, job.fold) if job else (None, None)
            at = {"current_backbone": name, "current_fold": fold}
            self.journal.append("moved", **at, current_stage=stage, current_epoch=epoch)
        self._written()

    def epochs_ended(self, job: JobName, rows: list[HistoryRow]) -> None:
        """Record epochs of ``job``, the last of which is where it stands now; ``rows`` empties."""
        self.hold()
        while rows:
            self.journal.append("epoch", job=str(job), **rows[0])
            del rows[0]
        self._written(small=True)

    def remember(self, extra: dict[str, Any]) -> None:
        """Record the keys that a user has added to the guide's."""
        self.hold()
        self.journal.append("pipeline_state", extra=extra)
        self._written()

    def completed(
        self, job: JobName, result: Result, seconds: float = 0.0, *, weights: bool = True
    ) -> None:
        """Record the result of ``job``; a second one replaces the first."""
        self.hold()
        self.journal.append(
            "job_completed", job=str(job), result=result, seconds=seconds, weights=weights
        )
        self._written()

    def failed(self, job: JobName, error: str) -> None:
        """Record that ``job`` ended with ``error``; the next start tries it again."""
        self.hold()
        self.journal.append("job_failed", job=str(job), error=error)
        self._written()

    def interrupted(self, job: JobName, where: str) -> None:
        """Record that ``job`` was asked to stop, and where it has saved."""
        self.hold()
        self.journal.append("job_interrupted", job=str(job), where=where)
        self.publish()  # the status text tells of the stop's checkpoint

    def noted_damage(self, name: str, reason: str) -> None:
        """Record that a damaged file was set aside."""
        self.hold()
        self.journal.append("file_set_aside", file=name, reason=reason)

    def changes_in(self, job: JobName) -> list[str]:
        """Return what changed of settings or data while ``job`` was in training."""
        changes = self._books.known.run.get("changes", [])
        return [change["what"] for change in changes if str(job) in change["jobs"]]

    def reset(self, backbone: str | None = None) -> None:
        """Forget one backbone, or with None the whole run, and remove its checkpoints."""
        self.hold()
        self.journal.append("reset", backbone=backbone)
        self._finish_reset()

    def publish(self) -> None:
        """Write state files and status text."""
        self.hold()
        began, state, told = time.monotonic(), self.state, self._books.told
        save_state(self.directory, state, told)
        self._books.written(state)
        status = summarise(self.directory, state, told, self._default_backbones)
        write_atomically(self.directory / STATUS_TEXT, render_text(status).encode())
        now = time.monotonic()
        self._books.next_write = now + _PATIENCE * (now - began)

    def _written(self, *, small: bool = False) -> None:
        """Let the files follow the journal, if they need not wait."""
        few = self._books.jobs <= _FEW_JOBS
        self._books.behind = True
        if (few and not small) or time.monotonic() >= self._books.next_write:
            self.publish()

    def _has(self, event: str) -> bool:
        return any(record["event"] == event for record in self.records)

    def _take_up(self) -> None:
        found = self._books.load()  # a newer Holdfast's is refused before anything changes
        settle_directory(self.directory)
        remove_temporaries(self.directory)
        self.mended = find_faults(found)
        begun = mend_journal(self.directory, found, self.mended)
        if begun and (found.main is None or found.kfold is None):
            self.publish()
        self._finish_reset()

    def _finish_reset(self) -> None:
        """Carry out a reset that is the journal's last word; a crash inside one ends here."""
        last = self.records[-1:]
        if not last or last[0].get("event") != "reset":
            return
        backbone = last[0]["backbone"]
        for file in list_all_checkpoints(self.directory):
            if backbone in (None, file.job.backbone):
                remove(file.path)
        for job, path in list_results(self.directory):
            if backbone in (None, job.backbone):
                remove(path)
        self.publish()
        done = [stamped("reset_done", backbone=backbone)]
        if self._has("state_kept") and backbone is not None:
            done.append(kept(self.state))
        self.journal.rewrite(lambda record: not concerns(record, backbone), done)


def _is_epoch_of(record: Mapping[str, Any], job: JobName) -> bool:
    return record.get("event") == "epoch" and record.get("job") == str(job)
