"""What judges the injuries notices what it is there to notice."""

import signal
from pathlib import Path

from tests.crash.storm import Storm
from tests.crash.tiny_run import TinyRun
from tests.warm_python import wait_until

KILLED = {-signal.SIGKILL}
FORGETS = """
from holdfast.checkpoint import CheckpointStore
CheckpointStore.newest = lambda *ignored: None
"""
LEARNS_SOMETHING_ELSE = """
import holdfast.training.stage as stage
stage.reseed = lambda seed: None
"""


def train_and_kill(storm: Storm, kind: str, prelude: str = "") -> None:
    """Kill it when it has saved a few steps of its first stage that learns everything."""
    child = storm.begin(prelude)
    wait_until(lambda: any(storm.directory.glob("*_finetune_epoch0_step3.pth")), child)
    child.kill()
    storm.ended(kind, "", child, KILLED)


def test_bits_that_differ_are_seen(tiny: TinyRun, tmp_path: Path) -> None:
    """A run that took one step of another training, and forgot no file, is not the same."""
    storm = Storm("3", tiny, tmp_path / "run")
    train_and_kill(storm, "first", LEARNS_SOMETHING_ELSE)
    (outcome,) = storm.finish()

    assert (outcome.verdict, outcome.good) == ("other bits", False)


def test_job_begun_anew_is_seen(tiny: TinyRun, tmp_path: Path) -> None:
    """A start that does not take up what stands on the disk is a needless one."""
    storm = Storm("3", tiny, tmp_path / "run")
    train_and_kill(storm, "first")
    child = storm.begin(FORGETS)
    assert storm.through
    storm.ended("second", "", child, {0})
    outcomes = storm.finish()

    second = outcomes[1]
    assert (second.verdict, second.good) == ("needless restart", False)
    assert "CustomRegNet from None" in second.evidence


def test_traceback_and_undocumented_end_are_seen(tiny: TinyRun, tmp_path: Path) -> None:
    """Neither a traceback nor an exit code without its one line passes."""
    storm = Storm("3", tiny, tmp_path / "run")
    storm.ended("first", "", storm.begin("raise RuntimeError('no')"), {1})
    storm.ended("second", "", storm.begin("import os; os._exit(5)"), {5})
    outcomes = storm.finish()

    assert [outcome.verdict for outcome in outcomes] == ["traceback", "unclear end"]
