"""A job that kills its process each time costs the others nothing."""

import signal
from pathlib import Path

from holdfast.rundir import JobName, load_state
from tests.crash.sameness import same_runs
from tests.crash.tiny_run import TinyRun

POISON = """
import os, signal
from holdfast.storage import disk
def die(effect):
    if effect.kind == disk.SYNC and effect.path.name.startswith(".CustomRegNet_head_epoch0_step"):
        os.kill(os.getpid(), signal.SIGKILL)
watching = disk.watching(die)
watching.__enter__()
"""


def test_job_that_kills_its_process_goes_behind_the_others(tiny: TinyRun, tmp_path: Path) -> None:
    """Three deaths at one position: the others are trained first, then it is tried again.

    No result changes: once the poison is gone, all is as in the undisturbed run.
    """
    directory = tmp_path / "run"
    tiny.lend_images(directory)
    for _ in range(3):
        child = tiny.start(directory, POISON)
        assert child.wait() == -signal.SIGKILL, child.output
        assert not load_state(directory).results
    child = tiny.start(directory, POISON)
    assert child.wait() == -signal.SIGKILL, child.output
    assert "CustomRegNet died 3 times in a row at head epoch 0" in child.output
    folds = {JobName("CustomRegNet", 1), JobName("CustomRegNet", 2)}
    assert load_state(directory).results.keys() == folds

    child = tiny.start(directory)
    assert child.wait() == 0, child.output
    same_runs(tiny.calm, directory)
