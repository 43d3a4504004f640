"""The recovery state, and its shape in the guide's two files."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.rundir.journal import stamped
from holdfast.rundir.layout import KFOLD_PROGRESS, RECOVERY_STATE, JobName
from holdfast.rundir.lines import Record
from holdfast.rundir.record import FORMAT_VERSION
from holdfast.rundir.shapes import FIELDS, MAIN_FIELDS, MARK, SIZE, WHOLE_CRC, is_shaped, misshapen
from holdfast.rundir.spread import spread
from holdfast.rundir.told import Told
from holdfast.storage import write_atomically

Result = dict[str, Any]
_OURS = {*MAIN_FIELDS, MARK, "format_version", "crc32"}


@dataclass
class RecoveryState:
    """The state of a run; its order of backbones is the order of training."""

    backbones: list[str] = field(default_factory=list)
    """What the run is to train."""
    folds: dict[str, int] = field(default_factory=dict)
    """Cross-validation folds per backbone; absent means none."""
    results: dict[JobName, Result] = field(default_factory=dict)
    """The result of each completed job."""
    failed: dict[JobName, str] = field(default_factory=dict)
    """The error of each job that failed and has not been tried again."""
    current_job: JobName | None = None
    current_stage: str | None = None
    current_epoch: int | None = None
    run: dict[str, Any] = field(default_factory=dict)
    """What the run is: config, classes, data digest, versions."""
    run_id: str = ""
    """What its checkpoints carry, so that those of another run are told apart."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Keys a user added through `CheckpointManager.save_pipeline_state`."""
    timestamp: str = ""
    mark: int | None = field(default=None, compare=False)
    """What marks the last line of the journal that this knows."""
    size: int | None = field(default=None, compare=False)
    """The size of the journal up to that line."""
    crc: int | None = field(default=None, compare=False)
    """The checksum of the journal up to there, where every line of it is good."""

    @property
    def completed_backbones(self) -> list[str]:
        """Backbones whose full-split job is complete, in the order of training."""
        done = [job.backbone for job in self.results if job.fold is None]
        rank = {name: index for index, name in enumerate(self.backbones)}
        return sorted(done, key=lambda name: rank.get(name, len(rank)))

    def jobs(self) -> list[JobName]:
        """Return every job of the run: the full split of each backbone, then the folds."""
        full = [JobName(name) for name in self.backbones]
        return full + [
            JobName(name, fold)
            for name in self.backbones
            for fold in range(1, self.folds.get(name, 0) + 1)
        ]


def save_state(directory: Path, state: RecoveryState, told: Told | None = None) -> None:
    """Write both files, durably, each with the time of this change.

    With what the journal ``told`` up to the marked line, whoever reads them need not read that.
    """
    state.timestamp = datetime.now().isoformat()
    kept = {SIZE: state.size, WHOLE_CRC: state.crc, **told.record()} if told else {}
    _write(directory / KFOLD_PROGRESS, fold_file(state) | kept)
    _write(directory / RECOVERY_STATE, main_file(state))


def main_file(state: RecoveryState) -> Record:
    """Return what the main file says."""
    job = state.current_job
    return {
        **state.extra,
        "completed_backbones": state.completed_backbones,
        "current_backbone": job.backbone if job else None,
        "current_fold": job.fold if job else None,
        "current_stage": state.current_stage,
        "current_epoch": state.current_epoch,
        "results": {j.backbone: r for j, r in state.results.items() if j.fold is None},
        "failed": {str(j): error for j, error in state.failed.items()},
        "timestamp": state.timestamp,
        "backbones": state.backbones,
        "run": state.run,
        "run_id": state.run_id,
        MARK: state.mark,
    }


def fold_file(state: RecoveryState) -> Record:
    """Return what the file of the folds says."""
    completed: dict[str, dict[str, Result]] = {}
    for job, result in state.results.items():
        if job.fold is not None:
            completed.setdefault(job.backbone, {})[str(job.fold)] = result
    return {
        "folds": state.folds,
        "completed": completed,
        "timestamp": state.timestamp,
        "run_id": state.run_id,
        MARK: state.mark,
    }


def from_files(main: Record, folds: Record) -> RecoveryState:
    """Read back what the two files said."""
    results = {JobName(name): result for name, result in main.get("results", {}).items()}
    for name in main.get("completed_backbones", []):
        results.setdefault(JobName(name), {})
    for name, by_fold in folds.get("completed", {}).items():
        results.update({JobName(name, int(k)): result for k, result in by_fold.items()})
    backbone = main.get("current_backbone")
    return RecoveryState(
        backbones=list(main.get("backbones", [])),
        folds=dict(folds.get("folds", {})),
        results=results,
        failed={JobName.parse(j): error for j, error in main.get("failed", {}).items()},
        current_job=JobName(backbone, main.get("current_fold")) if backbone else None,
        current_stage=main.get("current_stage"),
        current_epoch=main.get("current_epoch"),
        run=dict(main.get("run", {})),
        run_id=main.get("run_id", ""),
        extra={k: v for k, v in main.items() if k not in _OURS},
        timestamp=(main or folds).get("timestamp", ""),
    )


def kept(state: RecoveryState) -> Record:
    """Return the journal's record of a whole state, for where its own lines are lost."""
    return stamped("state_kept", main=main_file(state), kfold=fold_file(state))


def _write(path: Path, record: Record) -> None:
    record["format_version"] = FORMAT_VERSION
    if not is_shaped(record, required := FIELDS[path.name]):
        wrong = ", ".join(misshapen(record, required)) or "nested, large or odd values"
        raise UsageError(
            f"{path.name} cannot be written: {wrong}; record plain numbers, text, "
            "lists and dicts of them"
        )
    write_atomically(path, spread(record))
