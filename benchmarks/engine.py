"""What the Ray engine gives, and what it costs: the same series by one worker, by two, and locally.

    python benchmarks/engine.py [--jobs 8] [--rounds 3] [--epochs 12] [--quick]

One backbone on the full split and on folds, with one thread a job, three times in a row: in this
machine's process (`--engine local`), by one worker of Ray's and by two. From the first job's start
to the last one's result, as the journal has them, so that neither the start of Python nor that of
Ray counts; the second worker's own start does. What Ray costs each job is the difference between
one worker and the local engine, divided by the jobs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from table import NOT_MEASURED, machine, spread, table

FASTER, OVERHEAD = 1.8, 0.5
SETTINGS = """
backbones = "{backbone}"
size = "tiny"
image_size = 32
batch_size = 32
epochs_head = 1
epochs_finetune = {epochs}
patience = {epochs}
folds = {folds}
fold_backbones = ["{backbone}"]
threads = 1
"""
WAYS = {
    "local": ["--engine", "local"],
    "one worker": ["--engine", "ray", "--ray-address", "local", "--max-parallel", "1"],
    "two workers": ["--engine", "ray", "--ray-address", "local", "--max-parallel", "2"],
}


def main() -> None:
    """Print the table."""
    options = parse_arguments()
    if options.device != "cpu":
        print(f"engine.py: one thread of a CPU for each job; on {options.device} {NOT_MEASURED}")
        return
    print(f"{options.jobs} jobs of {options.backbone}, {machine()}\n", flush=True)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        work = Path(directory)
        text = SETTINGS.format(
            backbone=options.backbone, epochs=options.epochs, folds=options.jobs - 1
        )
        (work / "settings.toml").write_text(text)
        for number in range(options.rounds):
            for way, flags in WAYS.items():
                seconds = train(work, work / f"{way.replace(' ', '-')}{number}", flags)
                print(f"{way}: {seconds:.1f} s", file=sys.stderr, flush=True)
                taken[way].append(seconds)
    print(table(["", "seconds"], [[way, spread(each, ".1f")] for way, each in taken.items()]))
    print(table(["", "reached", "to reach"], claims(taken, options.jobs)))


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` makes it short."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="CustomResNetMish")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--directory", help="where the checkpoints go (default: TMPDIR)")
    parser.add_argument("--quick", action="store_true", help="short jobs, one round")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.epochs = 1, 3
    return options


def train(work: Path, directory: Path, flags: list[str]) -> float:
    """Train the series and return the seconds from the first job's start to the last result."""
    command = [sys.executable, "-W", "ignore", "-m", "holdfast", "train", *flags]
    command += ["--config", str(work / "settings.toml"), "--checkpoint-dir", str(directory)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, cwd=work)
    time.sleep(1.0)  # Ray's processes end
    records = [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]
    return moment(records, "job_completed", -1) - moment(records, "job_started", 0)


def moment(records: list[dict[str, Any]], event: str, which: int) -> float:
    """Return when the first or the last event of a kind was written down, in seconds."""
    times = [record["time"] for record in records if record["event"] == event]
    return datetime.fromisoformat(times[which]).timestamp()


def claims(taken: dict[str, list[float]], jobs: int) -> list[list[str]]:
    """Return what is claimed, and what was reached in each round."""
    rounds = list(zip(*(taken[way] for way in WAYS), strict=True))
    faster = [one / two for _, one, two in rounds]
    cost = [(one - local) / jobs for local, one, _ in rounds]
    return [
        ["two workers to one", f"{spread(faster, '.2f')} times", f"{FASTER} times"],
        ["Ray's cost of a job", f"{spread(cost, '.2f')} s", f"{OVERHEAD} s"],
    ]


if __name__ == "__main__":
    main()
