"""What the loops of the storm train: the same images, network, optimizer, command line."""

import argparse
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.data import Dataset

from holdfast.backbones import create_backbone

IMAGE_SIZE = 96
BATCH_SIZE = 32
_PROGRESS = struct.Struct("<qqdd")


def parse_arguments() -> argparse.Namespace:
    """Return where everything is, and how long to train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", help="where the checkpoints are")
    parser.add_argument("--images", required=True, help="file with the decoded images")
    parser.add_argument("--weights", required=True, help="file for the weights at the end")
    parser.add_argument("--progress", required=True, help="file that says how far it has got")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--save-every", type=int, required=True, metavar="STEPS")
    parser.add_argument("--augment", choices=["fixed", "drawn"], default="drawn")
    parser.add_argument("--backbone", default="CustomResNetMish")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class TrainingImages(Dataset[tuple[Tensor, Tensor]]):
    """Decoded images in whole batches; each item is cropped and flipped.

    "drawn": how, is drawn from torch's generator, as the usual transforms do. "fixed": it depends
    on the image alone, so that no loop need keep a generator's state for it.
    """

    def __init__(self, file: str, augment: str = "fixed") -> None:
        images, labels = torch.load(file, mmap=True)
        whole = len(labels) // BATCH_SIZE * BATCH_SIZE
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:whole]
        self.images, self.labels, self.augment = images[order], labels[order], augment
        self.classes = int(labels.max()) + 1

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.labels) // BATCH_SIZE

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(index) if self.augment == "fixed" else None
        draw = torch.rand(4, generator=generator).tolist()
        spare = self.images.shape[1] - IMAGE_SIZE + 1
        top, left = int(draw[0] * spare), int(draw[1] * spare)
        image = self.images[index, top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
        axes = [axis for axis in (0, 1) if draw[2 + axis] < 0.5]
        image = image.flip(axes).permute(2, 0, 1)
        return image.float().div_(255).sub_(0.5).div_(0.25), self.labels[index]


def make_model(backbone: str, classes: int) -> nn.Module:
    """Return one of Holdfast's backbones, tiny; to the others it is a module as any.

    Its weights are laid out contiguously for all: HF Trainer refuses to save them channels-last.
    """
    model = create_backbone(backbone, size="tiny", num_classes=classes, image_size=IMAGE_SIZE)
    return model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def make_optimizer(model: nn.Module) -> AdamW:
    """Return AdamW, as every loop has it."""
    return AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)


class Progress:
    """Tells the benchmark how far training has got; what is written survives a SIGKILL."""

    def __init__(self, file: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._start, self._began = 0, 0.0

    def starts(self, step: int) -> None:
        """Training goes on after this many steps."""
        self._start, self._began = step, time.time()
        self.reaches(step)

    def reaches(self, step: int) -> None:
        """So many steps are done."""
        now = time.time()
        os.pwrite(self._file, _PROGRESS.pack(self._start, step, self._began, now), 0)


def read_progress(file: Path) -> tuple[int, int, float, float] | None:
    """Return first and last step and their times; None where training never began."""
    data = file.read_bytes() if file.exists() else b""
    return _PROGRESS.unpack(data) if data else None


def write_weights(state: Mapping[str, Tensor], file: str) -> None:
    """Write the final weights under plain names."""
    torch.save({name.removeprefix("net."): value.cpu() for name, value in state.items()}, file)
