"""Every file of a run, there or gone, and what is wrong with it; needs no torch and no lock."""

import os
import re
import zlib
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdfast.rundir.books import Books
from holdfast.rundir.journal import Journal
from holdfast.rundir.layout import (
    DAMAGED,
    DEFAULT_STAGES,
    IMAGE_CACHE,
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    JobName,
    Position,
    best_path,
    checkpoint_path,
    list_checkpoints,
    list_pth,
    parse_result,
)
from holdfast.rundir.lines import Record
from holdfast.rundir.reached import in_training, reached
from holdfast.rundir.recovery import find_faults, is_complete, state_of
from holdfast.rundir.sources import Sources, read_sources
from holdfast.rundir.state import RecoveryState
from holdfast.rundir.verify import GONE, fault, looks_whole
from holdfast.storage import is_no_file, is_temporary, storage_errors
from holdfast.storage.json_record import read_record
from holdfast.storage.objects import look

CHECKPOINT, RESULT, STATE = "checkpoint", "result", "state"
IMAGES, LEFTOVER = "images", "leftover"
_READERS = 4  # zlib sums without the interpreter's lock
_IMAGE_FILE = re.compile(r"(index|stamps)\.json|images_\d{5}\.(npy|json)")
_KEYS = {"index": {"key", "rows"}, "stamps": {"root", "files"}}
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '\|u1', 'fortran_order': False, "
    rb"'shape': \((\d+), (\d+), (\d+), 3\), \} *\n"
)


@dataclass(frozen=True)
class FileReport:
    """One file of a run, by its name relative to the directory, and its fault if it has one."""

    name: str
    kind: str
    """checkpoint, result, state, images, or leftover (of a crash or of an earlier repair)."""
    fault: str | None = None


def survey(directory: Path) -> list[FileReport]:
    """Read and verify every file of a run.

    Raises:
        RecoveryRefusedError: a newer Holdfast wrote the recovery state.
        StorageError: a file may be good, but this process may not open it.
    """
    with storage_errors(directory):
        found = read_sources(directory)
        state = state_of(directory, found) or RecoveryState()
        reports = pth_reports(directory, state.run_id)
        bad = {report.name for report in reports if report.fault}
        return [
            *state_reports(directory, found),
            *reports,
            *_missing_weights(directory, state.results, found.journal),
            *missing_checkpoints(directory, bad),
            *image_reports(directory),
            *_leftovers(directory),
        ]


def state_reports(directory: Path, found: Sources) -> list[FileReport]:
    """Report on recovery state, fold progress and journal; one that is missing is a fault."""
    faults = find_faults(found)
    names = (RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL)
    known = [name for name in names if name in faults or os.path.lexists(directory / name)]
    return [FileReport(name, STATE, faults.get(name)) for name in known]


def pth_reports(directory: Path, run_id: str) -> list[FileReport]:
    """Report on every checkpoint and result of the run."""
    paths = list_pth(directory)
    with ThreadPoolExecutor(_READERS) as pool:
        faults = list(pool.map(lambda path: fault(path, run_id), paths))
    return [
        FileReport(path.name, RESULT if parse_result(path) else CHECKPOINT, reason)
        for path, reason in zip(paths, faults, strict=True)
        if reason != GONE or os.path.lexists(path)  # the writer has pruned it meanwhile
    ]


def jobs_with_lost_weights(
    directory: Path, complete: Iterable[JobName], journal: list[Record]
) -> list[JobName]:
    """Return those of the complete jobs whose weights file was written, and is gone or cut."""
    completed = (r for r in journal if r["event"] == "job_completed" and r.get("weights"))
    written = {JobName.parse(r["job"]) for r in completed}
    return [
        job for job in complete if job in written and not looks_whole(best_path(directory, job))
    ]


def _missing_weights(
    directory: Path, complete: Iterable[JobName], journal: list[Record]
) -> list[FileReport]:
    """Report on weights files that are gone."""
    jobs = jobs_with_lost_weights(directory, complete, journal)
    lost = [best_path(directory, job) for job in jobs]
    gone = sorted(path.name for path in lost if not os.path.lexists(path))
    return [FileReport(name, RESULT, "not there") for name in gone]


def missing_checkpoints(directory: Path, bad: Collection[str] = ()) -> list[FileReport]:
    """Report on the newest checkpoint of each job that the journal knows to have been further."""
    first, rank = _fallen_back(directory)
    # a training beside us may have moved on
    if first:
        look(directory)
    again = _fallen_back(directory)[0] if first else {}
    found = []
    for job, position in first.items():
        if again.get(job) != position:
            continue
        files = [f for f in list_checkpoints(directory, job) if f.path.name not in bad]
        usable = sorted((file.position for file in files), key=rank)
        how = f"goes on from {usable[-1]}" if usable else "begins again"
        name = checkpoint_path(directory, job, position).name
        found.append(FileReport(name, CHECKPOINT, f"not there; {job} {how}"))
    return found


_Rank = Callable[[Position], tuple[int, int, int]]


def _fallen_back(directory: Path) -> tuple[dict[JobName, Position], _Rank]:
    """Return where jobs were, by the journal, that no file of theirs is as far any more."""
    books = Books.of(directory)
    state = books.state
    order = {name: place for place, name in enumerate(state.run.get("stages") or DEFAULT_STAGES)}

    def rank(at: Position) -> tuple[int, int, int]:
        return order.get(at.stage, -1), at.epoch, at.step

    fallen = {}
    begun = [job for job in in_training(books.records) if not is_complete(state, job)]
    trained = [job for job in begun if books.epochs[str(job)]]
    for job, position in reached(Journal(directory).about(trained) if trained else []).items():
        files = [file.position for file in list_checkpoints(directory, job)]
        if max([position, *files], key=rank) not in files:
            fallen[job] = position
    return fallen, rank


def image_reports(directory: Path) -> list[FileReport]:
    """Report on the image cache, of which anything may be missing: it is decoded again."""
    cache = directory / IMAGE_CACHE
    found = [p for p in sorted(cache.rglob("*")) if _IMAGE_FILE.fullmatch(p.name)]
    return [FileReport(str(p.relative_to(directory)), IMAGES, _image_fault(p)) for p in found]


def _image_fault(path: Path) -> str | None:
    if is_no_file(path):
        return "is no file"
    if path.suffix == ".json":
        content, keys = read_record(path), _KEYS.get(path.stem, {"crc32", "bad"})
        return None if content and keys <= content.keys() else "not what was written"
    content = read_record(path.with_suffix(".json"))
    if content is None:
        return None  # a start decodes it anew
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None  # whoever decodes has replaced it
    header = _NPY.match(data)
    good = header is not None and zlib.crc32(data[header.end() :]) == content.get("crc32")
    return None if good else "the pixels are not what was written"


def _leftovers(directory: Path) -> list[FileReport]:
    aside = sorted((directory / DAMAGED).glob("*")) if (directory / DAMAGED).is_dir() else []
    paths = [path for path in sorted(directory.iterdir()) if is_temporary(path)] + aside
    return [FileReport(str(path.relative_to(directory)), LEFTOVER) for path in paths]
