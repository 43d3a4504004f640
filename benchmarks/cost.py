"""What recovery costs in all: training with checkpoints against the same training without any.

    python benchmarks/cost.py [--device cpu|cuda] [--pairs 3] [--data DIR] [--quick]

Three sizes: *demo* is the built-in demonstration, with epochs of half a second; *tiny* the leaves
(or the digits as files) at 96 px; *full* 100 steps of 4 images at 224 px in an epoch.

Each figure is of a process of its own; a pair is one with and one without, in turn, from the same
directory of decoded images. "With" is what `holdfast train` does: each epoch's end is saved, the
interval inside epochs tunes itself by `--overhead`. "Without" is the same
code with a saver that writes nothing: no checkpoint, no digest of what is frozen; journal and
result are written all the same, for those are the training's own.

- *wall*: from the first line of the series to its last, without Python's start and the imports.
- *inside*: the same less the checkpoints that a stage's beginning and end wait for. Those are a
  cost per stage, not per hour; a stage here has seconds, a real one hours.
- *CPU*: user and system time; steadier than wall time where a machine is busy.
- *memory*: peak resident memory of the process.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peers.images import find_folder
from table import machine, spread, table

from holdfast.config import resolve
from holdfast.pipeline import Display, run_series
from holdfast.pipeline.material import open_source, prepare_material
from holdfast.rundir import IMAGE_CACHE
from holdfast.training import StopRequest
from holdfast.training.saver import Saver

Figures = dict[str, float]
RATIOS = ("wall", "inside", "CPU", "memory")
TARGET = 1.01


def main() -> None:
    """Print a table; or, as a child, train and print figures."""
    options = parse_arguments()
    if options.child:
        print(json.dumps(train(json.loads(options.child))))
        return
    print(f"{options.backbone}, {machine(options.device)}\n", flush=True)
    rows = [row(size, options) for size in options.sizes.split(",")]
    head = ["size", "seconds without", "saves", *(f"{name}, with / without" for name in RATIOS)]
    print(table([*head, "s per stage"], rows))
    print(f"Medians of {options.pairs} pairs, (least to most). To reach: {TARGET}.\n")


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` makes it short."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="CustomConvNeXt")
    parser.add_argument("--sizes", default="demo,tiny,full")
    parser.add_argument("--data", type=Path, help="images for the tiny size; default the leaves")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--directory", help="where the checkpoints go (default: TMPDIR)")
    parser.add_argument("--quick", action="store_true", help="one short pair")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.sizes = 1, "demo"
    return options


def settings_of(size: str, options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Return what is trained at a size."""
    common = {"backbones": options.backbone, "device": options.device, "folds": 0, "patience": 99}
    if size == "full":
        epochs = {"epochs_head": 0, "epochs_finetune": 2}
        return {**common, **epochs, "size": "full", "image_size": 224, "batch_size": 4}
    if size == "demo":
        return {**common, "epochs_head": 2, "epochs_finetune": 1 if options.quick else 10}
    folder, epochs = str(find_folder(options.data, work)), {"epochs_head": 10, "epochs_finetune": 6}
    return {**common, **epochs, "data": folder, "size": "tiny", "image_size": 96, "batch_size": 32}


def row(size: str, options: argparse.Namespace) -> list[str]:
    """Run the pairs of one size and return its row."""
    steps = 100 if size == "full" else None
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        work = Path(directory)
        settings = settings_of(size, options, work)
        decode({**settings, "checkpoint_dir": str(work / "images")}, steps)
        pairs = []
        for number in range(options.pairs):
            order = (True, False) if number % 2 == 0 else (False, True)
            run = {saving: child(work, settings, steps, saving) for saving in order}
            pairs.append((run[True], run[False]))
            print(f"{size}: pair {number + 1} of {options.pairs}", file=sys.stderr, flush=True)
    with_, without = zip(*pairs, strict=True)
    ratios = [spread([a[name] / b[name] for a, b in pairs]) for name in RATIOS]
    seconds = statistics.median(figures["wall"] for figures in without)
    saves = statistics.median(figures["saves"] for figures in with_)
    fixed = statistics.median(figures["fixed"] / figures["stages"] for figures in with_)
    return [size, f"{seconds:.1f}", f"{saves:.0f}", *ratios, f"{fixed:.2f}"]


def decode(settings: dict[str, Any], steps: int | None) -> None:
    """Decode the images once, for all."""
    config = resolve(settings)
    prepare_material(config, open_source(config, steps), lambda *_: None, lambda: None)


def child(work: Path, settings: dict[str, Any], steps: int | None, saving: bool) -> Figures:
    """Train in a process of its own and return its figures."""
    place = work / "run"
    place.mkdir()
    shutil.copytree(work / "images" / IMAGE_CACHE, place / IMAGE_CACHE)
    asked = {"settings": {**settings, "checkpoint_dir": str(place)}, "steps": steps}
    asked["saving"] = saving
    command = [sys.executable, "-W", "ignore", __file__, "--child", json.dumps(asked)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    shutil.rmtree(place)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def train(asked: dict[str, Any]) -> Figures:
    """Train a series, with checkpoints or without, and return what it took."""
    counts = count_saves() if asked["saving"] else save_nothing()
    config, stop = resolve(asked["settings"]), StopRequest(lambda _: None)
    wall, processor = time.perf_counter(), time.process_time()
    code = run_series(config, Display(), stop, steps=asked["steps"])
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    assert code == 0, f"the series ended with {code}"
    wall = time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured = {"wall": wall, "inside": wall - counts["fixed"], "memory": float(peak)}
    stages = float(len(config.stages))
    return {**counts, **measured, "CPU": time.process_time() - processor, "stages": stages}


def count_saves() -> Figures:
    """Count the checkpoints, and the seconds of those that training waits for."""
    counts = {"saves": 0.0, "fixed": 0.0}
    write, save = Saver._write, Saver.save

    def counted(self: Saver, *arguments: Any) -> float:
        counts["saves"] += 1
        return write(self, *arguments)

    def timed(self: Saver) -> None:
        began = time.perf_counter()
        save(self)
        counts["fixed"] += time.perf_counter() - began

    Saver._write, Saver.save = counted, timed
    return counts


def save_nothing() -> Figures:
    """Put in the place of the saver one that never writes; what asks it is none the wiser."""

    def saved(self: Saver) -> None:
        self.saved = self._state.position

    Saver.is_due = lambda self, **_: False
    Saver.save, Saver.hold_still = saved, lambda *_: None
    return {"saves": 0.0, "fixed": 0.0}


if __name__ == "__main__":
    main()
