"""CheckpointManager: the machinery under the guide's names."""

import copy
import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from holdfast.checkpoint.ledger import Ledger
from holdfast.checkpoint.plain import plain
from holdfast.checkpoint.record import CheckpointRecord, make_record, weights_only
from holdfast.checkpoint.repair import move_aside, repair
from holdfast.checkpoint.results import complete_job, guide_result
from holdfast.checkpoint.store import CheckpointStore
from holdfast.config import BACKBONES
from holdfast.errors import DirectoryInUseError, UsageError
from holdfast.rundir import (
    STATUS_TEXT,
    CheckpointFile,
    JobName,
    Position,
    Result,
    check_backbone_name,
)
from holdfast.status import read_status, verify
from holdfast.storage.objects import located, look, tell, thorough

PipelineState = dict[str, Any]
_log = logging.getLogger("holdfast")


class CheckpointManager:
    """Saves, finds and loads the checkpoints of one directory.

    Reading takes no lock, so a second process may look at any time. The first call that
    writes makes this process the directory's one writer.

    Args:
        checkpoint_dir: where the checkpoints are; created by the first write. Of a URL, such as
            ``s3://bucket/run``, it is the scratch directory: what is read whole from there goes
            by `load_backbone_checkpoint`.
        backbones: the series to train; the run's own list where one has been recorded,
            otherwise all fifteen.
        keep_latest: checkpoints of a backbone that `cleanup_old_checkpoints` keeps.

    Raises:
        DirectoryInUseError: from any call that writes, while another process is the writer.
        StorageError: from any call that writes, where the disk refuses.
    """

    def __init__(
        self,
        checkpoint_dir: str | Path = "checkpoints",
        backbones: Sequence[str] | None = None,
        keep_latest: int = 3,
    ) -> None:
        self.checkpoint_dir = located(checkpoint_dir)
        self.keep_latest = keep_latest
        self._backbones = list(backbones or BACKBONES)
        self._ledger = Ledger(self.checkpoint_dir, self._backbones)
        self._files = CheckpointStore(self.checkpoint_dir)

    def get_recovery_status(self) -> dict[str, Any]:
        """Return how the run stands.

        Keys: recovery_available, total_backbones, completed, remaining, next_backbone,
        current_backbone, current_stage, current_epoch, and jobs (one dict for each backbone
        and fold).
        """
        return read_status(self._seen(), self._backbones).to_json()

    def export_recovery_summary(self) -> Path:
        """Write ``recovery_status.txt`` anew and return its path.

        While another process trains, its own up-to-date file is left as it is.
        """
        path = self.checkpoint_dir / STATUS_TEXT
        try:
            self._writable().publish()
        except DirectoryInUseError:
            if not path.exists():
                raise
        return path

    def save_backbone_checkpoint(
        self,
        backbone_name: str,
        model_state_dict: Mapping[str, Any],
        epoch: int,
        metrics: Mapping[str, float] | None = None,
        history: Mapping[str, list[Any]] | None = None,
        optimizer_state: Mapping[str, Any] | None = None,
        scheduler_state: Mapping[str, Any] | None = None,
        stage: str = "head",
        *,
        step: int = 0,
        fold: int | None = None,
    ) -> Path:
        """Save one checkpoint and return its path; when this returns, it is durable here.

        Of a run on object storage it follows in the background; `close` waits for it.

        Raises:
            UsageError: ``stage`` is not one of the run's, or a state dict holds what
                ``torch.load`` would not read back.
        """
        stages = self._store.stages
        if stage not in stages:
            raise UsageError(f"stage {stage!r}: the stages of this run are {', '.join(stages)}")
        job = JobName(check_backbone_name(backbone_name), fold)
        position = Position(stage, epoch, step)
        record = make_record(
            job,
            position,
            model=model_state_dict,
            optimizer=optimizer_state,
            scheduler=scheduler_state,
            metrics=metrics,
            history=history,
            device=_device_of(model_state_dict),
        )
        ledger = self._writable()
        path = self._store.save(job, position, record)
        ledger.moved(job, position)
        return path

    def load_backbone_checkpoint(
        self,
        backbone_name: str,
        stage: str | None = None,
        epoch: int | None = None,
        *,
        step: int = 0,
        fold: int | None = None,
    ) -> CheckpointRecord | None:
        """Return a backbone's newest good checkpoint, or the one asked for; None if there is none.

        Without ``epoch``, damaged ones are named in the journal and stepped over.

        Raises:
            DamagedCheckpointError: the very checkpoint of ``epoch`` is damaged.
        """
        self._seen()
        job = JobName(backbone_name, fold)
        if epoch is None:
            return _kept(self._store.newest(job, self._note_damage, stage))
        for file in self._store.newest_first(job):
            if file.position == Position(stage or file.position.stage, epoch, step):
                return _kept(self._store.load(file))
        return None

    def save_pipeline_state(self, state: Mapping[str, Any]) -> None:
        """Record where the series stands; keys that are not the guide's are kept as they are."""
        given = plain(state)
        results = given.pop("results", {})
        for name in [*given.pop("completed_backbones", []), *results]:
            done = self._writable().state.results.get(JobName(name))
            if done is None or (name in results and done != guide_result(results[name])):
                self.mark_backbone_complete(name, results.get(name, {}))
        ledger = self._writable()
        current = ledger.state
        job = current.current_job
        if "current_backbone" in given:
            name = given.pop("current_backbone")
            job = JobName(check_backbone_name(name)) if name else None
        stage = given.pop("current_stage", current.current_stage)
        ledger.stands(job, stage, given.pop("current_epoch", current.current_epoch))
        given.pop("timestamp", None)  # the file's time is the time of its writing
        if given:
            ledger.remember({**current.extra, **given})

    def load_pipeline_state(self) -> PipelineState | None:
        """Return where the series stands, under the guide's keys; None where nothing has begun."""
        self._seen()
        state = deepcopy(self._ledger.state)
        if not (state.results or state.failed or state.current_job or state.extra):
            return None
        return {
            **state.extra,
            "completed_backbones": state.completed_backbones,
            "current_backbone": state.current_job.backbone if state.current_job else None,
            "current_stage": state.current_stage,
            "current_epoch": state.current_epoch,
            "results": {j.backbone: r for j, r in state.results.items() if j.fold is None},
            "timestamp": state.timestamp,
        }

    def mark_backbone_complete(self, backbone_name: str, results: Mapping[str, Any]) -> None:
        """Record a backbone as trained; its newest weights are kept with the result inside."""
        self._complete(JobName(check_backbone_name(backbone_name)), results)

    def save_kfold_progress(
        self, backbone_name: str, fold: int, results: Mapping[str, Any], folds: int | None = None
    ) -> None:
        """Record one fold (counted from 1) of a backbone's ``folds`` as trained."""
        name = check_backbone_name(backbone_name)
        if fold < 1:
            raise UsageError(f"fold {fold}: folds are counted from 1")
        ledger = self._writable()
        state = ledger.state
        count = max(state.folds.get(name, 0), fold, folds or 0)
        if count != state.folds.get(name):
            ledger.plan(state.run, state.backbones, {**state.folds, name: count})
        self._complete(JobName(name, fold), results)

    def load_kfold_progress(self, backbone_name: str) -> dict[int, Result]:
        """Return the results of a backbone's completed folds, by fold."""
        self._seen()
        results = self._ledger.state.results
        mine = {job: result for job, result in results.items() if job.backbone == backbone_name}
        return {job.fold: deepcopy(r) for job, r in mine.items() if job.fold is not None}

    def get_completed_backbones(self) -> list[str]:
        """Return the names of the completed backbones, in the order of completion."""
        self._seen()
        return self._ledger.state.completed_backbones

    def get_next_backbone_to_train(self) -> str | None:
        """Return the first backbone of the series that is not complete; None when all are."""
        next_backbone: str | None = self.get_recovery_status()["next_backbone"]
        return next_backbone

    def cleanup_old_checkpoints(self, backbone_name: str, keep_latest: int | None = None) -> None:
        """Remove a backbone's checkpoints but the newest ``keep_latest``.

        Two that verify are always kept, because the newest may be the one that the next crash
        damages; a completed backbone's weights file is never removed.
        """
        self._writable()
        self._store.prune(JobName(backbone_name), keep_latest or self.keep_latest, anew=True)

    def reset_recovery(self, backbone_name: str | None = None) -> None:
        """Forget one backbone, or the whole run, and remove its checkpoints."""
        self._writable().reset(backbone_name)

    def verify(self) -> dict[str, Any]:
        """Read and verify every file; return what ``holdfast verify --json`` prints.

        Keys: directory, good, files (a dict of name, kind and fault for each) and start (the
        jobs that are complete, that resume, and whose weights are made again).
        """
        self._seen()
        with thorough(self.checkpoint_dir):
            return verify(self.checkpoint_dir, self._backbones).to_json()

    def close(self) -> None:
        """Stop being the directory's writer."""
        self._ledger.close()

    def _seen(self) -> Path:
        """Return the directory, in line with the store where this is not its writer."""
        look(self.checkpoint_dir)
        return self.checkpoint_dir

    @property
    def _store(self) -> CheckpointStore:
        self._files.stages = self._ledger.stages  # as another manager may have recorded them
        self._files.run_id = self._ledger.run_id
        return self._files

    def _complete(self, job: JobName, results: Mapping[str, Any]) -> None:
        ledger = self._writable()
        earlier = ledger.state.results.get(job)
        record = None if earlier else self._store.newest(job, self._note_damage)
        kept = weights_only(record) if record else None
        complete_job(ledger, self._store, job, {**(earlier or {}), **results}, kept)

    def _writable(self) -> Ledger:
        if not self._ledger.holding:
            tell(self.checkpoint_dir, _log.warning)
            repair(self._ledger, _log.warning)
        self._ledger.identify()  # a reset may have taken it
        return self._ledger

    def _note_damage(self, file: CheckpointFile, reason: str) -> None:
        if self._ledger.holding:
            move_aside(self._ledger, file.path, reason, _log.warning)


def _kept(record: CheckpointRecord | None) -> CheckpointRecord | None:
    """Return ``record`` off its file, which may go while others still use the tensors."""
    return copy.deepcopy(record)


def _device_of(state_dict: Mapping[str, Any]) -> str:
    devices = (value.device.type for value in state_dict.values() if hasattr(value, "device"))
    return next(devices, "cpu")
