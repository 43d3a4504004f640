"""One trained model, with the preprocessing that it was measured with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holdfast.backbones import Backbone
from holdfast.data import Augment, on_device
from holdfast.inference.computing import computing_as
from holdfast.pipeline import Machine
from holdfast.rundir import JobName
from holdfast.training import Predictions, predict


@dataclass(frozen=True)
class TrainedModel:
    """A completed job's model with its best weights, in evaluation mode."""

    job: JobName
    model: Backbone
    size: str
    """tiny or full."""
    classes: tuple[str, ...]
    """The name of each logit."""
    normalise: Augment
    """Takes images (N, R, R, 3) uint8, cached or decoded, to the model's input (N, 3, S, S)."""
    machine: Machine
    batch_size: int
    """Images at a time when the run measured it; another number may give other last bits."""

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes), float32 on the CPU, of images (N, R, R, 3) uint8."""
        with computing_as(self.machine):
            return self._forward(images.to(self.machine.device)).cpu()

    def predictions(
        self, dataset: Any, check_stop: Callable[[], None] = lambda: None
    ) -> Predictions:
        """Run the model over a dataset of (image, label), as the run measured it: the same bits.

        ``check_stop`` is called between batches and may raise.
        """
        with computing_as(self.machine):
            return predict(
                self.model,
                on_device(dataset, self.machine.device),
                batch_size=self.batch_size,
                forward=self._forward,
                device=self.machine.device,
                check_stop=check_stop,
            )

    def _forward(self, images: Tensor) -> Tensor:
        inputs = self.normalise(images)
        dtype = self.machine.autocast
        with torch.autocast(self.machine.device.type, dtype or torch.float32, enabled=bool(dtype)):
            logits: Tensor = self.model(inputs)
        return logits.float()
