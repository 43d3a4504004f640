"""Real disks that refuse: full, read-only, forbidden; from the start or in mid-run."""

import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.crash import loop_disk
from tests.crash.outcome import Outcome
from tests.crash.storm import Fault, Storm, ended_by_error
from tests.crash.tiny_run import TinyRun
from tests.storage.disk import mounted, read_only

_FULL_AT = 8 << 20
_ROOT_LIKE_ANYBODY = """
import ctypes, os
os.chmod({directory!r}, {mode})
if os.geteuid() == 0:  # root may write anywhere, until it lays that down
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
"""
BadDisk = Callable[[random.Random, Path, TinyRun], list[Outcome]]


def bad_disks(chance: random.Random, where: Path, tiny: TinyRun) -> Iterator[list[Outcome]]:
    """Yield what comes of each bad disk in turn, for as long as somebody asks."""
    kinds: list[BadDisk] = [forbidden_at_start, forbidden_in_mid_run]
    if loop_disk.why_not("ext4") is None:
        kinds += [full, read_only_at_start, read_only_in_mid_run]
    for number, kind in enumerate(itertools.cycle(kinds)):
        yield kind(chance, where / f"bad-disk-{number}", tiny)


def full(chance: random.Random, where: Path, tiny: TinyRun) -> list[Outcome]:
    """Train on a tmpfs of 8 MB; each time it is full, give it a little more room."""
    taken = sum(path.stat().st_size for path in tiny.calm.rglob("*"))
    first = min(_FULL_AT, taken // 2)
    with mounted(f"size={first}") as disk:
        storm = Storm("4", tiny, disk / "run")
        for room in itertools.count(first, taken // 6):
            _remount(disk, f"size={room}")
            child = storm.begin()
            child.wait()
            if "disk is full" not in child.output and storm.through:
                return storm.finish()
            ended_by_error(storm, "full disk", f"tmpfs of {room / 2**20:.1f} MB", child)
    raise AssertionError("unreachable")


def forbidden_at_start(chance: random.Random, where: Path, tiny: TinyRun) -> list[Outcome]:
    """Start in a directory that whoever trains may not write in, or not even enter."""
    storm = Storm("4", tiny, where)
    where.mkdir()
    for mode in (0o555, 0o444):
        child = storm.begin(_ROOT_LIKE_ANYBODY.format(directory=str(where), mode=mode))
        child.wait()
        ended_by_error(storm, "no permission", f"mode {mode:03o}", child, lambda: _allow(where))
        _train_a_little(storm, chance)
    return storm.finish()


def forbidden_in_mid_run(chance: random.Random, where: Path, tiny: TinyRun) -> list[Outcome]:
    """Take the permission to write away while it trains."""
    storm = Storm("4", tiny, where)
    where.mkdir()
    for _ in range(3):
        child = storm.begin(_ROOT_LIKE_ANYBODY.format(directory=str(where), mode=0o755))
        time.sleep(delay := tiny.moment(chance))
        where.chmod(0o555)
        if storm.through:
            where.chmod(0o755)
            break
        injury = f"mode 555 after {delay:.3f} s"
        ended_by_error(storm, "no permission", injury, child, lambda: _allow(where), leftovers=True)
    return storm.finish()


def read_only_at_start(chance: random.Random, where: Path, tiny: TinyRun) -> list[Outcome]:
    """Start a new run, then one that has begun, on a disk that is read-only."""
    with mounted("size=64m") as disk:
        storm = Storm("4", tiny, disk / "run")
        for _ in range(2):
            with read_only(disk):
                child = storm.begin()
                child.wait()
            ended_by_error(storm, "read-only disk", "tmpfs, from the start", child)
            _train_a_little(storm, chance)
        return storm.finish()


def read_only_in_mid_run(chance: random.Random, where: Path, tiny: TinyRun) -> list[Outcome]:
    """Let ext4 find an error and turn read-only while it trains."""
    with loop_disk.loop_disk("ext4") as disk:
        storm = Storm("4", tiny, disk.where / "run")
        for _ in range(3):
            child = storm.begin()
            time.sleep(delay := tiny.moment(chance))
            disk.fail()
            if storm.through:
                disk.restart()
                break
            injury = f"ext4, after {delay:.3f} s"
            ended_by_error(storm, "read-only disk", injury, child, disk.restart, leftovers=True)
        return storm.finish()


def _train_a_little(storm: Storm, chance: random.Random) -> None:
    child = storm.begin()
    time.sleep(storm.tiny.moment(chance))
    child.kill()


def _allow(directory: Path) -> Fault | None:
    directory.chmod(0o755)
    return None


def _remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
