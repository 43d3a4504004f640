"""A small finished run, trained once for all tests that use one."""

import shutil
from pathlib import Path

from holdfast.config import resolve
from holdfast.pipeline import Display, run_series
from holdfast.rundir import Started
from holdfast.training import StopRequest

FIRST, SECOND, LATER = "CustomResNetMish", "CustomMobileOne", "CustomRegNet"


def train_run(data: Path, directory: Path) -> Path:
    """Train two tiny backbones, one of them on two folds, and leave a third for later."""
    asked = {
        "data": str(data),
        "preset": "demo",
        "size": "tiny",
        "checkpoint_dir": str(directory),
        "epochs_head": 1,
        "epochs_finetune": 2,
        "folds": 2,
        "fold_backbones": FIRST,
        "threads": 1,
        "batch_size": 8,
    }
    config = resolve({**asked, "backbones": f"{FIRST},{SECOND}"})
    started = Started(["--data", str(data), "--preset", "demo"], str(data.parent), str(directory))
    assert run_series(config, Display(), StopRequest(), started) == 0
    return directory


def copy_of(run: Path, target: Path) -> Path:
    """Return a copy of a run, for whoever is to injure it."""
    shutil.copytree(run, target)
    return target
