"""A completed job's result: kept inside its weights file, shown under the guide's keys."""

from collections.abc import Mapping
from typing import Any

from holdfast.checkpoint.job_ledger import JobLedger
from holdfast.checkpoint.plain import plain
from holdfast.checkpoint.record import CheckpointRecord
from holdfast.checkpoint.store import CheckpointStore
from holdfast.rundir import JobName, Result, best_path

_FINAL = {"final_accuracy": "accuracy", "final_loss": "loss"}


def complete_job(
    ledger: JobLedger,
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


def guide_result(result: Mapping[str, Any]) -> Result:
    """Return ``result`` in plain JSON values, with the guide's final_accuracy and final_loss."""
    done: Result = plain(result)
    metrics = done.get("metrics")
    for final, key in _FINAL.items():
        value = done.get(key, metrics.get(key) if isinstance(metrics, dict) else None)
        if final not in done and value is not None:
            done[final] = value
    return done
