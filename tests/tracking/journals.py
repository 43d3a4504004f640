"""Journals as a training writes them, line by line, and what they say of each job."""

import struct
from pathlib import Path
from typing import Any

from holdfast.rundir import Journal, Record, boot_id, stamped

NET, WIDE = "CustomResNetMish", "CustomRegNet_fold2"
RUN_ID = "0caa8997b1bc463cb5e9468f14892ba8"
STAGES = {"head": 2, "finetune": 3}
_SETTINGS = {
    stage: {"learning_rate": rate, "augment": stage == "finetune"}
    for stage, rate in (("head", 2e-3), ("finetune", 1e-3))
}


class Training:
    """Writes the journal of a run, as a training of its jobs would."""

    def __init__(self, directory: Path, run_id: str = RUN_ID) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(directory)
        self.journal.append("run_identified", run_id=run_id)
        self.plan()

    def plan(self, **changes: Any) -> None:
        """Write down what the run is."""
        backbones = [NET, WIDE.partition("_")[0]]
        run = {
            "stages": STAGES,
            "config": {"size": "tiny", "seed": 42},
            "settings": dict.fromkeys(backbones, _SETTINGS | changes),
        }
        folds = {backbones[1]: 2}
        self.journal.append("run_planned", run=run, backbones=backbones, folds=folds)

    def begin(self, job: str) -> None:
        """Begin a job from its start."""
        self.journal.append("job_started", job=job, boot_id=boot_id())

    def epochs(self, job: str, *which: int, shift: float = 0.0) -> None:
        """Train epochs, counted over both stages."""
        self.journal.extend(epoch(job, number, shift) for number in which)

    def resume(self, job: str, stage: str, done: int, step: int = 0) -> None:
        """Let a start go on with a job after so many epochs of a stage."""
        at = {"stage": stage, "epoch": done, "step": step}
        self.journal.append("job_resumed", job=job, **at, seconds=1.0, interval=1.0)

    def complete(self, job: str, accuracy: float = 0.75) -> None:
        """Complete a job."""
        result = {"accuracy": accuracy, "f1": 0.5, "loss": 0.25, "final_accuracy": accuracy}
        result["confusion_matrix"] = [[1, 0], [0, 1]]
        self.journal.append("job_completed", job=job, result=result, seconds=4.5, weights=True)

    def whole(self, job: str) -> None:
        """Train a job from its start to its end."""
        self.begin(job)
        self.epochs(job, 1, 2, 3, 4, 5)
        self.complete(job)


def epoch(job: str, number: int, shift: float = 0.0) -> Record:
    """Return the record of an epoch, counted over both stages."""
    stage, within = ("head", number) if number <= 2 else ("finetune", number - 2)
    values = {"train_loss": 1 / number + shift, "train_acc": number / 10}
    values |= {"val_loss": 1 / (number + 1), "val_acc": number / 11, "val_f1": number / 12}
    return stamped(
        "epoch", job=job, stage=stage, epoch=within, **values, learning_rate=1e-3 / number
    )


def points(directory: Path, job: str) -> dict[tuple[str, int], float]:
    """Return the quantities of a job's epochs by name and step, as the journal has them."""
    found: dict[tuple[str, int], float] = {}
    for record in Journal(directory).read():
        if record["event"] == "epoch" and record["job"] == job:
            step = record["epoch"] + (STAGES["head"] if record["stage"] == "finetune" else 0)
            found |= {(k, step): v for k, v in record.items() if k in QUANTITIES}
    return found


QUANTITIES = {
    "train_loss": "loss/train",
    "train_acc": "accuracy/train",
    "val_loss": "loss/val",
    "val_acc": "accuracy/val",
    "val_f1": "f1/val",
    "learning_rate": "learning_rate",
}
"""The journal's names of an epoch's quantities, with TensorBoard's tags."""


def single(value: float) -> float:
    """Return a number as event files hold it, in 32 bits."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
