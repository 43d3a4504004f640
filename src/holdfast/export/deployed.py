"""What leaves the run: a trained model that takes images from 0 to 1, and what to know about it."""

import json
from collections.abc import Mapping

from torch import Tensor, nn

from holdfast import __version__
from holdfast.backbones import Backbone
from holdfast.data import resize_for
from holdfast.inference import TrainedModel

IMAGES, LOGITS = "images", "logits"
"""The names of input and output."""


class Deployed(nn.Module):
    """A backbone with the normalisation in front: images (N, 3, S, S) in 0 to 1, to logits."""

    mean: Tensor
    std: Tensor

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        normalise = trained.normalise
        self.register_buffer("mean", normalise.mean.detach().clone().reshape(3, 1, 1))
        self.register_buffer("std", normalise.std.detach().clone().reshape(3, 1, 1))
        self.backbone: Backbone = trained.model.for_inference()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes)."""
        logits: Tensor = self.backbone((images - self.mean) / self.std)
        return logits


def card(
    trained: TrainedModel, about: Mapping[str, str], *, normalised_inside: bool
) -> dict[str, str]:
    """Return what travels with a model, as text by name: ``classes`` and more are JSON.

    ``about`` is what is known of its training.
    """
    side = trained.normalise.image_size
    resize = resize_for(side)
    wants = "0 to 1" if normalised_inside else "normalised: (0 to 1, less mean) / std"
    preprocessing = {
        "jpeg_draft": [2 * resize, 2 * resize],  # Pillow's: decoded at a reduced size, not below
        "orientation": "upright by EXIF",
        "mode": "RGB",
        "transparency": "on white",
        "square": "the centre, as wide and as high as the shorter side",
        "resize_shorter_side": resize,
        "resample": "bicubic, antialiased (Pillow)",
        "crop": [side, side],
        "crop_at": "centre",
        "scale": 1 / 255,
        "mean": trained.normalise.mean.tolist(),
        "std": trained.normalise.std.tolist(),
        "normalisation": "inside the model" if normalised_inside else "before the model",
    }
    return {
        "holdfast": __version__,
        "backbone": trained.job.backbone,
        "size": trained.size,
        "image_size": str(side),
        "classes": json.dumps(trained.classes),
        "input": f"{IMAGES}: float32 (N, 3, {side}, {side}), RGB, {wants}",
        "output": f"{LOGITS}: float32 (N, {len(trained.classes)}); softmax gives probabilities",
        "preprocessing": json.dumps(preprocessing),
        **about,
    }


def unit_images(trained: TrainedModel, images: Tensor) -> Tensor:
    """Turn decoded images (N, R, R, 3) uint8 into what `Deployed` takes."""
    side = trained.normalise.image_size
    start = (images.shape[1] - side) // 2
    cut = images[:, start : start + side, start : start + side]
    return cut.permute(0, 3, 1, 2).float() / 255
