"""All that can be seen of a run from outside, in one look."""

from dataclasses import replace
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.status.past import Past, read_recent
from holdfast.status.remaining import time_left
from holdfast.status.snapshot import STARTED, JobStatus, Status, read_status
from holdfast.storage.objects import viewed


def read_run(
    where: str | Path = "checkpoints",
    default_backbones: list[str] | None = None,
    *,
    whole_results: bool = True,
) -> Status:
    """Read how the run in a directory, or at a URL, stands, and how long the rest will take.

    Takes no lock, writes nothing and needs no torch; for the rest see `read_status`.

    Raises:
        UsageError: there is no such directory.
        RecoveryRefusedError: a newer Holdfast wrote it.
        StorageError: the disk does not give what is there, or the store stays away.
    """
    with viewed(where) as directory:
        return read_directory(directory, default_backbones, whole_results=whole_results)


def read_directory(
    directory: Path, default_backbones: list[str] | None = None, *, whole_results: bool = True
) -> Status:
    """Do the same in a directory that `viewed` has given."""
    if not directory.is_dir():
        there = "is a file; name the run's directory" if directory.exists() else ""
        raise UsageError(f"{directory}: {there or 'no such directory; `holdfast train` makes it'}")
    status = read_status(directory, default_backbones, whole_results=whole_results)
    past = read_recent(directory, [job.job for job in status.jobs if job.state == STARTED])
    left = time_left(status, past) if status.begun else None
    return replace(status, jobs=[_measured(job, past) for job in status.jobs], time_left=left)


def _measured(job: JobStatus, past: Past) -> JobStatus:
    """Add what the last epoch of a job in training was measured at."""
    curve = past.curves.get(job.job)
    if job.state != STARTED or curve is None or not curve.rows:
        return job
    row = curve.rows[-1]
    numbers = {k: float(v) for k, v in row.items() if isinstance(v, int | float) and k != "epoch"}
    return replace(job, measured=numbers)
