"""Rung 4 of the crash tests, in small: a disk that refuses is told, and costs nothing saved."""

import random
from pathlib import Path

import pytest

from tests.crash import bad_disks, loop_disk, strace_attach
from tests.crash.errno_faults import Injection, injections
from tests.crash.storm import Storm
from tests.crash.tiny_run import TinyRun

INJECTIONS = (
    Injection("ENOSPC", "write", "a checkpoint inside an epoch", lasting=False),
    Injection("EIO", "sync", "a checkpoint at an epoch's end", lasting=True),
    Injection("EDQUOT", "write", "the journal", lasting=False),
    Injection("EIO", "sync_directory", "the directory", lasting=False),
    Injection("ENOSPC", "write", "the image cache", lasting=False),
)
AS_ROOT = (bad_disks.full, bad_disks.read_only_at_start, bad_disks.read_only_in_mid_run)


def test_every_kind_of_file_is_refused_a_write_and_a_sync() -> None:
    """The faults cover ENOSPC, EIO and EDQUOT, once and lasting, on all that a run writes."""
    for error in ("ENOSPC", "EIO", "EDQUOT"):
        mine = [fault for fault in injections() if fault.error == error]
        assert {fault.effect for fault in mine} >= {"write", "sync", "sync_directory"}
        assert len({fault.target for fault in mine if fault.effect == "sync"}) == 10
        assert {fault.lasting for fault in mine} == {True, False}


def test_injected_errors_end_in_one_line_and_the_same_bits(tiny: TinyRun, tmp_path: Path) -> None:
    """An error at a write or a sync is told, leaves nothing behind, and the run goes on from it."""
    if reason := strace_attach.why_not():
        pytest.skip(reason)
    storms = [Storm("4", tiny, tmp_path / "run-0")]
    tiny.lend_images(storms[0].directory)
    for number, fault in enumerate(INJECTIONS, 1):
        assert fault.strike(storms[-1], random.Random(0)), fault
        if storms[-1].through:  # training went on, and there is nothing left to hurt
            storms.append(Storm("4", tiny, tmp_path / f"run-{number}"))
            tiny.lend_images(storms[-1].directory)
    outcomes = [outcome for storm in storms for outcome in storm.finish()]

    assert len(outcomes) == len(INJECTIONS)
    assert [outcome for outcome in outcomes if not outcome.good] == []


@pytest.mark.parametrize(
    "bad_disk",
    [bad_disks.forbidden_at_start, bad_disks.forbidden_in_mid_run, *AS_ROOT],
    ids=lambda bad_disk: bad_disk.__name__,
)
def test_bad_disk_is_told_and_the_run_goes_on_when_it_is_mended(
    bad_disk: bad_disks.BadDisk, tiny: TinyRun, tmp_path: Path
) -> None:
    """A full, read-only or forbidden disk ends a start in one line, and loses nothing."""
    if bad_disk in AS_ROOT and (reason := loop_disk.why_not("ext4")):
        pytest.skip(reason)
    outcomes = bad_disk(random.Random(0), tmp_path / "run", tiny)

    assert len(outcomes) >= 1
    assert [outcome for outcome in outcomes if not outcome.good] == []
