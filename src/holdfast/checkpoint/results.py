"""A completed job's result: kept inside its weights file, shown under the guide's keys."""

from collections.abc import Mapping
from typing import Any

from holdfast.checkpoint.ledger import Ledger
from holdfast.checkpoint.record import CheckpointRecord
from holdfast.checkpoint.serialize import read_pth
from holdfast.checkpoint.store import CheckpointStore
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import JobName, Result, list_results

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
    plain = guide_result(result)
    seconds = 0.0
    if record is not None:
        seconds = record["seconds"]
        store.save_best(job, {**record, "result": plain})
    ledger.completed(job, plain, seconds)
    return plain


def adopt_results(ledger: Ledger, store: CheckpointStore) -> None:
    """Take up what a crash left between a weights file and the recovery state."""
    for job, path in list_results(store.directory):
        if job in ledger.state.results:
            continue
        try:
            record = read_pth(path)
        except DamagedCheckpointError as error:
            ledger.journal.append("checkpoint_damaged", job=str(job), reason=str(error))
            continue
        if "result" in record:
            ledger.completed(job, record["result"], record.get("seconds", 0.0))


def guide_result(result: Mapping[str, Any]) -> Result:
    """Return ``result`` in plain JSON values, with the guide's final_accuracy and final_loss."""
    plain: Result = {key: _plain(value) for key, value in result.items()}
    for final, key in _FINAL.items():
        value = plain.get(key, plain.get("metrics", {}).get(key))
        if final not in plain and value is not None:
            plain[final] = value
    return plain


def _plain(value: Any) -> Any:
    """Return numbers, tensors and containers as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy and torch alike
        return value.tolist()
    return value
