"""What a job will cost, so that the longest go first."""

import pytest

from holdfast.config import RunConfig, resolve
from holdfast.pipeline.workload import workload
from holdfast.rundir import JobName
from holdfast.status import JobStatus

SMALL, LARGE = JobName("CustomGhostNetV2"), JobName("CustomViTHybrid")


@pytest.fixture
def config() -> RunConfig:
    """Two backbones of very different size, forty and twenty-five epochs."""
    names = f"{SMALL},{LARGE}"
    return resolve({"backbones": names, "preset": "demo", "epochs_head": 40, "epochs_finetune": 25})


def status(job: JobName, state: str, **fields: float | str) -> JobStatus:
    return JobStatus(str(job), job.backbone, job.fold, state, **fields)


def test_before_anything_is_measured_it_is_estimated(config: RunConfig) -> None:
    """By the operations of the model and the number of images."""
    work = workload(config, [SMALL, LARGE], lambda _: 100, [])
    assert work[LARGE] > 3 * work[SMALL] > 0
    twice = workload(config, [SMALL, LARGE], lambda _: 200, [])
    assert twice == {job: 2 * cost for job, cost in work.items()}


def test_what_was_measured_counts_for_the_folds_of_the_same_backbone(config: RunConfig) -> None:
    """A backbone that has taken an hour takes as much less on a fold as that has images less."""
    fold = JobName(LARGE.backbone, 1)
    images = {LARGE: 1000, fold: 800, SMALL: 1000}
    done = status(LARGE, "complete", seconds=3600.0)
    work = workload(config, [fold, SMALL], images.__getitem__, [done])
    assert work[fold] == pytest.approx(2880.0)
    ratio = workload(config, [LARGE, SMALL], images.__getitem__, [])
    assert work[SMALL] == pytest.approx(3600.0 * ratio[SMALL] / ratio[LARGE])


def test_what_is_trained_already_does_not_count(config: RunConfig) -> None:
    """A job in its twentieth epoch of twenty-five is shorter than one that has not begun."""
    begun = status(LARGE, "started", stage="finetune", epoch=20)
    nearly = status(LARGE, "started", stage="finetune", epoch=25)
    whole, part, rest = (
        workload(config, [LARGE], lambda _: 100, jobs)[LARGE] for jobs in ([], [begun], [nearly])
    )
    assert part == pytest.approx(whole * 5 / 25.8, rel=1e-6)
    assert 0 < rest < part / 10
