"""The ``.pth`` files of a checkpoint directory: save, find the newest good one, prune."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from holdfast.checkpoint.record import CheckpointRecord
from holdfast.checkpoint.retention import Generation, keep
from holdfast.checkpoint.serialize import Contents, read_pth, write_pth
from holdfast.checkpoint.space import FULL, full_disk
from holdfast.errors import DamagedCheckpointError, StorageError, UsageError
from holdfast.rundir import (
    DEFAULT_STAGES,
    CheckpointFile,
    JobName,
    Position,
    best_path,
    checkpoint_path,
    fault,
    list_checkpoints,
    mismatch,
)
from holdfast.storage import remove


class CheckpointStore:
    """The checkpoints of one directory.

    ``stages`` gives the order of a job's stages; ``run_id`` is what its checkpoints carry, empty
    where the run is not known. ``ask`` is called right before anything is committed or removed;
    what it raises prevents that.
    """

    def __init__(
        self,
        directory: Path,
        stages: Sequence[str] = DEFAULT_STAGES,
        run_id: str = "",
        ask: Callable[[], None] = lambda: None,
    ) -> None:
        self.directory = directory
        self.ask = ask
        self.stages = tuple(stages)
        self.run_id = run_id
        self._verified: dict[Path, tuple[int, int]] = {}
        self._listed: dict[JobName, dict[Path, CheckpointFile]] = {}

    def named(self, record: CheckpointRecord) -> CheckpointRecord:
        """Return ``record`` with the id of the run."""
        return {**record, "run_id": self.run_id}

    def save(
        self,
        job: JobName,
        position: Position,
        record: CheckpointRecord,
        contents: Contents | None = None,
    ) -> Path:
        """Commit one checkpoint; when this returns it survives a power cut.

        ``contents`` yields the bytes of the storages, where they are those of a `Snapshot`.
        """
        path = checkpoint_path(self.directory, job, position)
        self._write(path, self._readable(self.named(record), job, position), contents)
        self._verified[path] = _stamp(path)
        if job in self._listed:
            self._listed[job][path] = CheckpointFile(path, job, position)
        return path

    def newest_first(self, job: JobName) -> list[CheckpointFile]:
        """Return the checkpoints of ``job`` in the known stages, by position, newest first."""
        return self._in_order(list_checkpoints(self.directory, job))

    def load(self, file: CheckpointFile) -> CheckpointRecord:
        """Read one checkpoint, verified; DamagedCheckpointError says what is wrong with it."""
        record = read_pth(file.path)
        if reason := mismatch(record, file.job, file.position, self.run_id):
            raise DamagedCheckpointError(file.path, reason)
        return record

    def newest(
        self,
        job: JobName,
        on_damage: Callable[[CheckpointFile, str], None],
        stage: str | None = None,
    ) -> CheckpointRecord | None:
        """Return the newest good checkpoint of ``job``; damaged ones are told and stepped over."""
        for file in self.newest_first(job):
            if stage not in (None, file.position.stage):
                continue
            try:
                return self.load(file)
            except DamagedCheckpointError as error:
                on_damage(file, error.reason)
        return None

    def prune(self, job: JobName, latest: int, *, anew: bool = False) -> None:
        """Remove the checkpoints of ``job`` that the retention rule does not keep.

        The directory is listed once for each job, or ``anew``: others may have saved, too.
        """
        if anew or job not in self._listed:
            self._listed[job] = {file.path: file for file in list_checkpoints(self.directory, job)}
        listed = self._listed[job]
        files = self._in_order(file for file in listed.values() if file.path.exists())
        if latest < 1 or len(files) <= latest:
            return
        generations = [Generation(file, self._is_good(file.path)) for file in files]
        kept = keep(generations, latest)
        self.ask()
        for file in files[len(kept) :]:
            remove(file.path)
            del listed[file.path]

    def remove_all(self, job: JobName) -> None:
        """Remove every checkpoint of ``job``, its result file excepted."""
        self.ask()
        for file in list_checkpoints(self.directory, job):
            remove(file.path)

    def save_best(self, job: JobName, record: CheckpointRecord) -> Path:
        """Commit the file with a completed job's weights and result."""
        path = best_path(self.directory, job)
        self._write(path, self._readable(self.named(record), job, None))
        return path

    def _write(
        self, path: Path, record: CheckpointRecord, contents: Contents | None = None
    ) -> None:
        try:
            write_pth(path, record, contents, self.ask)
        except StorageError as error:
            if error.errno in FULL:
                raise full_disk(path, record, error.errno) from error
            raise

    def _readable(
        self, record: CheckpointRecord, job: JobName, position: Position | None
    ) -> CheckpointRecord:
        """Return ``record``; UsageError where it would be set aside as damaged."""
        if reason := mismatch(record, job, position, self.run_id):
            raise UsageError(f"the checkpoint of {job} {reason}")
        return record

    def _in_order(self, files: Iterable[CheckpointFile]) -> list[CheckpointFile]:
        known = [file for file in files if file.position.stage in self.stages]
        return sorted(known, key=lambda file: self._rank(file.position), reverse=True)

    def _rank(self, position: Position) -> tuple[int, int, int]:
        return self.stages.index(position.stage), position.epoch, position.step

    def _is_good(self, path: Path) -> bool:
        """Ask the one predicate, once per file and not again for what this process wrote."""
        stamp = _stamp(path)
        if self._verified.get(path) == stamp:
            return True
        if good := fault(path, self.run_id) is None:
            self._verified[path] = stamp
        return good


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
