"""Rung 5: real power cuts of a running series, on ext4 and xfs."""

import itertools
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from holdfast.rundir import damage
from tests.crash.loop_disk import KINDS, LOG_FLUSHED, NOT_FLUSHED, LoopDisk, loop_disk, why_not
from tests.crash.outcome import Outcome
from tests.crash.storm import Fault, Storm
from tests.crash.tiny_run import TinyRun

MOST = 20  # cuts of one run
_KILLED, _STORAGE_FAILED = -signal.SIGKILL, 5
_ACKNOWLEDGED = """
import os
from pathlib import Path
from holdfast.storage import disk
log = os.open({log!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def note(what, path):
    os.write(log, f"{{what}} {{path}}\\n".encode())
def rename(source, target, real=disk.rename):
    real(source, target)
    note("renamed", target)
def sync_directory(path, real=disk.sync_directory):
    real(path)
    note("synced", path)
def unlink(path, real=disk.unlink):
    note("removed", path)
    real(path)
disk.rename, disk.sync_directory, disk.unlink = rename, sync_directory, unlink
"""


def injuries(
    chance: random.Random, where: Path, tiny: TinyRun, kinds: tuple[str, ...] = KINDS
) -> Iterator[list[Outcome]]:
    """Cut the power of run after run, on each kind of file system in turn; yield those of a run."""
    possible = [kind for kind in kinds if why_not(kind) is None]
    for kind in itertools.cycle(possible):
        with loop_disk(kind) as disk:
            storm = Storm("5", tiny, disk.where / "run")
            if chance.random() < 0.8:  # neither are the copied images synced
                tiny.lend_images(storm.directory)
            while len(storm) < MOST and cut_power(storm, disk, chance, where / "acknowledged"):
                pass
            yield storm.finish()


def cut_power(
    storm: Storm, disk: LoopDisk, chance: random.Random, log: Path, prelude: str = ""
) -> bool:
    """Cut at a random moment of a start; False where the run was through before.

    What the child had been told to be durable is in ``log``, on a disk that keeps its power.
    """
    log.unlink(missing_ok=True)
    child = storm.begin(prelude + _ACKNOWLEDGED.format(log=str(log)))
    how, delay = chance.choice((*[NOT_FLUSHED] * 3, LOG_FLUSHED)), storm.tiny.moment(chance)
    time.sleep(delay)
    if not child.running and child.wait() == 0:
        return False
    disk.cut(how)
    notices = chance.random() < 0.4  # otherwise the machine takes the process with it
    if not notices:
        child.kill()

    def mend() -> Fault | None:
        disk.restart()
        lost = lost_on(log)
        return ("needless restart", f"acknowledged and lost: {lost}") if lost else None

    injury = f"after {delay:.3f} s, flag {how}{', noticed' * notices}"
    storm.ended(f"power cut {disk.kind}", injury, child, {_KILLED, _STORAGE_FAILED}, mend)
    return True


def lost_on(log: Path) -> str | None:
    """Name a file that was acknowledged and not removed since, and is gone or not whole."""
    for path in acknowledged(log):
        if not path.exists() or (path.suffix == ".pth" and damage(path)):
            return path.name
    return None


def acknowledged(log: Path) -> set[Path]:
    """Return the files whose renaming was synced before the cut, and whose removal never began."""
    durable: set[Path] = set()
    renamed: set[Path] = set()
    for line in log.read_text().splitlines() if log.exists() else []:
        what, name = line.split(" ", 1)
        path = Path(name)
        if what == "renamed":
            renamed.add(path)
        elif what == "removed":
            durable.discard(path)
            renamed.discard(path)
        else:
            synced = {file for file in renamed if file.parent == path}
            durable, renamed = durable | synced, renamed - synced
    return durable
