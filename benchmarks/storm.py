"""Goodput in a crash storm: SIGKILL every 20 s or so, restarted at once, until training is done.

    python benchmarks/storm.py [--data DIR] [--minutes 3] [--mean 20] [--augment drawn]

Holdfast, Lightning and HF Trainer train the same network on the same decoded images for the same
number of steps (benchmarks/peers/storm_*.py), first undisturbed, then in the storm. The kills come
at exponential intervals, the same ones for each; the loops take turns, one life each, so that what
else the machine does falls on all. A loop that dies by itself gets its newest checkpoint deleted,
as a person would do, in no time; that is counted. Prints Markdown.
"""

import argparse
import itertools
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peers.images import decode_all, find_folder
from peers.report import end_cleanly, installed, machine, markdown, median
from peers.storm_task import BATCH_SIZE, TrainingImages, make_model, make_optimizer
from peers.storm_trial import Contender, Trial, note
from peers.verdict import same_bits

DECODED_SIDE = 110  # images are cropped from it
FOREVER = 24 * 3600.0


CONTENDERS = (
    Contender("holdfast", "Holdfast", "torch", "leaves_*.pth"),
    Contender("lightning", "Lightning", "lightning", "*.ckpt"),
    Contender("hf_trainer", "HF Trainer", "transformers", "checkpoint-*"),
)


@dataclass
class Row:
    """What a contender came to, over all rounds."""

    calm: list[Trial] = field(default_factory=list)
    stormy: list[Trial] = field(default_factory=list)

    def cells(self, title: str) -> list[str]:
        """Return its line of the table."""
        pairs = [(c, s) for c, s in zip(self.calm, self.stormy, strict=True) if c.done and s.done]
        kills = sum(trial.kills for trial in self.stormy)
        lost = [count * step_seconds(calm) for calm, trial in pairs for count in trial.lost]
        starts = [life.startup for t in self.stormy for life in t.lives if life.first is not None]
        return [
            title,
            median(calm.seconds for calm in self.calm),
            median(storm.seconds for storm in self.stormy),
            median((s.seconds / c.seconds for c, s in pairs), 2) if pairs else "not finished",
            str(kills),
            f"{statistics.mean(lost):.2f} s, at most {max(lost):.2f}" if lost else "-",
            median(starts and [statistics.median(starts)]),
            str(sum(trial.died for trial in self.stormy)),
            str(sum(trial.hands for trial in self.stormy)),
            "; ".join(sorted({bits(calm, storm) for calm, storm in pairs})) or "-",
        ]


HEADER = [
    "",
    "undisturbed, s",
    "in the storm, s",
    "ratio",
    "kills",
    "work lost per kill",
    "start-up, s",
    "died by itself",
    "hands",
    "final weights",
]


def step_seconds(calm: Trial) -> float:
    """Return the time of a step in the undisturbed run, saving included."""
    life = calm.lives[-1]
    return life.trained / max(life.last - (life.first or 0), 1)


def bits(calm: Trial, storm: Trial) -> str:
    """Say whether the final weights are those of the undisturbed run."""
    one, other = (torch.load(trial.folder / "weights.pt") for trial in (calm, storm))
    return "same bits" if same_bits(one, other) else "other bits"


def intervals(mean: float, seed: int) -> Iterator[float]:
    """Yield the seconds from each kill to the next; the same for a seed."""
    draw = random.Random(seed)
    return (draw.expovariate(1 / mean) for _ in itertools.count())


def measure_step(file: Path, options: argparse.Namespace) -> tuple[int, float]:
    """Return the steps of an epoch, and about how long a step takes."""
    data = TrainingImages(str(file))
    model = make_model(options.backbone, data.classes).to(options.device)
    optimizer = make_optimizer(model)
    times = []
    for _ in range(8):
        began = time.perf_counter()
        items = [data[index] for index in range(BATCH_SIZE)]
        images, labels = (torch.stack(part).to(options.device) for part in zip(*items, strict=True))
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - began + 0 * float(labels.sum()))
    return data.steps, statistics.median(times)


