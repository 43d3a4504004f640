"""Training that can be stopped anywhere: runs, jobs, stages, and the loop that uses them."""

from holdfast.training.evaluate import Predictions, predict, predictions_of, result_metrics
from holdfast.training.following import following, leading
from holdfast.training.ingredients import Ingredients
from holdfast.training.interrupt import StopRequest
from holdfast.training.job import Job
from holdfast.training.jobs import Jobs
from holdfast.training.loop import measure, stage_costs, train
from holdfast.training.opening import open_run
from holdfast.training.randomness import steps_per_epoch, use_deterministic_kernels
from holdfast.training.ranks import ALONE, Group, Ranks, SharedStop
from holdfast.training.run import Run
from holdfast.training.settings import Progress, RunSettings
from holdfast.training.stage import Stage
from holdfast.training.state import TrainState

__all__ = [
    "ALONE",
    "Group",
    "Ingredients",
    "Job",
    "Jobs",
    "Predictions",
    "Progress",
    "Ranks",
    "Run",
    "RunSettings",
    "SharedStop",
    "Stage",
    "StopRequest",
    "TrainState",
    "following",
    "leading",
    "measure",
    "open_run",
    "predict",
    "predictions_of",
    "result_metrics",
    "stage_costs",
    "steps_per_epoch",
    "train",
    "use_deterministic_kernels",
]
