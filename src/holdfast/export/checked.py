"""A model is exported when its file has been run and says what the model says; not before."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from holdfast.errors import ExportError, HoldfastError
from holdfast.export.deployed import unit_images
from holdfast.export.formats import DEFAULT_OPSET, FORMATS, Runner
from holdfast.inference import TrainedModel, computing_as
from holdfast.storage import make_directory, write_atomically

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where that is smaller: how far a logit may be off."""


@dataclass(frozen=True)
class Exported:
    """A file that was run and compared."""

    path: Path
    bytes: int
    difference: float
    """The largest of any logit from torch's."""
    tolerance: float
    largest: float
    """The largest logit."""
    batches: tuple[int, ...]
    """The numbers of images it was run with at a time."""


def export_model(
    trained: TrainedModel,
    images: Tensor,
    target: Path,
    *,
    form: str = "onnx",
    opset: int = DEFAULT_OPSET,
    about: Mapping[str, str] | None = None,
) -> Exported:
    """Write a trained model to ``target``, once its bytes have been run and compared with it.

    Args:
        trained: on the CPU.
        images: real ones to compare on, (N, R, R, 3) uint8 as decoded; the more, the better.
        target: the file, written whole or not at all.
        form: onnx, pt2 or safetensors.
        opset: of ONNX.
        about: what else travels with the model.

    Raises:
        ExportError: it cannot be exported, or differs by more than the tolerance; no file is
            written then, and one that was there stays.
        UsageError: a package that the format needs is not installed.
        StorageError: the disk refused.
    """
    maker = FORMATS[form]
    batches = tuple(sorted({1, min(3, len(images)), len(images)}))
    # captured programs refuse tensors that were made in inference mode
    with computing_as(trained.machine), torch.inference_mode(False), torch.no_grad():
        wanted = trained.model(trained.normalise(images)).float()
        with _told(trained, form):
            data = maker.make(trained, about or {}, opset)
            run = maker.load(data, trained)
            difference = _difference(run, unit_images(trained, images), wanted, batches)
    largest = wanted.abs().max().item()
    tolerance = TOLERANCE * max(1.0, largest)
    if not difference <= tolerance:  # NaN is not
        raise ExportError(
            f"{trained.job}: the {form} file differs from torch by {difference:.1e}, more than "
            f"{tolerance:.1e}; it is not kept"
        )
    make_directory(target.parent)
    write_atomically(target, data)
    return Exported(target, len(data), difference, tolerance, largest, batches)


def _difference(run: Runner, images: Tensor, wanted: Tensor, batches: Sequence[int]) -> float:
    """Return the largest difference of any logit, over the first images at each batch size."""
    logits = [(run(images[:count].contiguous()), wanted[:count]) for count in batches]
    return max((got - want).abs().max().item() for got, want in logits)


@contextmanager
def _told(trained: TrainedModel, form: str) -> Iterator[None]:
    """Say in one line what torch, onnxscript or onnxruntime refuse, by whatever exception."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        lines = _COLOURS.sub("", str(error)).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0][:200]}"
        raise ExportError(f"{trained.job}: cannot be exported as {form}: {reason}") from error
