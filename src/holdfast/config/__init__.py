"""The settings of a run, where each has its default, and how TOML and flags set them."""

from holdfast.config.resolve import resolve
from holdfast.config.run_config import (
    BACKBONES,
    FREE_TO_CHANGE,
    OVERRIDES,
    PRESETS,
    AugmentConfig,
    RunConfig,
    StageConfig,
    choices,
)
from holdfast.config.template import settings_template

__all__ = [
    "AugmentConfig",
    "BACKBONES",
    "FREE_TO_CHANGE",
    "OVERRIDES",
    "PRESETS",
    "RunConfig",
    "StageConfig",
    "choices",
    "resolve",
    "settings_template",
]
