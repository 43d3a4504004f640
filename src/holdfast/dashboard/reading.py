"""One reading of a run: all that the pages show, from the run's files alone."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from holdfast.config import BACKBONES
from holdfast.rundir import (
    DAMAGED,
    SKIMMED,
    JobName,
    best_path,
    parse_result,
    read_sources,
)
from holdfast.status import (
    COMPLETE,
    PENDING,
    FileStatus,
    JobStatus,
    Past,
    Status,
    list_files,
    read_past,
    read_status,
    time_left,
)

Stamp = tuple[int, int, int]
"""Inode, size and time of change of a file: while they stay, so do its bytes."""

_REASON = ".reason.txt"
_LONGEST_REASON = 500
_MOST_REASONS = 200


@dataclass(frozen=True)
class Reading:
    """How a run stood at one moment, and what had happened in it."""

    status: Status
    past: Past
    files: list[FileStatus]
    stamps: Mapping[str, Stamp]
    """Of each file in the run's directory, by name."""
    left: float | None
    """Seconds that the rest will take."""
    faults: Mapping[str, str]
    """What is wrong with the recovery state's own files."""
    reasons: Mapping[str, str]
    """Why each file in ``damaged/`` is there."""
    run_id: str
    time: datetime = field(default_factory=datetime.now)

    @cached_property
    def jobs(self) -> dict[str, JobStatus]:
        """The jobs by name: whoever asks for one gets one of these, or none."""
        return {job.job: job for job in self.status.jobs}

    @cached_property
    def known(self) -> int:
        """How many jobs it has anything to tell of."""
        return sum(job.state != PENDING for job in self.status.jobs)

    @cached_property
    def files_of(self) -> dict[str, list[FileStatus]]:
        """The checkpoints and the result of each job, as they were trained."""
        order = {stage: rank for rank, stage in enumerate(self.status.stages)}

        def place(file: FileStatus) -> tuple[int, int, int]:
            at = file.position
            return (order.get(at.stage, -1), at.epoch, at.step) if at else (len(order), 0, 0)

        found: dict[str, list[FileStatus]] = {}
        for file in sorted(self.files, key=place):
            found.setdefault(file.job, []).append(file)
        return found

    @property
    def would_lose(self) -> float | None:
        """Seconds of training that a crash would lose now; None where nobody trains."""
        saving = self.status.saving
        if saving is None or saving.would_lose is None:
            return None
        return saving.would_lose + (datetime.now() - self.time).total_seconds()

    def folds(self, backbone: str) -> list[JobStatus]:
        """Return the folds of a backbone."""
        return self._folds.get(backbone, [])

    @cached_property
    def _folds(self) -> dict[str, list[JobStatus]]:
        found: dict[str, list[JobStatus]] = {}
        for job in self.status.jobs:
            if job.fold is not None:
                found.setdefault(job.backbone, []).append(job)
        return found


def read(directory: Path) -> Reading:
    """Read a run; takes no lock, writes nothing, and needs no torch.

    Raises:
        HoldfastError, OSError: it cannot be read, or not now.
    """
    stamps = stamps_of(directory)
    sources = read_sources(directory, SKIMMED)
    status = read_status(directory, list(BACKBONES))
    complete = {job.job: job.result for job in status.jobs if _has_file(directory, job)}
    past = read_past(directory, complete)
    return Reading(
        status=status,
        past=past,
        files=list_files(directory),
        stamps=stamps,
        left=time_left(status, past),
        faults=sources.faults,
        reasons=_reasons(directory, status.damaged),
        run_id=str((sources.main or {}).get("run_id", "")),
    )


def stamps_of(directory: Path) -> dict[str, Stamp]:
    """Return what tells whether the files of a run have changed.

    Raises:
        OSError: there is no such directory.
    """
    found = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                stat = entry.stat()
            except OSError:  # gone since it was listed
                continue
            found[entry.name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def _has_file(directory: Path, job: JobStatus) -> bool:
    """Tell whether a job's weights have a name in this directory, and not elsewhere."""
    name = JobName(job.backbone, job.fold)
    path = best_path(directory, name)
    return job.state == COMPLETE and path.parent == directory and parse_result(path) == name


def _reasons(directory: Path, damaged: list[str]) -> dict[str, str]:
    found = {}
    for name in damaged[:_MOST_REASONS]:
        try:
            with (directory / DAMAGED / f"{name}{_REASON}").open("rb") as file:
                said = file.read(_LONGEST_REASON)
        except OSError:
            continue
        found[name] = said.decode(errors="backslashreplace").strip()
    return found
