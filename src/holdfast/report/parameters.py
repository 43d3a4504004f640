"""How many parameters each backbone of a run has, counted without making any weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.errors import HoldfastError

_MOST_NAMES = 5


def count_all(
    backbones: Sequence[str], record: Mapping[str, Any], classes: int
) -> tuple[dict[str, int], str | None]:
    """Return the parameters of each known backbone, and why they are missing where they are.

    ``record`` is the run's: it says the size of the backbones and of the images.
    """
    config = record.get("config")
    known = config if isinstance(config, Mapping) else {}
    size, pixels = known.get("size"), known.get("image_size")
    if size not in ("tiny", "full") or type(pixels) is not int or not classes:
        return {}, "parameters: the run does not record the size of its backbones"
    try:
        import torch

        from holdfast.backbones import count_parameters, create_backbone
    except ModuleNotFoundError as error:
        return {}, f"parameters: {error.name} is not installed here"
    found: dict[str, int] = {}
    unknown = []
    for name in backbones:
        try:
            with torch.device("meta"):
                model = create_backbone(name, size=size, num_classes=classes, image_size=pixels)
        except HoldfastError:
            unknown.append(name)
            continue
        found[name] = count_parameters(model)
    names = ", ".join(unknown[:_MOST_NAMES])
    more = f" and {len(unknown) - _MOST_NAMES} more" if len(unknown) > _MOST_NAMES else ""
    return found, f"parameters of {names}{more}: no backbone of Holdfast's" if unknown else None
