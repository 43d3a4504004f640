"""The formats: each makes a file's bytes of a trained model, and runs such bytes again."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from holdfast.backbones import create_backbone
from holdfast.errors import ExportError, UsageError
from holdfast.export.deployed import IMAGES, LOGITS, Deployed, card
from holdfast.inference import TrainedModel

Runner = Callable[[Tensor], Tensor]
"""Takes images (N, 3, S, S) in 0 to 1 to logits."""

DEFAULT_OPSET = 18  # what torch's own translations are written in; others are converted
CARD = "holdfast.json"
"""The extra file of a ``.pt2``."""


class Format(Protocol):
    """One way of writing a model down."""

    def make(self, trained: TrainedModel, about: Mapping[str, str], opset: int) -> bytes:
        """Return the file's bytes."""

    def load(self, data: bytes, trained: TrainedModel) -> Runner:
        """Return what runs those bytes, on the CPU, by nothing but what they hold."""


class Onnx:
    """ONNX, with weights inside; run by onnxruntime."""

    def make(self, trained: TrainedModel, about: Mapping[str, str], opset: int) -> bytes:
        """See `Format`."""
        _need("onnx", "onnxscript")
        program = _captured(trained)
        with _quiet(), sdpa_kernel(SDPBackend.MATH):
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=opset,
                input_names=[IMAGES],
                output_names=[LOGITS],
                verbose=False,
            )
        assert made is not None
        proto = made.model_proto
        (version,) = (one.version for one in proto.opset_import if not one.domain)
        if version != opset:  # where it cannot convert, torch keeps its own
            raise ExportError(
                f"{trained.job}: cannot be exported as onnx with opset {opset}, only with {version}"
            )
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
        for name, text in card(trained, about, normalised_inside=True).items():
            proto.metadata_props.add(key=name, value=text)
        data: bytes = proto.SerializeToString()
        return data

    def load(self, data: bytes, trained: TrainedModel) -> Runner:
        """See `Format`."""
        _need("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run([LOGITS], {IMAGES: images.numpy()})[0])


class Pt2:
    """A program of `torch.export`; run by torch alone, without Holdfast."""

    def make(self, trained: TrainedModel, about: Mapping[str, str], opset: int) -> bytes:
        """See `Format`."""
        buffer = io.BytesIO()
        text = json.dumps(card(trained, about, normalised_inside=True))
        with _quiet():
            torch.export.save(_captured(trained), buffer, extra_files={CARD: text})
        return buffer.getvalue()

    def load(self, data: bytes, trained: TrainedModel) -> Runner:
        """See `Format`."""
        with _quiet():
            runner: Runner = torch.export.load(io.BytesIO(data)).module()
        return runner


class Safetensors:
    """The weights as they were trained, for whoever has the backbone's code."""

    def make(self, trained: TrainedModel, about: Mapping[str, str], opset: int) -> bytes:
        """See `Format`."""
        _need("safetensors")
        from safetensors.torch import save

        weights = {name: w.contiguous() for name, w in trained.model.state_dict().items()}
        told = {"format": "pt", **card(trained, about, normalised_inside=False)}
        data: bytes = save(weights, metadata=told)
        return data

    def load(self, data: bytes, trained: TrainedModel) -> Runner:
        """See `Format`."""
        from safetensors.torch import load

        model = create_backbone(
            trained.job.backbone,
            size=trained.size,
            num_classes=len(trained.classes),
            image_size=trained.normalise.image_size,
        )
        model.load_state_dict(load(data))
        mean, std = (
            part.reshape(3, 1, 1) for part in (trained.normalise.mean, trained.normalise.std)
        )
        plain = model.eval()
        return lambda images: plain((images - mean) / std)


FORMATS: dict[str, Format] = {"onnx": Onnx(), "pt2": Pt2(), "safetensors": Safetensors()}
"""By the ending of their files' names."""


def _captured(trained: TrainedModel) -> torch.export.ExportedProgram:
    """Return the model's operations, for any number of images."""
    deployed = Deployed(trained)
    side = trained.normalise.image_size
    some = torch.zeros(3, 3, side, side)  # captured from more than one, or else one is built in
    batch = torch.export.Dim("batch", min=1)
    # flash attention lays out its result in memory in its own way, which would be built in
    with _quiet(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        return torch.export.export(deployed, (some,), dynamic_shapes=({0: batch},))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch and onnxscript tell their own makers from the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _need(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            raise UsageError(f"this format needs {module}: pip install 'holdfast[onnx]'")
