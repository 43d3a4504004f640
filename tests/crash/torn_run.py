"""The real run that the corruption sweep injures: finished, stopped in the middle, another's."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.crash.tiny_run import _SETTINGS, TWO_BACKBONES, TinyRun
from tests.digits import write_digits
from tests.warm_python import WarmPython

FINISHED, STOPPED, NEARLY = "finished", "stopped", "nearly"
_MOMENTS = {  # a start of the run as a kill before this file's renaming leaves it
    STOPPED: "CustomResNetMish_finetune_epoch1_step3.pth",
    NEARLY: "CustomResNetMish_fold2_finetune_epoch1_step3.pth",
}
_KEEP_MOMENTS = """
import shutil
from pathlib import Path
from holdfast.storage import disk
moments, home = {moments!r}, Path({home!r})
def keep(effect):
    for name, moment in moments.items():
        if effect.kind == disk.RENAME and effect.target.name == moment:
            shutil.copytree(effect.target.parent, home / name)
watching = disk.watching(keep)
watching.__enter__()
"""
_WRITTEN_IN_PLACE = (".jsonl", ".lock")  # the rest is replaced, never written into


@dataclass(frozen=True)
class TornRun:
    """Directories of one real run, and the means to start it again in a copy of one."""

    tiny: TinyRun
    home: Path

    @property
    def other(self) -> Path:
        """Another run: the same settings, but for the seed."""
        return self.home / "other"

    def copy(self, state: str, target: Path) -> Path:
        """Put a copy of the run there; a file that is only ever replaced is a link."""
        shutil.copytree(self.home / state, target, copy_function=link_or_copy)
        return target


def link_or_copy(source: str, target: str) -> None:
    """Stand in for shutil.copy2."""
    if source.endswith(_WRITTEN_IN_PLACE):
        shutil.copy2(source, target)
    else:
        os.link(source, target)


@contextmanager
def torn_run(home: Path) -> Iterator[TornRun]:
    """Train the run, keeping its moments, and another one; in all some twelve seconds."""
    data = write_digits(home / "data")
    settings = _SETTINGS.format(backbones=",".join(TWO_BACKBONES), epochs=2)
    with WarmPython() as python:
        tiny = TinyRun(python, home, data, home / FINISHED, 0.0, ())
        prelude = _KEEP_MOMENTS.format(moments=_MOMENTS, home=str(home))
        _train(tiny, settings, tiny.calm, prelude)
        _train(replace(tiny, home=home / "seven"), f"{settings}seed = 7\n", home / "other")
        yield TornRun(tiny, home)


def _train(tiny: TinyRun, settings: str, directory: Path, prelude: str = "") -> None:
    tiny.home.mkdir(exist_ok=True)
    (tiny.home / "tiny.toml").write_text(settings)
    child = tiny.start(directory, prelude)
    assert child.wait() == 0, child.output
