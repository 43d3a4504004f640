"""Rung 7: what a whole run asks of the kernel, by strace: nothing is published unsynced."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, LOCK, RECOVERY_STATE, STATUS_TEXT
from holdfast.storage import disk, is_temporary
from tests.crash.recording import RUN, Undisturbed
from tests.crash.simulated import Files, write_files
from tests.storage.strace import Call, traced

ROOT = Path(__file__).parents[2]
TRAIN = """
import json, sys
from pathlib import Path
root, disks, told = sys.argv[1:]
sys.path.insert(0, root)
from holdfast.storage import disk
from tests.crash import library_run
effects = []
with disk.watching(effects.append):
    for name in ("calm", "crashed"):
        library_run.train(Path(disks) / name / "run")
seen = [(e.kind, str(e.path), *([str(e.target)] if e.target else [])) for e in effects]
Path(told).write_text(json.dumps(seen))
"""


LEFTOVER = ".narrow_best.pth.4711.tmp"
FLAGS = {"O_TRUNC": disk.CREATE, "O_APPEND": disk.APPEND}
Step = tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    """One process seen from both sides."""

    calls: list[Call]
    """What it asked of the kernel."""
    told: list[Step]
    """What the door to the disk told before doing it."""


@pytest.fixture(scope="module")
def trace(calm: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """A process that does the tiny run from its start, and again from where a crash left it."""
    work = tmp_path_factory.mktemp("traced")
    for name in ("calm", "crashed"):
        (work / "disks" / name).mkdir(parents=True)
    write_files(work / "disks" / "crashed", before_an_epoch_is_noted(calm))
    arguments = ROOT, work / "disks", work / "told.json"
    calls = traced(TRAIN, *arguments, about=work / "disks", work=work)
    return Trace(calls, [tuple(step) for step in json.loads(arguments[-1].read_text())])


def before_an_epoch_is_noted(calm: Undisturbed) -> Files:
    """Return what stands when a checkpoint's line is torn in the journal, and a leftover."""
    notes = [n for n, e in enumerate(calm.recording.effects) if b'"event": "epoch"' in e.data]
    appending = notes[len(notes) // 2] - 1
    assert calm.kinds[appending] == f"append of {JOURNAL}"
    before = calm.recording.before[appending]
    torn = before[Path(RUN, JOURNAL)] + b'{"time": "2026-'
    return before | {Path(RUN, LEFTOVER): b"half", Path(RUN, JOURNAL): torn}


def seen(calls: list[Call]) -> list[Step]:
    """Return what the kernel did, in the door's words; the lock is the operating system's."""
    mine = [call for call in calls if not call.failed and Path(call.paths[0]).name != LOCK]
    return [step for call in mine if (step := in_the_doors_words(call))]


def in_the_doors_words(call: Call) -> Step | None:
    """Return one call as a step, None where it only reads."""
    if call.name == "open":
        kinds = [kind for flag, kind in FLAGS.items() if flag in call.arguments]
        return (kinds[0], *call.paths) if kinds else None
    if call.name == "fsync" and Path(call.paths[0]).is_dir():
        return disk.SYNC_DIRECTORY, *call.paths
    return disk.SYNC if call.name == "fsync" else call.name, *call.paths


def saves(steps: list[Step]) -> Iterator[list[Step]]:
    """Cut the steps where something new begins; a write in several pieces counts as one."""
    save: list[Step] = []
    for step, _ in groupby(steps):
        if step[0] in (disk.CREATE, disk.APPEND, disk.UNLINK, disk.MAKE_DIRECTORY) and save:
            yield save
            save = []
        save.append(step)
    yield save


def right_order(first: Step) -> list[Step]:
    """Return what has to follow a first step, and nothing else in between."""
    kind, name = first
    directory = (disk.SYNC_DIRECTORY, str(Path(name).parent))
    written = [first, (disk.WRITE, name), (disk.SYNC, name)]
    if kind == disk.CREATE:
        final = Path(name).name.removeprefix(".").rsplit(".", 2)[0]
        return [*written, (disk.RENAME, name, str(Path(name).with_name(final))), directory]
    if kind == disk.APPEND:
        return written
    return [first, directory] if kind == disk.MAKE_DIRECTORY else [first]


def test_door_tells_all_that_the_kernel_does(trace: Trace) -> None:
    """No effect goes past the door: what is crashed and lost on the other rungs is everything."""
    assert len(trace.told) > 1500
    assert seen(trace.calls) == trace.told


def test_every_save_is_written_synced_renamed_and_synced(trace: Trace) -> None:
    """Write, fsync, rename, fsync(directory); no write after the fsync, no two saves at once."""
    created = 0
    for save in saves(seen(trace.calls)):
        expected = right_order(save[0])
        if save[0][0] == disk.APPEND and len(save) > len(expected):  # a new name
            created += 1
            expected.append((disk.SYNC_DIRECTORY, str(Path(save[0][1]).parent)))
        assert save == expected
    assert created == 1, "the journal of the first run, and no other"


def test_no_published_name_is_opened_for_writing(trace: Trace) -> None:
    """Only temporary files are written; the journal is appended to, the lock file is only held."""
    for call in trace.calls:
        name = Path(call.paths[0]).name
        if call.name == "open" and ("O_WRONLY" in call.arguments or "O_RDWR" in call.arguments):
            appending = "O_APPEND" in call.arguments and "O_TRUNC" not in call.arguments
            assert is_temporary(Path(name)) or name == LOCK or (name == JOURNAL and appending), call
        assert name != LOCK or call.name == "open", call


def test_trace_has_every_kind_of_file_in_it(trace: Trace) -> None:
    """Checkpoints, results, the journal, both JSON files and the status text were all published."""
    steps = seen(trace.calls)
    final = {Path(step[2]).name for step in steps if step[0] == disk.RENAME}
    removed = {Path(step[1]).name for step in steps if step[0] == disk.UNLINK}
    assert {RECOVERY_STATE, KFOLD_PROGRESS, STATUS_TEXT, f"{LOCK}.holder.json"} < final
    assert {"narrow_head_epoch1.pth", "wide_fold2_head_epoch0_step1.pth"} < final
    assert {"narrow_best.pth", "wide_fold2_best.pth"} < final
    assert JOURNAL in final, "the torn line was dropped by rewriting it"
    assert {LEFTOVER, "narrow_head_epoch1.pth", "wide_fold2_finetune_epoch2.pth"} < removed
