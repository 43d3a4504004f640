"""A run as a pandas DataFrame: one row for each job."""

from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError
from holdfast.status.snapshot import JobStatus, Status

if TYPE_CHECKING:
    from pandas import DataFrame

_SCORES = ("precision", "recall", "f1", "roc_auc")


def status_frame(status: Status) -> "DataFrame":
    """Return a row for each job, by its name; what is not there yet is missing, not 0.

    Raises:
        UsageError: there is no pandas here.
    """
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        needs = "Status.to_frame() needs pandas: pip install 'holdfast[notebook]'"
        raise UsageError(needs) from None
    frame = DataFrame([_row(job) for job in status.jobs], columns=list(_row(_NOBODY)))
    whole = {"fold": "Int64", "epoch": "Int64", "epochs": "Int64"}  # integers that may be missing
    numbers = dict.fromkeys(("accuracy", "loss", *_SCORES, "val_accuracy"), "float64")
    return frame.astype({**whole, **numbers}).set_index("job")


def _row(job: JobStatus) -> dict[str, Any]:
    return {
        "job": job.job,
        "backbone": job.backbone,
        "fold": job.fold,
        "state": job.state,
        "stage": job.stage,
        "epoch": job.epoch,
        "epochs": job.epochs,
        "accuracy": job.score("final_accuracy"),
        "loss": job.score("final_loss"),
        **{name: job.score(name) for name in _SCORES},
        "val_accuracy": job.measured.get("val_acc"),
        "interruptions": job.interruptions,
        "seconds": job.seconds,
        "error": job.error,
    }


_NOBODY = JobStatus("", "", None, "")
