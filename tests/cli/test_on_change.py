"""``holdfast train --on-change``: data or settings that differ from the run's, in real processes.

The run is killed for real when one backbone is complete and the other inside its last stage;
then something changes, and the command is given again.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.changing_run import DONE, IN_TRAINING, KILLED_AT, ChangingRun, new_run
from tests.crash.sameness import same_runs
from tests.warm_python import WarmPython

RESTART = ("--on-change", "restart-affected")
CONTINUE = ("--on-change", "continue")
WAYS_OUT = (
    *("Start it as it was started", "another --checkpoint-dir", "--on-change restart-affected"),
    *("--on-change continue", "`holdfast reset`"),
)
SLOWER = f"""
[overrides.{IN_TRAINING}.finetune]
learning_rate = 1e-4
"""


@pytest.fixture(scope="module")
def python() -> Iterator[WarmPython]:
    """Processes that start at once."""
    with WarmPython() as warm:
        yield warm


@pytest.fixture
def begun(python: WarmPython, digits_folder: Path, tmp_path: Path) -> ChangingRun:
    """A run that was killed when one backbone was complete and one inside its last stage."""
    run = new_run(python, tmp_path, digits_folder)
    run.killed(KILLED_AT)
    assert (run.directory / f"{DONE}_best.pth").exists()
    assert (run.directory / f"{IN_TRAINING}_finetune_epoch0.pth").exists()
    return run


def add_image(data: Path) -> None:
    shutil.copy(data / "one" / "00.png", data / "one" / "99.png")


def remove_image(data: Path) -> None:
    (data / "two" / "03.png").unlink()


def change_bytes(data: Path) -> None:
    """Exchange two images' bytes and keep the older dates: names and numbers are as before."""
    first, second = data / "zero" / "00.png", data / "one" / "00.png"
    contents = first.read_bytes(), second.read_bytes()
    for path, content in zip((second, first), contents, strict=True):
        stat = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def add_class(data: Path) -> None:
    shutil.copytree(data / "two", data / "three")


CHANGES = [
    (add_image, "the images have changed (30, now 31). Start it"),
    (remove_image, "the images have changed (30, now 29). Start it"),
    (change_bytes, "holds another run: the images have changed. Start it"),
    (add_class, "classes was ['one', 'two', 'zero'], now ['one', 'three', 'two', 'zero']"),
]


@pytest.mark.parametrize(("change", "named"), CHANGES)
def test_changed_data_are_refused_and_nothing_is_touched(
    change: Callable[[Path], None], named: str, begun: ChangingRun
) -> None:
    """Exit 3, one line with the difference and the ways out; undone, the run ends as ever."""
    original = shutil.copytree(begun.data, begun.data.with_name("original"))
    change(begun.data)
    told = begun.refused()
    assert named in told
    assert all(way in told for way in WAYS_OUT)

    shutil.rmtree(begun.data)
    original.rename(begun.data)  # the first way out: as it was started
    calm = begun.elsewhere("calm")
    calm.finish()
    assert f"{IN_TRAINING}: continuing from finetune epoch 0" in begun.finish()
    same_runs(calm.directory, begun.directory)


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
def test_restart_affected_gives_what_the_new_data_give(
    change: Callable[[Path], None], begun: ChangingRun
) -> None:
    """Everything is trained anew: the bits are those of a fresh run on the changed data."""
    change(begun.data)
    told = begun.finish(*RESTART)
    assert f"{DONE}: trained anew, because " in told
    assert f"{IN_TRAINING}: trained anew, because " in told
    calm = begun.elsewhere("calm")
    calm.finish()
    same_runs(calm.directory, begun.directory)
    begun.finish()  # from now on it is the run of these data


def test_continue_says_that_the_result_is_not_the_undisturbed_one(begun: ChangingRun) -> None:
    """Exit 0, it is said plainly, the result of what was in training says what changed."""
    before = (begun.directory / f"{DONE}_best.pth").read_bytes()
    change_bytes(begun.data)
    told = begun.finish(*CONTINUE)
    assert "holds another run: the images have changed; continuing" in told
    assert "will NOT be what an undisturbed run gives" in told
    assert says_digest(begun, IN_TRAINING)
    assert changed_in(begun, DONE) == []
    assert (begun.directory / f"{DONE}_best.pth").read_bytes() == before


