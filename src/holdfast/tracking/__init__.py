"""Bridges to other tools: TensorBoard, MLflow, notifications; the training waits for none.

Nothing of this needs the tools' packages before one is asked for.
"""

from holdfast.tracking.notify import NOTIFY, Notifier, addresses
from holdfast.tracking.opening import check_tools, following
from holdfast.tracking.stall import StallWatch

__all__ = [
    "NOTIFY",
    "Notifier",
    "StallWatch",
    "addresses",
    "check_tools",
    "following",
]
