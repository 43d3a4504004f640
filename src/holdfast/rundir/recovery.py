"""What is complete and what is next: the recovery state, on disk in the guide's two files.

Each fact stands twice: in these files and in the journal. When a file is missing or damaged,
the state is read off the journal instead; the files are the fast way, never the only one.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.rundir.journal import Record, stamped
from holdfast.rundir.layout import (
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    CheckpointFile,
    JobName,
    list_all_checkpoints,
)
from holdfast.rundir.record import FORMAT_VERSION
from holdfast.rundir.shapes import FIELDS, MAIN_FIELDS, is_shaped, misshapen
from holdfast.rundir.sources import Sources, facts_crc, read_sources
from holdfast.storage import write_atomically

Result = dict[str, Any]
_JOURNALED = ("backbones", "folds", "results", "failed", "run", "run_id", "extra")


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


def is_complete(state: RecoveryState, job: JobName) -> bool:
    """Tell whether a job has a result for as many epochs as the run has by now."""
    result = state.results.get(job)
    if result is None:
        return False
    planned = state.run.get("stages")
    return planned is None or result.get("stages", planned) == planned


def load_state(directory: Path) -> RecoveryState | None:
    """Return the recovery state of ``directory``, or None where no run has begun.

    Where a file and the journal disagree, the journal is the newer: it is written first. Its
    records are each followed by the files, so a damaged line is known to intact files.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote it.
    """
    return state_of(directory, read_sources(directory))


def state_of(directory: Path, found: Sources) -> RecoveryState | None:
    """Bring together what can be believed; None where that is nothing."""
    intact = found.main is not None and found.kfold is not None
    records = found.journal_after_damage if intact else found.journal
    state = _from_files(found.main or {}, found.kfold or {})
    _replay(state, records)
    if found.main is None:
        _locate(state, directory)
    begun = found.main or found.kfold or records or state.current_job
    return state if begun else None


def find_faults(found: Sources) -> dict[str, str]:
    """Say what is wrong with the three sources, by file name.

    The journal is written before the files: where it lacks what they know, it has lost lines.
    """
    faults = dict(found.faults)
    if JOURNAL not in faults and found.main is not None and found.kfold is not None:
        alone, whole = RecoveryState(), _from_files(found.main, found.kfold)
        _replay(alone, found.journal)
        _replay(whole, found.journal)
        if _facts(alone) != _facts(whole):
            faults[JOURNAL] = "has lost lines: it lacks what the recovery state knows"
    return faults


def _facts(state: RecoveryState) -> str:
    """Return what the journal records of a state, so that it can be compared; NaN is not NaN."""
    facts: Record = {name: getattr(state, name) for name in _JOURNALED}
    for name in ("results", "failed"):
        facts[name] = {str(job): value for job, value in facts[name].items()}
    return json.dumps(facts, sort_keys=True)


def save_state(directory: Path, state: RecoveryState) -> None:
    """Write both files, durably, each with the time of this change."""
    state.timestamp = datetime.now().isoformat()
    _write(directory / KFOLD_PROGRESS, _fold_file(state))
    _write(directory / RECOVERY_STATE, _main_file(state))


def _main_file(state: RecoveryState) -> Record:
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
    }


def _fold_file(state: RecoveryState) -> Record:
    completed: dict[str, dict[str, Result]] = {}
    for job, result in state.results.items():
        if job.fold is not None:
            completed.setdefault(job.backbone, {})[str(job.fold)] = result
    return {
        "folds": state.folds,
        "completed": completed,
        "timestamp": state.timestamp,
        "run_id": state.run_id,
    }


def _from_files(main: Record, folds: Record) -> RecoveryState:
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
        extra={k: v for k, v in main.items() if k not in {*MAIN_FIELDS, "format_version", "crc32"}},
        timestamp=(main or folds).get("timestamp", ""),
    )


def _replay(state: RecoveryState, journal: list[Record]) -> None:
    """Add to ``state`` what only the journal still knows."""
    for record in journal:
        match record.get("event"):
            case "state_kept":
                known = vars(_from_files(record["main"], record["kfold"]))
                vars(state).update({name: known[name] for name in _JOURNALED})
            case "run_identified":
                state.run_id = record["run_id"]
            case "run_planned":
                state.run, state.backbones = record["run"], record["backbones"]
                state.folds = record["folds"]
            case "job_completed":
                job = JobName.parse(record["job"])
                state.results[job] = record["result"]
                state.failed.pop(job, None)
            case "job_failed":
                state.failed[JobName.parse(record["job"])] = record["error"]
            case "job_started" | "job_resumed":
                state.failed.pop(JobName.parse(record["job"]), None)
            case "pipeline_state":
                state.extra = record["extra"]
            case "reset":
                forget(state, record.get("backbone"))


def _locate(state: RecoveryState, directory: Path) -> None:
    """Set the current job to that of the checkpoint written last, for want of the main file."""
    files = [f for f in list_all_checkpoints(directory) if f.job not in state.results]
    if not files:
        return
    newest = max(files, key=_time_of)
    state.current_job = newest.job
    state.current_stage, state.current_epoch = newest.position.stage, newest.position.epoch


def _time_of(file: CheckpointFile) -> float:
    try:
        return file.path.stat().st_mtime
    except OSError:  # pruned by the writer between the listing and the look, or no file
        return 0.0


def forget(state: RecoveryState, backbone: str | None) -> None:
    """Drop what is known of one backbone, or, with None, of all of them."""
    for known in (state.results, state.failed):
        for job in [j for j in known if backbone in (None, j.backbone)]:
            del known[job]
    current = state.current_job.backbone if state.current_job else None
    if backbone in (None, current):
        state.current_job = state.current_stage = state.current_epoch = None
    if backbone is None:
        state.run, state.backbones, state.folds, state.extra = {}, [], {}, {}
        state.run_id = ""


def kept(state: RecoveryState) -> Record:
    """Return the journal's record of a whole state, for where its own lines are lost."""
    return stamped("state_kept", main=_main_file(state), kfold=_fold_file(state))


def _write(path: Path, record: Record) -> None:
    record["format_version"] = FORMAT_VERSION
    if not is_shaped(record, required := FIELDS[path.name]):
        wrong = ", ".join(misshapen(record, required)) or "nested, large or odd values"
        raise UsageError(f"{path.name} cannot be written: {wrong}")
    whole = {**record, "crc32": facts_crc(record)}
    write_atomically(path, json.dumps(whole, indent=2).encode() + b"\n")
