"""What the books of a run cost, by the number of its jobs: a save, `status`, a start.

    python benchmarks/bookkeeping.py [--jobs 90,10000] [--epochs 65]

A directory is built as a run leaves it that is 90 % through: a journal with every epoch of every
completed job, results with a 13 x 13 confusion matrix, a small weights file for each. A save is
what the end of an epoch writes beside its checkpoint. A start opens the run and finds what is
pending; it reads every `.pth` too, which is told apart.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import holdfast
from holdfast.checkpoint import CheckpointStore, Ledger
from holdfast.checkpoint.record import make_record
from holdfast.rundir import Journal, Position, RecoveryState, pth_reports
from holdfast.rundir.journal import stamped
from holdfast.rundir.lines import Record

CLASSES, SAVES, TRIES = 13, 31, 3
STAGES = {"head": 40, "finetune": 25}


def jobs_of(count: int) -> tuple[list[str], int]:
    """Return backbones and folds that make so many jobs."""
    backbones = 15 if count < 1000 else 100
    return [f"Net{number}" for number in range(backbones)], count // backbones - 1


def result() -> Record:
    """Return a result of plausible size."""
    matrix = [[random.randrange(100) for _ in range(CLASSES)] for _ in range(CLASSES)]
    scores = {name: random.random() for name in ("accuracy", "f1", "precision", "recall", "loss")}
    by_class = {f"class {k}": {"f1": random.random(), "support": 100} for k in range(CLASSES)}
    final = {"final_accuracy": scores["accuracy"], "final_loss": scores["loss"], "stages": STAGES}
    return {**scores, **final, "per_class": by_class, "confusion_matrix": matrix}


def row(stage: str, epoch: int) -> Record:
    """Return an epoch of a history."""
    means = ("train_loss", "train_acc", "val_loss", "val_acc", "val_f1", "learning_rate")
    return {"stage": stage, "epoch": epoch} | {name: random.random() for name in means}


def records(state: RecoveryState, epochs: int) -> Iterator[Record]:
    """Yield what the journal has; ``state`` is given the results on the way."""
    yield stamped("run_identified", run_id=state.run_id)
    plan = {"run": state.run, "backbones": state.backbones, "folds": state.folds}
    yield stamped("run_planned", **plan)
    jobs = state.jobs()
    for job in jobs[: len(jobs) * 9 // 10]:
        yield stamped("job_started", job=str(job), boot_id="0" * 36)
        for number in range(epochs):
            stage = "head" if number < STAGES["head"] else "finetune"
            yield stamped("epoch", job=str(job), **row(stage, number % STAGES["head"] + 1))
        state.results[job] = result()
        yield stamped(
            "job_completed", job=str(job), result=state.results[job], seconds=9.0, weights=True
        )


def build(directory: Path, count: int, epochs: int) -> None:
    """Write the directory of a run of so many jobs, with the code that a run uses."""
    names, folds = jobs_of(count)
    state = RecoveryState(
        backbones=names,
        folds=dict.fromkeys(names, folds),
        run={"seed": 42, "stages": STAGES},
        run_id="0" * 32,
    )
    directory.mkdir()
    Journal(directory).write_anew(records(state, epochs))
    ledger = Ledger(directory)
    ledger.publish()
    ledger.close()
    store = CheckpointStore(directory, tuple(STAGES), state.run_id)
    fsync, os.fsync = os.fsync, lambda descriptor: None
    for job, done in state.results.items():
        record = make_record(job, Position("finetune", STAGES["finetune"]), model={})
        store.save_best(job, {**record, "result": done})
    os.fsync = fsync
    os.sync()


def start(directory: Path) -> tuple[float, float]:
    """Return the seconds of a start, and those of them that go into reading every `.pth`."""
    began = time.perf_counter()
    with holdfast.open(directory) as run:
        jobs = run.ledger.state.jobs()
        pending = run.in_order(run.which_are_pending(jobs))
        seconds = time.perf_counter() - began
    assert len(pending) == len(jobs) - len(jobs) * 9 // 10
    began = time.perf_counter()
    pth_reports(directory, run.ledger.run_id)
    return seconds, time.perf_counter() - began


def save(directory: Path) -> float:
    """Return the milliseconds of a save."""
    ledger, times = Ledger(directory), []
    job = ledger.state.jobs()[-1]
    ledger.entered(job, None)
    for epoch in range(1, SAVES + 1):
        began = time.perf_counter()
        ledger.epochs_ended(job, [row("head", epoch)])
        times.append(time.perf_counter() - began)
    ledger.close()
    return statistics.median(times) * 1000


def status(directory: Path) -> float:
    """Return the seconds of `holdfast status`, a process of its own; the best of a few."""
    command = [sys.executable, "-m", "holdfast", "status", "--checkpoint-dir", str(directory)]
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Print a row for each number of jobs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", default="90,10000")
    parser.add_argument("--epochs", type=int, default=sum(STAGES.values()))
    parser.add_argument("--device", help="not used: the books know no device")
    options = parser.parse_args()
    heads = ("save ms", "status s", "start s", "of it .pth", "journal MB")
    print(f"{'jobs':>6}" + "".join(f"{head:>12}" for head in heads))
    for count in map(int, options.jobs.split(",")):
        with tempfile.TemporaryDirectory() as home:
            directory = Path(home) / "run"
            build(directory, count, options.epochs)
            size = Journal(directory).path.stat().st_size / 1e6
            shown = status(directory)
            started, reading = start(directory)
            saved = save(directory)
        figures = f"{saved:>12.1f}{shown:>12.2f}{started:>12.1f}{reading:>12.1f}{size:>12.1f}"
        print(f"{count:>6}{figures}", flush=True)


if __name__ == "__main__":
    main()
