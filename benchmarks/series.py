"""The series: three backbones, 40 epochs with the body frozen, 5 in which all learns.

    python benchmarks/series.py [--data DIR] [--seeds 1,2,3] [--backbones A,B,C]

`holdfast train` against the same schedule in Lightning (benchmarks/peers/series_lightning.py): the
same networks, split, optimizer, schedule and augmentation, early stopping off for both. They take
turns, one seed each. The time is that of the whole process, from its start to its end; decoding
is in it. Prints Markdown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peers.images import find_folder
from peers.report import end_cleanly, installed, machine, markdown, median

HERE = Path(__file__).parent
NEVER = "1000"  # epochs of patience
Results = dict[str, float]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of images; default the leaves, or digits")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument(
        "--backbones", default="CustomConvNeXt,CustomEfficientNetV4,CustomGhostNetV2"
    )
    parser.add_argument("--epochs-head", type=int, default=40)
    parser.add_argument("--epochs-finetune", type=int, default=5)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--workers", type=int, default=2, help="of Lightning's loader")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="one seed, 3 and 1 epochs")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.epochs_head, options.epochs_finetune = "1", 3, 1
    return options


def schedule(options: argparse.Namespace, folder: Path, seed: str) -> list[str]:
    """Return what both command lines have in common."""
    names = ("backbones", "image-size", "epochs-head", "epochs-finetune", "device")
    common = ["--data", str(folder), "--seed", seed, "--patience", NEVER]
    for name in names:
        common += [f"--{name}", str(getattr(options, name.replace("-", "_")))]
    return common


def train_holdfast(options: argparse.Namespace, common: list[str], directory: Path) -> Results:
    """Train with `holdfast train`; return the test accuracy of each backbone."""
    more = ["--size", "tiny", "--folds", "0", "--checkpoint-dir", str(directory)]
    run([sys.executable, "-m", "holdfast", "train", *common, *more], options, directory)
    names = options.backbones.split(",")
    best = {name: torch.load(directory / f"{name}_best.pth", mmap=True) for name in names}
    return {name: file["result"]["accuracy"] for name, file in best.items()}


def train_lightning(options: argparse.Namespace, common: list[str], directory: Path) -> Results:
    """Train with Lightning; return the test accuracy of each backbone."""
    script = str(HERE / "peers" / "series_lightning.py")
    more = [str(directory), "--workers", str(options.workers)]
    run([sys.executable, script, *common, *more], options, directory)
    results: Results = json.loads((directory / "results.json").read_text())
    return results


def run(command: list[str], options: argparse.Namespace, directory: Path) -> None:
    """Run a process to its end; one that fails ends the benchmark, with what it said."""
    log = directory.with_suffix(".log")
    quiet = {"OMP_NUM_THREADS": str(options.threads)}
    with log.open("wb") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **quiet}
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{log.read_text(errors='replace')[-3000:]}")


def spread(values: list[float]) -> str:
    """Return mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


def main() -> None:
    """Print the table."""
    end_cleanly()
    options = parse()
    contenders: dict[str, Callable[[argparse.Namespace, list[str], Path], Results]]
    contenders = {"Holdfast": train_holdfast, "Lightning": train_lightning}
    if not installed("lightning"):
        print("Lightning: absent (lightning is not installed)\n")
        del contenders["Lightning"]
    seconds: dict[str, list[float]] = {title: [] for title in contenders}
    accuracies: dict[str, list[Results]] = {title: [] for title in contenders}
    with tempfile.TemporaryDirectory(prefix="series-") as work:
        folder = find_folder(options.data, Path(work))
        for number, seed in enumerate(options.seeds.split(",")):
            turns = list(contenders.items())
            for title, train in turns if number % 2 == 0 else reversed(turns):
                began = time.monotonic()
                directory = Path(work, f"{title}-{seed}")
                result = train(options, schedule(options, folder, seed), directory)
                accuracies[title].append(result)
                seconds[title].append(time.monotonic() - began)
                shown = f"{title}, seed {seed}: {seconds[title][-1]:.1f} s, {result}"
                print(time.strftime("%H:%M:%S"), shown, file=sys.stderr, flush=True)
    print(table(options.backbones.split(","), seconds, accuracies))
    print(
        f"\n{options.epochs_head} epochs head, {options.epochs_finetune} finetune, tiny, "
        f"{options.image_size} px; seeds {options.seeds}; accuracy on the test part, mean and "
        "standard deviation over the seeds"
    )
    packages = ["lightning", "kornia", "pillow"]
    print(machine(packages, options.threads, options.device))


def table(
    names: list[str], seconds: dict[str, list[float]], accuracies: dict[str, list[Results]]
) -> str:
    """Return times, ratios and accuracies."""
    rows = []
    for title, found in accuracies.items():
        means = [statistics.mean(result.values()) for result in found]
        pairs = zip(seconds[title], seconds["Holdfast"], strict=True)
        rows.append(
            [
                title,
                median(seconds[title]),
                median((own / ours for own, ours in pairs), 2),
                spread(means),
                *(spread([result[name] for result in found]) for name in names),
            ]
        )
    return markdown(["", "time, s", "to Holdfast", "accuracy", *names], rows)


if __name__ == "__main__":
    main()
