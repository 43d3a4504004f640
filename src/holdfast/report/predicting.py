"""What the trained backbones say of the run's images, for ROC curves and for their vote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import DataError, HoldfastError
from holdfast.report.comparison import score
from holdfast.report.facts import Ensemble, Facts, Scores
from holdfast.status import COMPLETE

if TYPE_CHECKING:
    from holdfast.inference import TrainedRun
    from holdfast.training import Predictions

OnProgress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""

_WHAT = "ROC curves and the ensemble"


@dataclass
class _Found:
    """What has been predicted so far."""

    validation: "dict[str, Predictions]" = field(default_factory=dict)
    test: "dict[str, Predictions]" = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def with_predictions(
    facts: Facts, where: str | Path, data: str | None, on_progress: OnProgress
) -> Facts:
    """Add what the completed backbones say of the test images, and their vote.

    Where weights, images or torch are not there, that is said in ``left_out``. ``data`` is the
    folder of the images, where the run's own cache of them is gone.
    """
    try:
        from holdfast.inference import open_trained
    except ModuleNotFoundError as error:
        return _without(facts, f"{_WHAT}: {error.name} is not installed here")
    found = _Found()
    try:
        with open_trained(
            where, data=data, on_notice=found.left_out.append, on_progress=on_progress
        ) as run:
            _predict_all(facts, run, found, on_progress)
    except HoldfastError as error:
        found.left_out.append(f"{_WHAT}: {error}")
    return _with(facts, found)


def without_predictions(facts: Facts) -> Facts:
    """Say that nothing was predicted, because nobody wanted it."""
    return _without(facts, f"{_WHAT}: not asked for (--no-predictions)")


def _without(facts: Facts, reason: str) -> Facts:
    return replace(facts, left_out=[*facts.left_out, reason])


def _predict_all(facts: Facts, run: "TrainedRun", found: _Found, on_progress: OnProgress) -> None:
    """Let each backbone that the report calls complete predict; one that cannot is left out."""
    known = {job.job for job in facts.status.jobs if job.state == COMPLETE}
    jobs = [job for job in run.complete if str(job) in known]
    if not jobs:
        found.left_out.append(f"{_WHAT}: no backbone is complete yet")
    for count, job in enumerate(jobs):
        on_progress("Predicting", count, len(jobs))
        try:
            validation, test = (run.predictions(job, part) for part in ("val", "test"))
        except DataError:  # the same for all of them
            raise
        except HoldfastError as error:
            found.left_out.append(f"{_WHAT}, without {job}: {error}")
            continue
        found.validation[str(job)], found.test[str(job)] = validation, test
    on_progress("Predicting", len(jobs), len(jobs))


def _with(facts: Facts, found: _Found) -> Facts:
    scores = {job: Scores(each.probabilities, each.labels) for job, each in found.test.items()}
    changed = [_difference(facts, job, scores[job]) for job in scores]
    return replace(
        facts,
        scores=scores,
        ensemble=_vote(found, facts) if len(scores) > 1 else None,
        left_out=[*facts.left_out, *found.left_out, *(text for text in changed if text)],
    )


def _difference(facts: Facts, job: str, scores: Scores) -> str | None:
    """Say so where predictions made here are not those of the recorded result."""
    here = float((scores.probabilities.argmax(1) == scores.labels).mean())
    recorded = next(score(j, "final_accuracy") for j in facts.status.jobs if j.job == job)
    if recorded is None or abs(here - recorded) < 1e-9:
        return None
    return (
        f"{job}: predictions made here, on another machine or another torch, give accuracy "
        f"{here:.4f}; its result says {recorded:.4f}. ROC curves and ensemble are of those here"
    )


def _vote(found: _Found, facts: Facts) -> Ensemble:
    from holdfast.inference import choose_weights, soft_vote
    from holdfast.training import result_metrics

    weights: Mapping[str, float] = choose_weights(found.validation)
    vote = soft_vote(found.test, weights)
    scores = Scores(vote.probabilities, vote.labels)
    return Ensemble(weights, result_metrics(vote, facts.status.classes), scores)
