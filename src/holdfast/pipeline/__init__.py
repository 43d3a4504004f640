"""From a config to trained jobs: plan, data, machine, one job after the other."""

from holdfast.pipeline.display import Display
from holdfast.pipeline.job import run_job
from holdfast.pipeline.machine import Machine, settle
from holdfast.pipeline.material import Material, divide, open_source
from holdfast.pipeline.one_backbone import train_backbone_with_metrics
from holdfast.pipeline.series import check_settings, run_series
from holdfast.pipeline.torchrun import follow_series

__all__ = [
    "Display",
    "Machine",
    "Material",
    "check_settings",
    "divide",
    "follow_series",
    "open_source",
    "run_job",
    "run_series",
    "settle",
    "train_backbone_with_metrics",
]
