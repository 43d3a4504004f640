"""A completed job's result: kept inside its weights file, shown under the guide's keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.checkpoint.ledger import Ledger
from holdfast.checkpoint.plain import plain
from holdfast.checkpoint.record import CheckpointRecord
from holdfast.checkpoint.serialize import read_pth
from holdfast.checkpoint.store import CheckpointStore
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import JobName, Result, best_path, list_results, looks_whole

_FINAL = {"final_accuracy": "accuracy", "final_loss": "loss"}


def complete_job(
    ledger: Ledger,
    store: CheckpointStore,
    job: JobName,
    result: Mapping[str, Any],
    record: CheckpointRecord | None,
) -> Result:
    """Make the result of ``job`` durable: its weights file first, then the recovery state.

    ``record`` holds the weights that were evaluated; None where there are none to keep.
    """
    done = guide_result(result)
    seconds = 0.0
    if record is not None:
        seconds = record["seconds"]
        store.save_best(job, {**record, "result": done})
    ledger.completed(job, done, seconds, weights=best_path(store.directory, job).exists())
    return done


def lost_weights(ledger: Ledger, store: CheckpointStore) -> set[JobName]:
    """Return the completed jobs whose weights file was written and is gone or cut short."""
    records = [r for r in ledger.journal.read() if r["event"] == "job_completed"]
    written = {JobName.parse(r["job"]) for r in records if r.get("weights")}
    kept = written & ledger.state.results.keys()
    return {job for job in kept if not looks_whole(best_path(store.directory, job))}


def adopt_results(ledger: Ledger, store: CheckpointStore) -> None:
    """Take up what a crash left between a weights file and the recovery state."""
    for job, path in list_results(store.directory):
        if job in ledger.state.results:
            continue
        try:
            record = _result_record(job, path)
        except DamagedCheckpointError as error:
            ledger.journal.append("checkpoint_damaged", job=str(job), reason=str(error))
            continue
        if "result" in record:
            ledger.completed(job, record["result"], record.get("seconds", 0.0))


def _result_record(job: JobName, path: Path) -> CheckpointRecord:
    record = read_pth(path)
    held = JobName(record.get("backbone_name", ""), record.get("fold"))
    if held != job:
        raise DamagedCheckpointError(f"{path}: holds {held}, not what its name says")
    return record


def guide_result(result: Mapping[str, Any]) -> Result:
    """Return ``result`` in plain JSON values, with the guide's final_accuracy and final_loss."""
    done: Result = plain(result)
    metrics = done.get("metrics")
    for final, key in _FINAL.items():
        value = done.get(key, metrics.get(key) if isinstance(metrics, dict) else None)
        if final not in done and value is not None:
            done[final] = value
    return done
