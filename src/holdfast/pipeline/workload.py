"""What each job will cost: as measured where one of its backbone is complete, else estimated."""

import statistics
from collections.abc import Callable, Iterable

import torch
from torch.utils.flop_counter import FlopCounterMode

from holdfast.backbones import create_backbone
from holdfast.config import RunConfig
from holdfast.rundir import JobName
from holdfast.status import COMPLETE, JobStatus
from holdfast.training import stage_costs

_LEAST = 0.01  # of a job: its last evaluation is still to come


def workload(
    config: RunConfig,
    pending: Iterable[JobName],
    images: Callable[[JobName], int],
    jobs: Iterable[JobStatus],
) -> dict[JobName, float]:
    """Return what is left to do of each pending job: seconds where a job's time is known.

    Args:
        config: the settings of the run.
        pending: the jobs to weigh.
        images: how many images a job learns from.
        jobs: how the jobs of the run stand, and how long the complete ones took.
    """
    known = {JobName(job.backbone, job.fold): job for job in jobs}
    flops: dict[str, float] = {}

    def estimate(job: JobName) -> float:
        if job.backbone not in flops:
            flops[job.backbone] = _flops(config, job.backbone)
        return flops[job.backbone] * images(job)

    paces: dict[str, list[float]] = {}  # seconds for each unit of the estimate
    for job, status in known.items():
        if status.state == COMPLETE and status.seconds:
            paces.setdefault(job.backbone, []).append(status.seconds / estimate(job))
    usual = statistics.median(pace for each in paces.values() for pace in each) if paces else 1.0
    pace = {backbone: statistics.mean(each) for backbone, each in paces.items()}
    return {
        job: estimate(job) * pace.get(job.backbone, usual) * _left(config, known.get(job))
        for job in pending
    }


def _left(config: RunConfig, status: JobStatus | None) -> float:
    """Return the share of a job that is still to be trained."""
    if status is None or status.stage not in config.stages:
        return 1.0
    costs = stage_costs(config, status.backbone)
    work = {stage: epochs * costs.get(stage, 1.0) for stage, epochs in config.stages.items()}
    names = list(work)
    done = sum(work[name] for name in names[: names.index(status.stage)])
    done += (status.epoch or 0) * costs.get(status.stage, 1.0)
    return max(1.0 - done / (sum(work.values()) or 1.0), _LEAST)


def _flops(config: RunConfig, backbone: str) -> float:
    """Count the floating-point operations of one image's way through a backbone, doing none."""
    size = config.image_size
    with torch.device("meta"):
        model = create_backbone(backbone, size=config.size, num_classes=2, image_size=size).eval()
        image = torch.empty(1, 3, size, size)
    with FlopCounterMode(display=False) as counter:
        model(image)
    return float(counter.get_total_flops())
