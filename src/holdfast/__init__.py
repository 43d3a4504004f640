"""Holdfast trains a whole series of image backbones to completion on machines that crash.

>>> import holdfast
>>> run = holdfast.open("checkpoints")

Importing it imports no torch; the names below are loaded when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.checkpoint import CheckpointManager
    from holdfast.config import BACKBONES
    from holdfast.inference import load
    from holdfast.training import open_run as open  # noqa: A004 - as in gzip.open

__version__ = "0.1.0"

__all__ = ["BACKBONES", "CheckpointManager", "load", "open"]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "BACKBONES":
        from holdfast.config import BACKBONES

        return BACKBONES
    if name == "CheckpointManager":
        from holdfast.checkpoint import CheckpointManager

        return CheckpointManager
    if name == "load":
        from holdfast.inference import load

        return load
    if name == "open":
        from holdfast.training import open_run

        return open_run
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