def changed_in(run: ChangingRun, backbone: str) -> list[str]:
    """Return what a result says was changed in training; the weights' file must say it too."""
    state = json.loads((run.directory / ".recovery_state.json").read_text())
    result: dict[str, Any] = state["results"][backbone]
    assert torch.load(run.directory / f"{backbone}_best.pth")["result"] == result
    changed: list[str] = result.get("changed_in_training", [])
    return changed


def says_digest(run: ChangingRun, backbone: str) -> bool:
    """Tell whether a result says that it has seen other images than those it began with."""
    return any(what == "the images have changed" for what in changed_in(run, backbone))


def test_continued_run_that_is_killed_again_still_says_so(begun: ChangingRun) -> None:
    """The mark is on the disk before training goes on: a kill and the plain command keep it."""
    change_bytes(begun.data)
    begun.killed(KILLED_AT, *CONTINUE)
    begun.finish()
    assert says_digest(begun, IN_TRAINING)


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [(add_class, (), "classes was "), (None, ("--size", "full"), "--size was ")],
)
def test_continue_is_refused_where_no_checkpoint_would_fit(
    change: Callable[[Path], None] | None, options: tuple[str, ...], named: str, begun: ChangingRun
) -> None:
    """A model of another shape cannot go on: exit 3 before the run is recorded as changed."""
    if change is not None:
        change(begun.data)
    told = begun.refused(*options, *CONTINUE)
    assert named in told
    assert IN_TRAINING in told
    assert "--on-change restart-affected" in told


def test_weights_remade_after_continue_say_what_changed(begun: ChangingRun) -> None:
    """Old checkpoints measured on other images are no clean result, though it once was one."""
    change_bytes(begun.data)
    begun.finish(*CONTINUE)
    (begun.directory / f"{DONE}_best.pth").unlink()
    begun.finish()
    assert says_digest(begun, DONE)


def test_trained_anew_after_continue_is_clean_again(begun: ChangingRun) -> None:
    """A backbone that restart-affected trains anew carries no mark of its earlier training."""
    change_bytes(begun.data)
    begun.killed(KILLED_AT, *CONTINUE)
    begun.finish("--seed", "1", *RESTART)
    calm = begun.elsewhere("calm")
    calm.finish("--seed", "1")
    assert changed_in(begun, IN_TRAINING) == []
    same_runs(calm.directory, begun.directory)


def test_changed_seed_is_refused_or_trains_everything_anew(begun: ChangingRun) -> None:
    """One option changes every job of the run."""
    told = begun.refused("--seed", "1")
    assert "--seed was 42, now 1. Start it as it was started (cd " in told
    assert f" && holdfast train --data {begun.data} " in told
    told = begun.finish("--seed", "1", *RESTART)
    assert f"{DONE}: trained anew, because --seed was 42, now 1" in told
    calm = begun.elsewhere("calm")
    calm.finish("--seed", "1")
    same_runs(calm.directory, begun.directory)


def test_changed_rate_of_one_backbone_costs_that_backbone_only(begun: ChangingRun) -> None:
    """What is complete and not concerned is left alone; the rest gives a fresh run's bits."""
    done = begun.directory / f"{DONE}_best.pth"
    before = done.stat().st_mtime_ns
    begun.overrule(SLOWER)
    told = begun.refused()
    assert f"{IN_TRAINING}.finetune.learning_rate was 0.001, now 0.0001" in told
    told = begun.finish(*RESTART)
    assert f"{IN_TRAINING}: trained anew" in told
    assert f"{DONE}: trained anew" not in told
    assert done.stat().st_mtime_ns == before
    calm = begun.elsewhere("calm")
    calm.finish()
    same_runs(calm.directory, begun.directory)
