"""Whether two runs came to the same: compared with ==, tensors bit by bit."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from holdfast.rundir import STATUS_TEXT, JobName, Journal, list_all_checkpoints

NOT_EXACT = {
    "timestamp",
    "time",
    "seconds",
    "saving",
    "run_id",
    "crc32",
    "journal_mark",
    "journal_size",
    "journal_crc32",
    "interruptions",
}
NOT_THE_SAME = ("Directory:", "Updated:", "On disk:")  # lines of the status text
_FILES = (".recovery_state.json", ".kfold_progress.json")
_STAGES = ("head", "finetune")


def same(a: Any, b: Any, where: str = "") -> None:
    """Compare everything with ==, tensors bit by bit; AssertionError says where they differ."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a.keys() - NOT_EXACT:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            same(left, right, f"{where}[{index}]")
    else:
        assert a == b, where


def same_runs(calm: Path, stormy: Path) -> None:
    """Compare two finished runs: weights, optimizer state, history, results, epochs, status.

    The order of completion may differ: a job that died often goes behind the others.
    """
    names = sorted(path.name for path in calm.glob("*_best.pth"))
    assert names == sorted(path.name for path in stormy.glob("*_best.pth"))
    assert not list(stormy.glob("*_fold*_epoch*.pth")), (
        "a completed fold keeps its best weights only"
    )
    for name in [*names, *_last_checkpoints(calm)]:
        assert (stormy / name).exists(), f"{name} is missing"
        same(torch.load(calm / name), torch.load(stormy / name), name)
    for name in _FILES:
        same(_facts(calm / name), _facts(stormy / name), name)
    same(_epochs(calm), _epochs(stormy), "journal")
    assert max(Counter(map(_key, _epochs(stormy))).values()) == 1, "an epoch stands twice"


def what_stays(directory: Path) -> dict[str, Any]:
    """Return all that a finished run has left in its directory."""
    lines = (directory / STATUS_TEXT).read_text().splitlines()
    done = [r["job"] for r in Journal(directory).read() if r["event"] == "job_completed"]
    stays: dict[str, Any] = {
        "files": sorted(path.name for path in directory.iterdir()),
        "status": [line for line in lines if not line.startswith(NOT_THE_SAME)],
        "completed": sorted(done),
        "epochs": _epochs(directory),
    }
    stays |= {path.name: torch.load(path) for path in sorted(directory.glob("*.pth"))}
    return stays | {name: _facts(directory / name) for name in _FILES}


def _last_checkpoints(directory: Path) -> list[str]:
    """Return the names of each job's newest checkpoint, as the names have it."""
    newest: dict[JobName, tuple[tuple[int, int, int], str]] = {}
    for file in list_all_checkpoints(directory):
        at = file.position
        rank = (_STAGES.index(at.stage), at.epoch, at.step)
        newest[file.job] = max(newest.get(file.job, ((-1, 0, 0), "")), (rank, file.path.name))
    return [name for _, name in newest.values()]


def _facts(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


def _epochs(directory: Path) -> list[dict[str, Any]]:
    """Return the journal's epochs; a resumed job may have added one after others' records."""
    return sorted((r for r in Journal(directory).read() if r["event"] == "epoch"), key=_key)


def _key(record: dict[str, Any]) -> tuple[str, str, int]:
    return record["job"], record["stage"], record["epoch"]
