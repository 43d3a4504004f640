"""The checkpoints and results of a run as files: size and age."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from holdfast.rundir import Position, list_all_checkpoints, list_results


@dataclass(frozen=True)
class FileStatus:
    """One ``.pth`` file; whether its bytes are what was written, `holdfast.rundir.fault` says."""

    path: Path
    job: str
    position: Position | None
    """Where the training stood; None for the weights and the result of a complete job."""
    bytes: int
    modified: datetime

    @property
    def name(self) -> str:
        """Its name in the run's directory."""
        return self.path.name


def list_files(directory: Path) -> list[FileStatus]:
    """Return every checkpoint and result of a run, by job and position."""
    named = [(f.path, str(f.job), f.position) for f in list_all_checkpoints(directory)]
    results = [(path, str(job), None) for job, path in list_results(directory)]
    found = [_look(*one) for one in [*named, *results]]
    return [one for one in found if one is not None]


def _look(path: Path, job: str, position: Position | None) -> FileStatus | None:
    try:
        stat = path.stat()
    except OSError:  # pruned since it was listed
        return None
    return FileStatus(path, job, position, stat.st_size, datetime.fromtimestamp(stat.st_mtime))
