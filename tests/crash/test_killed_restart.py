"""``--on-change restart-affected`` killed between its first reset and the record of the new data.

A start that trains everything anew resets one backbone after the other, then records the run as
it is now. Killed for real before each of these effects, or inside a write, whatever command
comes next gives the bits of an undisturbed run on its own data, or refuses.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cli.changing_run import DONE, IN_TRAINING, KILLED_AT, ChangingRun, new_run
from tests.crash.sameness import same_runs
from tests.warm_python import WarmPython

RESTART = ("--on-change", "restart-affected")
SAMPLE = 2  # of about 100; all of them take minutes
ALL = "HOLDFAST_DEEP" in os.environ
_STRIKE = """
import os, signal
from pathlib import Path
from holdfast.storage import disk
home, left, torn = Path({home!r}), {number}, {torn}
log = os.open({log!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def strike(effect):
    global left
    if effect.path.parent != home and effect.path != home:
        return
    os.write(log, f"{{effect.kind}} {{effect.path.name}}\\n".encode())
    if left == 0:
        if torn:
            with effect.path.open("ab") as file:
                file.write(effect.data[:len(effect.data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
watching = disk.watching(strike)
watching.__enter__()
"""
Moment = tuple[int, bool]
"""The effect before which a start is killed, and whether half of its write is done."""


@dataclass(frozen=True)
class Restart:
    """A run that was killed in training, the same command on other data, and undisturbed ends."""

    old: ChangingRun
    new: ChangingRun
    calm_old: Path
    calm_new: Path
    moments: list[Moment]
    """When the restart can be killed before it trains."""

    def killed_at(self, moment: Moment, name: str) -> ChangingRun:
        """Kill a restart in a copy of the run; return the copy, still with the old data."""
        copy = self.old.copied(name)
        child = replace(copy, data=self.new.data).start(*RESTART, prelude=strike(copy, *moment))
        assert child.wait() == -9, child.output
        return copy


def strike(run: ChangingRun, number: int, torn: bool = False) -> str:
    """Return the prelude that notes each effect in the directory, and kills before one."""
    log = str(run.directory.with_suffix(".txt"))
    return _STRIKE.format(home=str(run.directory), number=number, torn=torn, log=log)


@pytest.fixture(scope="module")
def restart(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restart]:
    """The run, its other data, and what undisturbed runs on both give."""
    home = tmp_path_factory.mktemp("restart")
    (home / "other").mkdir()
    with WarmPython() as python:
        old = new_run(python, home, digits_folder)
        new = replace(old, data=new_run(python, home / "other", digits_folder).data)
        first, second = new.data / "zero" / "00.png", new.data / "one" / "00.png"
        first.write_bytes(second.read_bytes())
        calm_old, calm_new = old.elsewhere("calm_old"), new.elsewhere("calm_new")
        calm_old.finish()
        calm_new.finish()
        old.killed(KILLED_AT)
        ends = calm_old.directory, calm_new.directory
        yield Restart(old, new, *ends, _moments(replace(old.copied("noted"), data=new.data)))


def _moments(run: ChangingRun) -> list[Moment]:
    """Let a restart go to its end; return when it could have been killed before it trained."""
    assert run.start(*RESTART, prelude=strike(run, -1)).wait() == 0
    noted = run.directory.with_suffix(".txt").read_text().splitlines()
    trains = next(n for n, line in enumerate(noted) if line.startswith("create .Custom"))
    torn = [(n, True) for n, line in enumerate(noted[:trains]) if line.startswith("write ")]
    return [*((n, False) for n in range(trains)), *torn]


def goes_on(killed: ChangingRun, restart: Restart) -> None:
    """The same command ends with what the new data give."""
    run = replace(killed, data=restart.new.data)
    run.finish(*RESTART)
    same_runs(restart.calm_new, run.directory)


def goes_on_without_the_flag(killed: ChangingRun, restart: Restart) -> None:
    """The command on the new data ends with what they give, or is refused."""
    ends_or_refuses(replace(killed, data=restart.new.data), restart.calm_new)


def goes_back(killed: ChangingRun, restart: Restart) -> None:
    """The command on the old data ends with what those give, or is refused."""
    ends_or_refuses(killed, restart.calm_old)


def ends_or_refuses(run: ChangingRun, calm: Path) -> None:
    """Never a mixture: all results are those of an undisturbed run, or nothing is trained."""
    child = run.start()
    if child.wait() == 0:
        same_runs(calm, run.directory)
        return
    assert child.wait() == 3, child.output
    assert "holds another run: the images have changed" in run.refused()


@pytest.mark.parametrize("then", [goes_on, goes_on_without_the_flag, goes_back])
def test_killed_restart_ends_in_no_mixture(
    then: Callable[[ChangingRun, Restart], None], restart: Restart, tmp_path: Path
) -> None:
    """Results of old and new data never stand side by side as those of one undisturbed run."""
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)  # shown when the test fails
    drawn = restart.moments if ALL else random.Random(seed).sample(restart.moments, SAMPLE)
    for number, torn in drawn:
        print("killed at effect", number, "inside its write" if torn else "")
        name = f"{then.__name__}-{number}-{torn}"
        then(restart.killed_at((number, torn), name), restart)


def test_every_step_of_the_restart_is_among_the_moments(restart: Restart) -> None:
    """Both resets and the plan are there to be killed: the sample is drawn from all of them."""
    noted = restart.old.elsewhere("noted").directory.with_suffix(".txt").read_text()
    before = noted[: noted.index("create .Custom")]
    assert f"unlink {DONE}_best.pth" in before
    assert f"unlink {IN_TRAINING}_finetune_epoch0.pth" in before
    assert before.count("append journal.jsonl") >= 4  # two resets, the plan, the job's start
