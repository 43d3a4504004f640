"""How far an exported model's logits are from torch's: every backbone, at both sizes.

    python benchmarks/export.py [--data DIR] [--sizes tiny,full] [--formats onnx,pt2] [--quick]

Weights are random, with BatchNorm statistics that are not those of a fresh model, so that folding
them matters; images are real (the digits, or some of --data), at 1, 3 and 8 at a time. What is
compared, and when a file is refused, is what `holdfast export` does.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from table import machine, table
from torch import Tensor, nn

from holdfast.backbones import count_parameters, create_backbone
from holdfast.config import BACKBONES, RunConfig
from holdfast.data import Augment, resize_for, square
from holdfast.errors import ExportError
from holdfast.export import export_model
from holdfast.inference import TrainedModel
from holdfast.pipeline import open_source, settle
from holdfast.rundir import JobName

SIDES = {"tiny": 32, "full": 224}
IMAGES = 8


def main() -> int:
    """Print the table; exit code 1 where a backbone cannot be exported."""
    options = parse_arguments()
    if options.device != "cpu":
        print(f"export.py: exported on the CPU; on {options.device} there is nothing to measure")
        return 0
    forms = options.formats.split(",")
    head = ["", *(f"{size}, {form}" for size in options.sizes.split(",") for form in forms)]
    print(f"{IMAGES} images of {options.data or 'the digits'}, {machine()}\n", flush=True)
    rows, refused = [], 0
    for name in options.backbones.split(","):
        row = [name]
        for size in options.sizes.split(","):
            model = make(name, size, options.classes)
            images = real_images(options.data, resize_for(SIDES[size]))
            for form in forms:
                row.append(measure(model, images, form))
                refused += row[-1].startswith("refused")
        rows.append(row)
    print(table(head, rows))
    return 1 if refused else 0


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` leaves the full size out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", help="a folder with one sub-folder per class")
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--sizes", default="tiny,full")
    parser.add_argument("--formats", default="onnx,pt2")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="tiny only")
    options = parser.parse_args()
    if options.quick:
        options.sizes = "tiny"
    return options


def make(name: str, size: str, classes: int) -> TrainedModel:
    """Return a backbone as if it had been trained."""
    side = SIDES[size]
    torch.manual_seed(0)
    model = create_backbone(name, size=size, num_classes=classes, image_size=side)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 2.0)
    machine_ = settle(RunConfig(device="cpu"), {})
    names = tuple(f"class {number}" for number in range(classes))
    normalise = Augment(side).eval()
    return TrainedModel(JobName(name), model.eval(), size, names, normalise, machine_, IMAGES)


def real_images(data: str | None, side: int) -> Tensor:
    """Return some images of as many classes: (N, R, R, 3) uint8."""
    source = open_source(RunConfig(data=data))
    chosen = np.linspace(0, len(source.names) - 1, IMAGES).astype(int).tolist()
    squares = [square(source.read(index, side), side) for index in chosen]
    return torch.from_numpy(np.stack(squares))


def measure(model: TrainedModel, images: Tensor, form: str) -> str:
    """Export, and return the largest difference from torch, beside the largest logit."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        try:
            made = export_model(model, images, Path(place) / f"model.{form}", form=form)
        except ExportError as error:
            told = f"refused: {error}"
        else:
            told = f"{made.difference:.1e} of {made.largest:.2g}, {made.bytes / 1e6:.1f} MB"
    size = f"{model.size}, {count_parameters(model.model) / 1e6:.1f} M"
    seconds = f"{time.monotonic() - began:.0f} s"
    print(f"{model.job} {size} {form}: {told}, {seconds}", file=sys.stderr, flush=True)
    return told


if __name__ == "__main__":
    sys.exit(main())
