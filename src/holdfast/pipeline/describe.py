"""What decides the results of a run, as its record has it: settings, machine, images."""

from collections.abc import Mapping
from typing import Any

from holdfast.config import FREE_TO_CHANGE, RunConfig
from holdfast.pipeline.material import Material

# which jobs there are, not what each gives; and what the record names in another place
_ELSEWHERE = {
    "epochs_head",
    "epochs_finetune",
    "backbones",
    "fold_backbones",
    "head",
    "finetune",
    "overrides",
}


def describe_images(material: Material) -> dict[str, Any]:
    """Return what the images are."""
    cache = material.cache
    images = {"images": len(cache), "digest": cache.digest[:16], "decoded": cache.fingerprint[:16]}
    return {"classes": material.classes, "data": images}


def describe(config: RunConfig, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else decides the results; ``machine`` as `Machine.describe` has it."""
    settings = config.model_dump(mode="json", exclude=set(FREE_TO_CHANGE | _ELSEWHERE))
    for settled in ("device", "threads", "precision", "gpus_per_job", "ranks"):
        del settings[settled]  # the machine says what they came to
    return {
        "stages": config.stages,
        "config": settings,
        "settings": {name: _stage_settings(config, name) for name in config.backbones},
        "machine": dict(machine),
    }


def _stage_settings(config: RunConfig, backbone: str) -> dict[str, Any]:
    return {stage: config.stage(backbone, stage).model_dump() for stage in config.stages}
