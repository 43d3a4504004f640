"""Every file of a run, and what is wrong with it; needs neither torch nor a lock."""

import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdfast.rundir.layout import (
    DAMAGED,
    IMAGE_CACHE,
    JOURNAL,
    KFOLD_PROGRESS,
    RECOVERY_STATE,
    parse_checkpoint,
    parse_result,
)
from holdfast.rundir.recovery import load_state
from holdfast.rundir.sources import read_sources
from holdfast.rundir.verify import fault
from holdfast.storage import is_temporary
from holdfast.storage.json_record import read_record

CHECKPOINT, RESULT, STATE = "checkpoint", "result", "state"
IMAGES, LEFTOVER = "images", "leftover"
_READERS = 4  # zlib sums without the interpreter's lock
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
    return [*state_reports(directory), *pth_reports(directory), *_image_reports(directory)] + [
        FileReport(str(path.relative_to(directory)), LEFTOVER) for path in _leftovers(directory)
    ]


def state_reports(directory: Path) -> list[FileReport]:
    """Report on recovery state, fold progress and journal, where they are."""
    faults = read_sources(directory).faults
    names = (RECOVERY_STATE, KFOLD_PROGRESS, JOURNAL)
    there = [name for name in names if (directory / name).exists()]
    return [FileReport(name, STATE, faults.get(name)) for name in there]


def pth_reports(directory: Path) -> list[FileReport]:
    """Report on every checkpoint and result of the run."""
    state = load_state(directory)
    run_id = state.run_id if state else ""
    paths = [p for p in sorted(directory.glob("*.pth")) if parse_checkpoint(p) or parse_result(p)]
    with ThreadPoolExecutor(_READERS) as pool:
        faults = list(pool.map(lambda path: fault(path, run_id), paths))
    return [
        FileReport(path.name, RESULT if parse_result(path) else CHECKPOINT, reason)
        for path, reason in zip(paths, faults, strict=True)
    ]


def _image_reports(directory: Path) -> Iterator[FileReport]:
    """Report on the image cache; what is damaged there is decoded again."""
    for path in sorted((directory / IMAGE_CACHE).rglob("*")):
        if path.suffix in (".npy", ".json") and not is_temporary(path):
            yield FileReport(str(path.relative_to(directory)), IMAGES, _image_fault(path))


def _image_fault(path: Path) -> str | None:
    if path.suffix == ".json":
        return None if read_record(path) is not None else "truncated, or not what was written"
    content = read_record(path.with_suffix(".json"))
    if content is None:
        return "no record of it"
    data = path.read_bytes()
    header = _NPY.match(data)
    good = header is not None and zlib.crc32(data[header.end() :]) == content.get("crc32")
    return None if good else "the pixels are not what was written"


def _leftovers(directory: Path) -> list[Path]:
    aside = sorted((directory / DAMAGED).glob("*")) if (directory / DAMAGED).is_dir() else []
    return [path for path in sorted(directory.iterdir()) if is_temporary(path)] + aside
