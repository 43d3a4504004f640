"""Who trains, how often it saves, and what a crash at this moment would lose."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.rundir import LOCK, CheckpointFile, list_all_checkpoints, peek_or_none
from holdfast.storage import who_holds

_SAYS = {"interval": float, "seconds": float, "saves": int}


@dataclass(frozen=True)
class Saving:
    """What the newest checkpoint of a run says of saving, and how old it is."""

    job: str
    interval: float
    """Seconds from one checkpoint inside an epoch to the next."""
    seconds: float
    """What saving has cost the job's training so far."""
    share: float
    """The same as a share of the job's training time."""
    would_lose: float | None
    """Seconds of training that a crash now would lose; None where nobody trains."""


def who_trains(directory: Path) -> str | None:
    """Name the process that trains in ``directory``, if one on this machine is alive."""
    return who_holds(directory / LOCK)


def read_saving(directory: Path, is_training: bool) -> Saving | None:
    """Return what the newest checkpoint says of saving; None where there is none that does."""
    ages = {
        file: age for file in list_all_checkpoints(directory) if (age := _age(file)) is not None
    }
    newest = min(ages, key=lambda file: ages[file], default=None)
    record = _peek(newest) if newest else None
    if newest is None or record is None:
        return None
    said, trained = record["saving"], float(record["seconds"])
    share = said["seconds"] / trained if trained else 0.0
    lost = ages[newest] if is_training else None
    return Saving(str(newest.job), said["interval"], said["seconds"], share, lost)


def _age(file: CheckpointFile) -> float | None:
    try:
        return max(time.time() - file.path.stat().st_mtime, 0.0)
    except OSError:  # pruned since it was listed
        return None


def _peek(file: CheckpointFile) -> dict[str, Any] | None:
    """Return what a checkpoint says, if it says it in the way of ours."""
    record = peek_or_none(file.path)
    said = record.get("saving") if record else None
    good = isinstance(said, dict) and all(type(said.get(k)) is kind for k, kind in _SAYS.items())
    return record if record and good and type(record.get("seconds")) in (int, float) else None
