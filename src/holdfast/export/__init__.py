"""Trained models as files for other runtimes: ONNX, torch.export, safetensors."""

from holdfast.export.checked import TOLERANCE, Exported, export_model
from holdfast.export.deployed import Deployed
from holdfast.export.formats import DEFAULT_OPSET, FORMATS

__all__ = ["DEFAULT_OPSET", "Deployed", "Exported", "FORMATS", "TOLERANCE", "export_model"]
