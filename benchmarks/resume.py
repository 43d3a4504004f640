"""How soon a resumed training makes its first new step, against a cold start of the same command.

    python benchmarks/resume.py [--device cpu|cuda] [--rounds 5] [--quick] [--imports]

A run of `holdfast train` is ended by SIGKILL inside its second finetune epoch. Then, in turn: a
copy of its directory is started again, and an empty directory with nothing but the decoded images
(without them a cold start would decode, and be slower). From the start of the process to the return
of the first `job.step()`; both steps are of the finetune stage. All files are in the page cache.

``--imports`` adds what the imports of the start take, by package (`python -X importtime`).
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from table import machine, spread, table

TARGET = 1.05
HEAVIEST = 14
CASES: dict[str, dict[str, Any]] = {
    "tiny": {"save_interval": 0.1},
    "full": {"size": "full", "image_size": 224, "batch_size": 4, "save_interval": 1.0},
}


def main() -> None:
    """Print the table; or, as a child, train to the moment that is asked for."""
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
        return
    options = parse_arguments()
    print(f"{options.backbone}, {machine(options.device)}\n", flush=True)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        rows = [row(case, options, Path(directory) / case) for case in options.sizes.split(",")]
        print(table(["size", "checkpoint, MB", "cold start, s", "resumed, s", "ratio"], rows))
        print(f"Medians of {options.rounds} rounds, (least to most). To reach: {TARGET}.\n")
        if options.imports:
            print(imports(Path(directory) / options.sizes.split(",")[0]))


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` makes it short."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="CustomConvNeXt")
    parser.add_argument("--sizes", default="tiny,full")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="where the checkpoints go (default: TMPDIR)")
    parser.add_argument("--imports", action="store_true", help="tell which imports weigh most")
    parser.add_argument("--quick", action="store_true", help="tiny size, one round")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds = "tiny", 1
    return options


def row(case: str, options: argparse.Namespace, work: Path) -> list[str]:
    """Kill a run, then start copies of it and empty ones in turn."""
    work.mkdir()
    write_settings(work / "settings.toml", case, options, work)
    start(work, work / "killed", "saved")
    size = max(path.stat().st_size for path in (work / "killed").glob("*_step*.pth")) / 1e6
    times: dict[str, list[float]] = {"cold": [], "resumed": []}
    for number in range(options.rounds + 1):
        for kind in times:
            seconds = first_step(work, kind)
            print(f"{case}, {kind}: {seconds:.2f} s", file=sys.stderr, flush=True)
            if number:  # the first round fills the page cache
                times[kind].append(seconds)
    ratios = [warm / cold for warm, cold in zip(times["resumed"], times["cold"], strict=True)]
    medians = [f"{statistics.median(times[kind]):.2f}" for kind in times]
    return [case, f"{size:.0f}", *medians, spread(ratios)]


def write_settings(file: Path, case: str, options: argparse.Namespace, work: Path) -> None:
    """Write what both starts are started with."""
    settings = {**CASES[case], "backbones": [options.backbone], "device": options.device}
    settings |= {"epochs_head": 0, "epochs_finetune": 3, "folds": 0}
    if case == "full":
        settings |= {"data": str(make_images(work / "images")), "preset": "full"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    file.write_text("\n".join(lines))


def make_images(folder: Path) -> Path:
    """Make a few images, so that an epoch of the full size has eight steps."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / f"class{number % 4}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def first_step(work: Path, kind: str) -> float:
    """Return the seconds from the start of a process to its first new step."""
    place, killed = work / "run", work / "killed"
    if kind == "resumed":
        shutil.copytree(killed, place)
    else:
        shutil.copytree(killed / "image_cache", place / "image_cache")
    os.sync()  # what was copied is not written while the start is timed
    began = time.time()
    stamp = start(work, place, "first")
    shutil.rmtree(place)
    assert (stamp["epoch"] > 0) == (kind == "resumed"), f"{kind} began at {stamp}"
    return float(stamp["time"] - began)


def start(work: Path, place: Path, until: str, python: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run the command of both starts until it kills itself; return the stamp of its step."""
    stamp = work / "stamp.json"
    stamp.unlink(missing_ok=True)
    command = [sys.executable, *python, __file__, "--child", str(stamp), until]
    command += ["train", "--config", str(work / "settings.toml"), "--checkpoint-dir", str(place)]
    with (work / "output.txt").open("w") as output:
        code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    if code != -signal.SIGKILL:
        raise SystemExit(f"exit code {code}: {(work / 'output.txt').read_text()[-2000:]}")
    found: dict[str, Any] = json.loads(stamp.read_text())
    return found


def child(stamp: Path, until: str, arguments: list[str]) -> None:
    """Be the `holdfast` command, up to the step that is asked for; then die."""
    from holdfast.cli import train as command

    verify_ahead = command.verify_ahead

    def and_then(directory: Path) -> None:
        verify_ahead(directory)  # the last that the command does before it loads torch
        die_in_step(stamp, until)

    command.verify_ahead = and_then
    sys.argv = ["holdfast", *arguments]

    from holdfast.__main__ import main as holdfast

    holdfast()


def die_in_step(stamp: Path, until: str) -> None:
    """Let the process end in the step that is asked for, and leave a stamp of it."""
    from holdfast.training import Job

    step = Job.step

    def stamped(self: Job, **options: Any) -> None:
        step(self, **options)
        at, saved = self.state.position, self.saved
        inside = saved is not None and saved.epoch > 0 and 0 < saved.step < at.step
        if until == "first" or inside:
            stamp.write_text(json.dumps({"time": time.time(), "epoch": at.epoch, "step": at.step}))
            os.kill(os.getpid(), signal.SIGKILL)

    Job.step = stamped


def imports(work: Path) -> str:
    """Return what the imports of a resumed start take, by package, the heaviest first."""
    shutil.copytree(work / "killed", work / "run")
    start(work, work / "run", "first", ("-X", "importtime"))
    own: Counter[str] = Counter()
    for line in (work / "output.txt").read_text().splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            own[group(parts[2].strip())] += int(parts[0])
    rows = [[name, f"{own[name] / 1000:,.0f}"] for name, _ in own.most_common(HEAVIEST)]
    total = f"All imports: {own.total() / 1e6:.2f} s, with the clock of importtime on.\n"
    return f"{table(['imports of', 'own time, ms'], rows)}\n{total}"


def group(module: str) -> str:
    """Return the package of a module; of the large ones, the part of it."""
    parts = module.split(".")
    large = parts[0] in ("torch", "scipy", "sklearn", "kornia")
    return ".".join(parts[: 2 if large else 1])


if __name__ == "__main__":
    main()
