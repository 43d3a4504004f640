"""From a config to trained jobs: plan, data, machine, one job after the other."""

from holdfast.pipeline.display import Display
from holdfast.pipeline.job import run_job
from holdfast.pipeline.one_backbone import train_backbone_with_metrics
from holdfast.pipeline.series import check_settings, run_series
from holdfast.pipeline.torchrun import follow_series

__all__ = [
    "Display",
    "check_settings",
    "follow_series",
    "run_job",
    "run_series",
    "train_backbone_with_metrics",
]
