"""What the loops of the speed test train, and how their speed is taken.

Each loop is a process of its own that stays alive and trains a few epochs whenever it is asked
to: so they can take turns every few seconds, and share nothing. The clock is a hook on the
network's head: it sees each training batch arrive, in every loop at the same place.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from holdfast.backbones import Backbone, create_backbone
from holdfast.config import RunConfig, resolve
from holdfast.data import Augment, FolderSource
from holdfast.pipeline.machine import Machine, settle
from holdfast.pipeline.material import Material, open_source, prepare_material

ANSWER = "speed "


def parse_arguments() -> argparse.Namespace:
    """Return what to train, as the benchmark asks for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path, help="a directory of this loop's own")
    parser.add_argument("--data", required=True, help="folder of images")
    parser.add_argument("--decoded", type=Path, required=True, help="where images are decoded to")
    parser.add_argument("--backbone", default="CustomResNetMish")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--stage", choices=["head", "finetune"], default="finetune")
    parser.add_argument("--augment", choices=["on", "off"], default="on")
    parser.add_argument("--saving", choices=["on", "off"], default="on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


class Setting:
    """The same network, images, augmentation and optimizer settings for every loop."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.config = self._resolve()
        self.machine: Machine = settle(self.config, {})
        self.source: FolderSource = open_source(self.config)  # type: ignore[assignment]
        self.material: Material = prepare_material(
            self.config, self.source, lambda done, total: None, lambda: None
        )

    def _resolve(self) -> RunConfig:
        options = self.options
        other = "head" if options.stage == "finetune" else "finetune"
        return resolve(
            {
                "data": options.data,
                "checkpoint_dir": str(options.decoded),
                "backbones": (options.backbone,),
                "size": "tiny",
                "image_size": options.image_size,
                "batch_size": options.batch_size,
                f"epochs_{options.stage}": options.epochs,
                f"epochs_{other}": 0,
                "folds": 0,
                "patience": 1000,
                "device": options.device,
                "threads": options.threads,
                options.stage: {"augment": options.augment == "on"},
                **({} if options.saving == "on" else {"save_interval": 1e9}),
            }
        )

    def make_model(self) -> Backbone:
        """Return the network, as Holdfast's pipeline makes it, in the stage's mode."""
        model = create_backbone(
            self.options.backbone,
            size="tiny",
            num_classes=len(self.material.classes),
            image_size=self.options.image_size,
        ).to(self.machine.device)
        self.enter_stage(model)
        return model

    def enter_stage(self, model: Backbone) -> None:
        """Freeze what the stage freezes."""
        model.train_head() if self.options.stage == "head" else model.train_all()

    def make_prepare(self) -> Callable[[Tensor], Tensor]:
        """Return what takes cached images to the network's input, augmented or not."""
        augment = Augment(self.config.image_size, **self.config.augment.model_dump())
        return augment.to(self.machine.device).train(self.options.augment == "on")


class Clock:
    """Notes when each training batch reaches a module, and how many images it has."""

    def __init__(self, module: nn.Module, steps: int) -> None:
        self.steps = steps
        self._seen: list[tuple[float, float, int]] = []
        module.register_forward_pre_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not torch.is_grad_enabled():
            return  # a validation
        if inputs[0].is_cuda and len(self._seen) % self.steps in (0, self.steps - 1):
            torch.cuda.synchronize()
        self._seen.append((time.perf_counter(), time.process_time(), len(inputs[0])))

    def speeds(self) -> dict[str, float]:
        """Return images/s of the epochs but for the first: inside them, and with what is between.

        Inside: from the first batch of an epoch to its last, median of the epochs; and the same
        by the second of CPU time (of the process, all threads), which other processes take
        nothing from.
        """
        epochs = [self._seen[i : i + self.steps] for i in range(0, len(self._seen), self.steps)]
        return {
            "inside": median(_speed(epoch) for epoch in epochs[1:]),
            "cpu": median(_speed(epoch, clock=1) for epoch in epochs[1:]),
            "across": _speed(self._seen[self.steps :]),
        }


def _speed(seen: list[tuple[float, float, int]], clock: int = 0) -> float:
    return sum(count for *_, count in seen[:-1]) / (seen[-1][clock] - seen[0][clock])


def serve(train: Callable[[], Clock]) -> None:
    """Train whenever asked to, and answer with the speeds."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print("\n" + ANSWER + json.dumps(train().speeds()), flush=True)
