"""How long the rest of a run will take, by what was measured of it so far."""

import statistics
from datetime import datetime
from itertools import pairwise

from holdfast.status.past import Curve, Past
from holdfast.status.snapshot import COMPLETE, STARTED, JobStatus, Status


def time_left(status: Status, past: Past) -> float | None:
    """Return the seconds that the rest will take, about; None while nothing tells.

    A pending job takes what its backbone's others took, or else what all did on average; as many
    are trained at a time as are in training now.
    """
    known: dict[str, list[float]] = {}
    for job in status.jobs:
        if job.state == COMPLETE and job.seconds > 0:
            known.setdefault(job.backbone, []).append(job.seconds)
    left, begun = 0.0, 0
    for job in status.jobs:
        if job.state != STARTED:
            continue
        begun += 1
        times = _times_of(past.curves.get(job.job), status.stages, _typical(job, known))
        if times is None:
            return None
        spent, rest = times
        known.setdefault(job.backbone, []).append(spent + rest)
        left += rest
    for job in status.jobs:
        if job.state not in (COMPLETE, STARTED):
            typical = _typical(job, known)
            if typical is None:
                return None
            left += typical
    return left / max(begun, 1)


def _typical(job: JobStatus, known: dict[str, list[float]]) -> float | None:
    mine = known.get(job.backbone)
    if mine:
        return statistics.mean(mine)
    return statistics.mean(map(statistics.mean, known.values())) if known else None


def _times_of(
    curve: Curve | None, stages: dict[str, int], typical: float | None
) -> tuple[float, float] | None:
    """Return what a job in training has taken and what it will; None where nothing tells."""
    paces = _paces(curve) if curve else {}
    done = dict.fromkeys(stages, 0)
    for row in curve.rows if curve else []:
        done[row["stage"]] = max(done.get(row["stage"], 0), int(row["epoch"]))
    begun = [stage for stage in stages if done[stage]]
    passed = list(stages)[: list(stages).index(begun[-1])] if begun else []  # it may end early
    spent = sum(done[stage] * paces[stage] for stage in begun if stage in paces)
    open_ = {s: total - done[s] for s, total in stages.items() if s not in passed}
    if all(stage in paces for stage, epochs in open_.items() if epochs > 0):
        return spent, sum(epochs * paces[stage] for stage, epochs in open_.items() if epochs > 0)
    if typical is None:
        return None
    return spent, max(typical - spent, 0.0)


def _paces(curve: Curve) -> dict[str, float]:
    """Return the seconds that an epoch of each stage takes, waits between processes left out."""
    took: dict[str, list[float]] = {}
    numbered = list(enumerate(zip(curve.rows, curve.times, strict=True), 1))
    for (count, (row, began)), (_, (later, ended)) in pairwise(numbered):
        whole = not any(count <= mark < count + 1 for mark in curve.waits)
        if row["stage"] == later["stage"] and whole and began and ended:
            took.setdefault(row["stage"], []).append(_seconds(began, ended))
    return {stage: statistics.median(times) for stage, times in took.items()}


def _seconds(began: datetime, ended: datetime) -> float:
    return max((ended - began).total_seconds(), 0.0)
