"""What is complete and what is next: the recovery state, on disk in the guide's two files.

Each fact stands twice: in these files and in the journal. When a file is missing or damaged,
the state is read off the journal instead; the files are the fast way, never the only one. They
name the last line of the journal that they know, for it may be ahead of them.
"""

import json
from pathlib import Path

from holdfast.rundir.layout import (
    DEFAULT_STAGES,
    JOURNAL,
    CheckpointFile,
    JobName,
    list_all_checkpoints,
)
from holdfast.rundir.lines import Record
from holdfast.rundir.sources import Sources, read_sources
from holdfast.rundir.state import RecoveryState, from_files

_JOURNALED = ("backbones", "folds", "results", "failed", "run", "run_id", "extra")


def is_complete(state: RecoveryState, job: JobName) -> bool:
    """Tell whether a job has a result for as many epochs as the run has by now."""
    result = state.results.get(job)
    if result is None:
        return False
    planned = state.run.get("stages")
    return planned is None or result.get("stages", planned) == planned


def load_state(directory: Path) -> RecoveryState | None:
    """Return the recovery state of ``directory``, or None where no run has begun.

    Where a file and the journal disagree, the journal is the newer: it is written first. A
    damaged line of it, up to the one that intact files name, is known to them.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote it.
    """
    return state_of(directory, read_sources(directory))


def state_of(directory: Path, found: Sources) -> RecoveryState | None:
    """Bring together what can be believed; None where that is nothing."""
    intact = found.main is not None and found.kfold is not None
    records = found.journal_after_damage if intact else found.journal
    state = from_files(found.main or {}, found.kfold or {})
    replay(state, records)
    move(state, found.news)
    state.mark, state.size, state.crc = found.mark, found.size, found.crc
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
        alone, whole = RecoveryState(), from_files(found.main, found.kfold)
        replay(alone, found.journal)
        replay(whole, found.journal)
        if not _same_facts(alone, whole):
            faults[JOURNAL] = "has lost lines: it lacks what the recovery state knows"
    return faults


def _same_facts(a: RecoveryState, b: RecoveryState) -> bool:
    same = all(getattr(a, name) == getattr(b, name) for name in _JOURNALED)
    return same or _facts(a) == _facts(b)


def _facts(state: RecoveryState) -> str:
    """Return what the journal records of a state, so that it can be compared; NaN is not NaN."""
    facts: Record = {name: getattr(state, name) for name in _JOURNALED}
    for name in ("results", "failed"):
        facts[name] = {str(job): value for job, value in facts[name].items()}
    return json.dumps(facts, sort_keys=True)


def move(state: RecoveryState, news: list[Record]) -> None:
    """Bring the position of ``state`` up to date by records that it has not heard of."""
    for record in news:
        state.timestamp = record["time"]
        match record["event"]:
            case "job_started":
                stage = next(iter(state.run.get("stages") or DEFAULT_STAGES))
                _stand(state, JobName.parse(record["job"]), stage, 0)
            case "job_resumed" | "epoch":
                _stand(state, JobName.parse(record["job"]), record["stage"], record["epoch"])
            case "moved":
                name, fold = record["current_backbone"], record["current_fold"]
                job = JobName(name, fold) if name else None
                _stand(state, job, record["current_stage"], record["current_epoch"])
            case "job_completed" if state.current_job == JobName.parse(record["job"]):
                _stand(state, None, None, None)


def _stand(state: RecoveryState, job: JobName | None, stage: str | None, epoch: int | None) -> None:
    state.current_job, state.current_stage, state.current_epoch = job, stage, epoch


def replay(state: RecoveryState, journal: list[Record]) -> None:
    """Add to ``state`` what only the journal still knows."""
    for record in journal:
        match record.get("event"):
            case "state_kept":
                known = vars(from_files(record["main"], record["kfold"]))
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
        _stand(state, None, None, None)
    if backbone is None:
        state.run, state.backbones, state.folds, state.extra = {}, [], {}, {}
        state.run_id = ""
