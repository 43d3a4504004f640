"""Where the training thread's time goes in an epoch of each stage, now and in an older checkout.

    python benchmarks/epoch_profile.py [--before CHECKOUT] [--data DIR] [--device cpu|cuda]

`holdfast train` as it is, of the tree this file is in and of another, in turn, each time a process
of its own with its display on. In each stage the first epoch is left out; of those after it the
first half is timed, and the second half sampled by py-spy, which slows it down: a figure is the
time of the one, divided as the samples of the other are. Every sample of the main thread counts,
waiting or not, and goes to the first of PHASES that names a function or a file in its stack.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from peers.images import LEAVES
from table import machine, table

OURS = Path(__file__).resolve().parents[1]
BESIDE_PYTHON = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
SAMPLER = shutil.which("py-spy", path=BESIDE_PYTHON) or ""
RATE = 500  # samples a second
HEAD, FINETUNE = "head", "finetune"
MAIN, BESIDE, REST = "MainThread", "beside it: the thread that saves", "the rest"
PHASES: tuple[tuple[str, str], ...] = (
    ("display", r"/cli/display\.py|/rich/"),
    ("metrics (scikit-learn)", r"/sklearn/|validation_metrics \("),
    ("evaluation", r"run_model \(|predict \("),
    ("journal, state files", r"/checkpoint/(ledger|results)\.py|/holdfast/(rundir|status)/"),
    (
        "checkpoint",
        r"/holdfast/(checkpoint|storage)/|/training/saver\.py|TrainState\.(record|judge)",
    ),
    ("batch: indexing, augmentation", r"/training/(batches|randomness)\.py|/holdfast/data/"),
    ("backward", r"/torch/autograd/|Tensor\.backward"),
    ("optimizer, clipping, schedule", r"/torch/optim/|/training/optim\.py|clip_grad"),
    ("`job.step`: means, finiteness", r"Job\.(step|_epoch_ended)"),
    ("forward, loss", r"_forward \(|cross_entropy"),
)
Times = dict[str, dict[str, float]]
"""Milliseconds of an epoch: by stage, then by phase."""


def main() -> None:
    """Print a table; or, as a child, train."""
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:])
        return
    options = parse_arguments()
    if not SAMPLER:
        print("py-spy is not installed (pip install py-spy, or '.[bench]'): nothing is profiled")
        return
    sides = {"now": OURS} | ({"before": options.before} if options.before else {})
    print(f"{options.backbone}, {machine(options.device)}\n", flush=True)
    found: dict[str, list[Times]] = {side: [] for side in sides}
    for turn in range(options.rounds):
        for side in sorted(sides, reverse=turn % 2 == 1):
            found[side].append(profile(sides[side], options))
            print(f"{side}: {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print(report({side: mean(times) for side, times in sorted(found.items())}))
    epochs = f"{options.head} epochs of head and {options.finetune} of finetune timed"
    print(f"Means of {options.rounds} rounds; {epochs}, as many sampled.\n")


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` makes it short."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    leaves = LEAVES if LEAVES.is_dir() else None
    parser.add_argument("--before", type=Path, help="a checkout of an older commit, to compare")
    parser.add_argument("--data", default=leaves, help="images, at 96 px (else the digits, at 32)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="CustomConvNeXt")
    parser.add_argument("--head", type=int, default=40, help="epochs timed, and sampled")
    parser.add_argument("--finetune", type=int, default=5, help="epochs timed, and sampled")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of few epochs")
    options = parser.parse_args()
    if options.quick:
        options.head, options.finetune, options.rounds = 5, 1, 1
    return options


def profile(checkout: Path, options: argparse.Namespace) -> Times:
    """Train with the package of a checkout, and return where its time went."""
    epochs = {HEAD: options.head, FINETUNE: options.finetune}
    with tempfile.TemporaryDirectory() as work:
        asked = {
            "checkpoint-dir": f"{work}/run",
            "backbones": options.backbone,
            "device": options.device,
            **{f"epochs-{stage}": str(1 + 2 * count) for stage, count in epochs.items()},
            "folds": "0",
            "patience": "999",
            "size": "tiny",
            "batch-size": "32",
            **({"data": str(options.data), "image-size": "96"} if options.data else {}),
        }
        flags = [text for name, value in asked.items() for text in (f"--{name}", value)]
        command = [sys.executable, "-W", "ignore", __file__, "--child", work, json.dumps(epochs)]
        terminal = {"FORCE_COLOR": "1", "PYTHONPATH": str(checkout / "src")}
        with Path(work, "shown").open("wb") as shown:
            done = subprocess.run(
                [*command, "train", *flags],
                stdout=shown,
                stderr=subprocess.STDOUT,
                env={**os.environ, **terminal},
            )
        if done.returncode:
            raise SystemExit(f"{checkout}: {Path(work, 'shown').read_text()[-2000:]}")
        return {stage: divide(Path(work), stage) for stage in epochs}


def child(work: Path, epochs: dict[str, int], arguments: list[str]) -> None:
    """Be `holdfast train`, with a watch on the ends of epochs."""
    import holdfast  # the one of PYTHONPATH
    from holdfast.__main__ import main as holdfast_main
    from holdfast.training.stage import Stage

    expected = Path(os.environ["PYTHONPATH"])
    assert Path(holdfast.__file__).is_relative_to(expected), f"{holdfast.__file__} is imported"
    watch, end_epoch = Watch(work, epochs), Stage.end_epoch

    def watched(self: Stage, **metrics: float) -> None:
        end_epoch(self, **metrics)
        watch.epoch_ended(self.name)

    Stage.end_epoch = watched
    sys.argv = ["holdfast", *arguments]
    holdfast_main()


class Watch:
    """Times the first half of a stage's epochs but the first, and lets the others be sampled."""

    def __init__(self, work: Path, epochs: dict[str, int]) -> None:
        self._work, self._epochs = work, epochs
        self._ended: Counter[str] = Counter()
        self._began = 0.0
        self._sampler: subprocess.Popen[str] | None = None

    def epoch_ended(self, stage: str) -> None:
        """Begin or end what is due now."""
        self._ended[stage] += 1
        number, count = self._ended[stage], self._epochs[stage]
        if number == 1:
            self._began = time.perf_counter()
        elif number == 1 + count:
            seconds = (time.perf_counter() - self._began) / count
            (self._work / f"{stage}.seconds").write_text(str(seconds))
            self._sample(self._work / f"{stage}.samples")
        elif number == 1 + 2 * count:
            assert self._sampler is not None
            self._sampler.send_signal(signal.SIGINT)
            self._sampler.communicate()

    def _sample(self, file: Path) -> None:
        """Start py-spy on this process; returns when it samples."""
        if sys.platform == "linux":  # where only a parent may look into a process, allow all
            ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))
        command = [SAMPLER, "record", "--pid", str(os.getpid()), "--rate", str(RATE)]
        command += ["--format", "raw", "--threads", "--idle", "--function", "--full-filenames"]
        self._sampler = subprocess.Popen(
            [*command, "--output", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._sampler.stdout is not None
        said = self._sampler.stdout.readline()
        if "Sampling" not in said:
            raise SystemExit(f"py-spy: {said} {self._sampler.communicate()[0]}")


def divide(work: Path, stage: str) -> dict[str, float]:
    """Return the milliseconds of a stage's epoch by phase."""
    samples: Counter[str] = Counter()
    for line in (work / f"{stage}.samples").read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        if title := phase_of(stack):
            samples[title] += int(count)
    in_main = samples.total() - samples[BESIDE]
    epoch = 1000 * float((work / f"{stage}.seconds").read_text())
    return {title: epoch * count / in_main for title, count in samples.items()}


def phase_of(stack: str) -> str | None:
    """Return the row that a sample belongs in; None for threads that are not Holdfast's."""
    if not re.match(rf"thread \(\w+\): {MAIN};", stack):
        return BESIDE if "/holdfast/" in stack else None
    return next((title for title, sign in PHASES if re.search(sign, stack)), REST)


def mean(rounds: list[Times]) -> Times:
    """Return the means over the rounds."""
    titles = [*(title for title, _ in PHASES), REST, BESIDE]
    return {
        stage: {t: sum(r[stage].get(t, 0.0) for r in rounds) / len(rounds) for t in titles}
        for stage in (HEAD, FINETUNE)
    }


def report(times: dict[str, Times]) -> str:
    """Return the table: a column for each stage and side."""
    columns = [(stage, side) for stage in (HEAD, FINETUNE) for side in times]
    head = ["ms of an epoch", *(f"{stage}, {side}" for stage, side in columns)]
    inside = [*(title for title, _ in PHASES[::-1]), REST]
    whole = [sum(times[side][stage][title] for title in inside) for stage, side in columns]

    def row(title: str) -> list[str]:
        spent = [times[side][stage][title] for stage, side in columns]
        return [title, *(cell(ms, all_) for ms, all_ in zip(spent, whole, strict=True))]

    total = ["**all**", *(f"**{ms:,.0f}**" for ms in whole)]
    return table(head, [*map(row, inside), total, row(BESIDE)])


def cell(spent: float, whole: float) -> str:
    """Return milliseconds and their share."""
    return f"{spent:,.1f} ({spent / whole:.1%})"


if __name__ == "__main__":
    main()
