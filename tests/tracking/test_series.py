"""`holdfast train --track tensorboard --notify …` itself: killed, reset, stalled."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.rundir import Journal, last_start
from tests.digits import write_digits
from tests.tracking.events import scalars
from tests.tracking.hook_server import SECRET, Hook, hook_server
from tests.tracking.journals import QUANTITIES, single
from tests.warm_python import Child, WarmPython, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks and kills as POSIX has them")

NETS = ("CustomRegNet", "CustomResNetMish")
SETTINGS = f"""
backbones = "{",".join(NETS)}"
size = "tiny"
image_size = 32
batch_size = 16
epochs_head = 1
epochs_finetune = 2
folds = 0
threads = 1
save_interval = 0.0
"""
SCRIPT = """
{prelude}
import sys
from holdfast.__main__ import main
sys.argv = {argv!r}
main()
"""
BLOCKED = """
from holdfast.data import ImageSet
real = ImageSet.__getitems__
def blocked(self, indices):
    ImageSet.__getitems__ = real
    open({pipe!r}).read()
    return real(self, indices)
ImageSet.__getitems__ = blocked
"""


@dataclass
class Series:
    """The series in one directory, in processes that start at once."""

    python: WarmPython
    home: Path
    hook: Hook

    @property
    def run(self) -> Path:
        """The checkpoint directory."""
        return self.home / "run"

    def train(self, *more: str, settings: str = "settings.toml", prelude: str = "") -> Child:
        """Start it, or go on with it."""
        given = ["--config", settings, "--data", "digits", "--checkpoint-dir", "run"]
        given += ["--track", "tensorboard", "--notify", self.hook.address, *more]
        return self.do("train", *given, prelude=prelude)

    def do(self, *arguments: str, prelude: str = "") -> Child:
        """Start any command."""
        code = SCRIPT.format(prelude=prelude, argv=["holdfast", *arguments])
        return self.python.start(code, self.home)

    def shows(self, job: str) -> bool:
        """Tell whether the event files of a job have what the journal has, each step once."""
        stages = {"head": 0, "finetune": 1}
        records = Journal(self.run).read()
        epochs = [r for r in records if r["event"] == "epoch" and r["job"] == job]
        wanted = {
            (QUANTITIES[key], stages[r["stage"]] + r["epoch"]): single(value)
            for r in epochs
            for key, value in r.items()
            if key in QUANTITIES
        }
        tags = set(QUANTITIES.values())
        found = scalars(self.run / "tensorboard" / job)
        results = {key: value for key, value in found.items() if key[0].startswith("test/")}
        curves = {key: value for key, value in found.items() if key[0] in tags}
        return bool(results) and len(epochs) == 3 and curves == wanted


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Series]:
    home = tmp_path_factory.mktemp("series")
    write_digits(home / "digits")
    (home / "settings.toml").write_text(SETTINGS)
    with WarmPython() as python, hook_server() as hook:
        yield Series(python, home, hook)


def epochs_in(run: Path) -> int:
    return sum(record["event"] == "epoch" for record in Journal(run).read())


def test_killed_and_reset_series_is_followed_to_the_end(series: Series) -> None:
    """Killed where it may be, each step is there once; trained anew, the old curves are gone.

    Only the end is told to people, and whom to tell stands in no file and in no output.
    """
    chance, outputs, already = random.Random(3), [], len(series.hook.titles)
    for kills in range(1, 6):
        child = series.train()
        wait_until(lambda kills=kills: epochs_in(series.run) >= kills, child)
        time.sleep(chance.uniform(0.0, 0.5))
        child.kill()
        outputs.append(child.output)
    child = series.train()
    assert child.wait() == 0, child.output
    outputs.append(child.output)
    assert all(series.shows(job) for job in NETS)
    assert series.hook.titles[already:] == ["Holdfast finished"]
    before = [path.name for path in (series.run / "tensorboard" / NETS[0]).iterdir()]

    assert series.do("reset", "--backbone", NETS[0], "--yes", "--checkpoint-dir", "run").wait() == 0
    child = series.train()
    assert child.wait() == 0, child.output
    outputs.append(child.output)
    assert series.shows(NETS[0]) and series.shows(NETS[1])
    assert [path.name for path in (series.run / "tensorboard" / NETS[0]).iterdir()] > before

    files = [path for path in series.run.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in "".join(outputs)
    started = last_start(series.run)
    assert started is not None and started.notifies
    assert "tensorboard" in started.command and "--notify" not in started.command


def test_stall_is_told_and_so_is_that_it_goes_on(series: Series) -> None:
    """A data set that blocks on a pipe: a message after `stall_after`, one more when it moves."""
    pipe, already = series.home / "pipe", len(series.hook.titles)
    os.mkfifo(pipe)
    (series.home / "impatient.toml").write_text(SETTINGS + "stall_after = 3.0\n")
    block = BLOCKED.format(pipe=str(pipe))
    child = series.train("--checkpoint-dir", "stalled", settings="impatient.toml", prelude=block)
    wait_until(lambda: len(series.hook.titles) > already, child)
    pipe.write_text("")
    assert child.wait() == 0, child.output
    told = series.hook.titles[already:]
    assert told[:2] == ["Holdfast stalled", "Holdfast continues"]
    assert told[-1] == "Holdfast finished"
    assert "No step for" in series.hook.told[already]["message"]