def choose(options: argparse.Namespace, steps: int, seconds: float) -> tuple[int, int]:
    """Return epochs for so many minutes, and the divisor of an epoch nearest to the interval."""
    epochs = options.epochs or math.ceil(options.minutes * 60 / (steps * seconds))
    divisors = [count for count in range(1, steps + 1) if steps % count == 0]
    wanted = options.save_seconds / seconds
    return epochs, min(divisors, key=lambda count: abs(math.log(count / wanted)))


def storm(trials: list[Trial], mean: float, seed: int) -> None:
    """Kill all of them at the same intervals, in turn, until each is done."""
    for number, interval in enumerate(intervals(mean, seed), 1):
        still = [trial for trial in trials if not trial.done and not trial.given_up]
        if not still:
            return
        note(f"interval {number}: {interval:.1f} s, {', '.join(t.contender.key for t in still)}")
        for trial in still:
            trial.live(interval)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of images; default the leaves, or digits")
    parser.add_argument("--peers", default="lightning,hf_trainer")
    parser.add_argument("--minutes", type=float, default=3.2, help="undisturbed")
    parser.add_argument("--epochs", type=int, help="instead of --minutes")
    parser.add_argument("--mean", type=float, default=20.0, help="seconds between kills")
    parser.add_argument("--rounds", type=int, default=1, help="each with kill times of its own")
    parser.add_argument("--seed", type=int, default=1, help="of the first round's kill times")
    parser.add_argument("--save-seconds", type=float, default=2.0, help="the peers' interval")
    parser.add_argument("--augment", choices=["fixed", "drawn"], default="drawn")
    parser.add_argument("--backbone", default="CustomResNetMish")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="20 s, kills every 8 s")
    options = parser.parse_args()
    if options.quick:
        options.minutes, options.mean = 1 / 3, 8.0
    return options


def main() -> None:
    """Print the table."""
    end_cleanly()
    options = parse()
    torch.set_num_threads(options.threads)
    wanted = ("holdfast", *options.peers.split(","))
    contenders = [c for c in CONTENDERS if c.key in wanted and installed(c.package)]
    for contender in CONTENDERS:
        if contender not in contenders:
            print(f"{contender.title}: absent ({contender.package} not installed, or not asked)\n")
    with tempfile.TemporaryDirectory(prefix="storm-") as work:
        file = Path(work, "images.pt")
        folder = find_folder(options.data, Path(work))
        torch.save(decode_all(folder, DECODED_SIDE), file)
        steps, seconds = measure_step(file, options)
        epochs, every = choose(options, steps, seconds)
        note(f"{epochs} epochs of {steps} steps of {seconds:.3f} s; peers save each {every} steps")
        arguments = ["--images", str(file), "--epochs", str(epochs), "--save-every", str(every)]
        arguments += ["--augment", options.augment, "--backbone", options.backbone]
        arguments += ["--device", options.device]
        rows = {contender: Row() for contender in contenders}

        def enter(contender: Contender, name: str) -> Trial:
            home = Path(work, contender.key, name)
            home.mkdir(parents=True)
            return Trial(contender, home, arguments, options.threads)

        for number in range(options.rounds):
            for contender, row in rows.items():
                row.calm.append(enter(contender, f"calm{number}"))
                row.calm[-1].live(FOREVER)
                note(f"{contender.title}: undisturbed {row.calm[-1].seconds:.1f} s")
                row.stormy.append(enter(contender, f"storm{number}"))
                row.stormy[-1].given_up = row.calm[-1].given_up
            storm([row.stormy[-1] for row in rows.values()], options.mean, options.seed + number)
        print(markdown(HEADER, (row.cells(c.title) for c, row in rows.items())))
    print(
        f"\n{options.backbone} tiny, {epochs} epochs of {steps} steps of {BATCH_SIZE} images; "
        f"kills every {options.mean:g} s on average, seed {options.seed}, {options.rounds} rounds; "
        f"augmentation {options.augment}; the peers save each {every} steps and at each epoch's end"
    )
    packages = [contender.package for contender in contenders[1:]]
    print(machine([*packages, "accelerate"], options.threads, options.device))


if __name__ == "__main__":
    main()
