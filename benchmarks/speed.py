"""Images a second: our loop, a minimal one written by hand, and the usual ones on a folder.

    python benchmarks/speed.py [--data DIR] [--rounds 5] [--backbone CustomResNetMish]

Every loop (benchmarks/peers/speed_*.py) is a process of its own; they take turns, a few epochs
each, again and again. The first epoch of a turn is not counted. Ours and the minimal one train on
the same cached tensors; Lightning and HF Trainer decode the files, as their users' loops do. The
ratios are medians of the ratios within a round. Prints Markdown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from peers.images import find_folder
from peers.report import end_cleanly, installed, machine, markdown, median
from peers.speed_task import ANSWER

HERE = Path(__file__).parent


@dataclass
class Loop:
    """A process that trains when it is asked to."""

    title: str
    script: str
    options: list[str]
    speeds: list[dict[str, float]] = field(default_factory=list)
    _child: "subprocess.Popen[str] | None" = None
    _log: Path | None = None

    def start(self, common: list[str], work: Path, threads: int) -> None:
        """Start the process; returns when it is ready to train."""
        work.mkdir(parents=True)
        self._log = work / "log"
        command = [sys.executable, str(HERE / "peers" / f"speed_{self.script}.py"), str(work)]
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [*command, *common, *self.options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **quiet},
            )
        self._wait_for("ready")

    def turn(self) -> None:
        """Let it train, and keep its speeds."""
        assert self._child is not None and self._child.stdin is not None
        self._child.stdin.write("go\n")
        self._child.stdin.flush()
        self.speeds.append(json.loads(self._wait_for(ANSWER)))
        shown = ", ".join(f"{key} {value:.0f}" for key, value in self.speeds[-1].items())
        print(f"{time.strftime('%H:%M:%S')} {self.title}: {shown}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()

    def _wait_for(self, sign: str) -> str:
        assert self._child is not None and self._child.stdout is not None and self._log is not None
        for line in self._child.stdout:
            if line.startswith(sign):
                return line.removeprefix(sign)
        raise SystemExit(f"{self.title} ended:\n{self._log.read_text(errors='replace')[-3000:]}")

    def over(self, other: "Loop", what: str) -> str:
        """Return how much faster it is than another, from the rounds."""
        pairs = zip(self.speeds, other.speeds, strict=True)
        return median((mine[what] / theirs[what] for mine, theirs in pairs), 3)

    def median(self, what: str) -> float:
        """Return its median speed."""
        return statistics.median(speed[what] for speed in self.speeds)


def cached_loops() -> list[tuple[str, Loop, Loop, Loop]]:
    """Return ours, ours without checkpoints and the minimal one, with augmentation and without."""
    found = []
    for augment in ("on", "off"):
        how = ["--augment", augment]
        ours = Loop(f"Holdfast, augmentation {augment}", "holdfast", how)
        bare = Loop(f"{ours.title}, saving off", "holdfast", [*how, "--saving", "off"])
        minimal = Loop(f"minimal loop, augmentation {augment}", "minimal", how)
        found.append((augment, ours, bare, minimal))
    return found


def folder_loops(workers: list[str], augment: str) -> dict[str, list[Loop]]:
    """Return the loops on the folder by peer, one for each number of workers."""
    peers = {"Lightning": ("lightning", "lightning"), "HF Trainer": ("hf_trainer", "transformers")}
    found = {}
    for title, (script, package) in peers.items():
        if not installed(package):
            print(f"{title}: absent ({package} is not installed)\n")
            continue
        found[title] = [
            Loop(f"{title}, {count} workers", script, ["--workers", count, "--augment", augment])
            for count in workers
        ]
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of images; default the leaves, or digits")
    parser.add_argument("--backbone", default="CustomResNetMish")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--stage", choices=["head", "finetune"], default="finetune")
    parser.add_argument("--epochs", type=int, default=4, help="of a turn; the first is not counted")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", default="1,2", help="the peers' best of these is taken")
    parser.add_argument("--only", choices=["cached", "folder"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="one round of two epochs")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.rounds = 2, 1
    return options


def cached_table(loops: list[tuple[str, Loop, Loop, Loop]]) -> str:
    """Compare ours with the minimal loop, inside the epochs."""
    header = ["on cached tensors, inside epochs", "images/s", "to the minimal loop", "by CPU time"]
    rows = []
    for _, *three in loops:
        minimal = three[-1]
        for loop in three:
            speed = median(turn["inside"] for turn in loop.speeds)
            ratios = [loop.over(minimal, what) for what in ("inside", "cpu")]
            rows.append([loop.title, speed, *ratios])
    return markdown(header, rows)


def folder_table(ours: Loop, peers: dict[str, list[Loop]]) -> str:
    """Compare ours with the loops on the folder, with what is between the epochs."""
    header = ["on the folder, whole epochs", "images/s", "Holdfast is faster by"]
    rows = [[ours.title, median(turn["across"] for turn in ours.speeds), "1"]]
    for loops in peers.values():
        best = max(loops, key=lambda loop: loop.median("across"))
        speed = median(turn["across"] for turn in best.speeds)
        rows.append([f"{best.title} (its best)", speed, ours.over(best, "across")])
    return markdown(header, rows)


def main() -> None:
    """Print the tables."""
    end_cleanly()
    options = parse()
    cached = cached_loops()
    augment = "on" if options.stage == "finetune" else "off"  # Holdfast's defaults
    ours = next(loop for how, loop, *_ in cached if how == augment)
    workers = options.workers.split(",")
    peers = folder_loops(workers, augment) if options.only != "cached" else {}
    every = [loop for _, *three in cached for loop in three] if options.only != "folder" else [ours]
    every += [loop for loops in peers.values() for loop in loops]
    with tempfile.TemporaryDirectory(prefix="speed-") as work:
        folder = find_folder(options.data, Path(work))
        common = ["--data", str(folder), "--decoded", str(Path(work, "decoded"))]
        for name in (
            "backbone",
            "image-size",
            "batch-size",
            "stage",
            "epochs",
            "threads",
            "device",
        ):
            common += [f"--{name}", str(getattr(options, name.replace("-", "_")))]
        try:
            for number, loop in enumerate(every):
                loop.start(common, Path(work, str(number)), options.threads)
            for turn in range(options.rounds):
                for loop in every if turn % 2 == 0 else reversed(every):
                    loop.turn()
        finally:
            for loop in every:
                loop.stop()
    if options.only != "folder":
        print(cached_table(cached) + "\n")
    if peers:
        print(folder_table(ours, peers) + "\n")
    print(
        f"{options.backbone} tiny, {options.image_size} px, batches of {options.batch_size}, stage "
        f"{options.stage}; {options.rounds} rounds of {options.epochs - 1} epochs"
    )
    packages = ["lightning", "transformers", "kornia", "pillow"]
    print(machine(packages, options.threads, options.device))


if __name__ == "__main__":
    main()
