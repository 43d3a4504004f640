"""The guide's ``from utils.checkpoint_manager import CheckpointManager``."""

from holdfast.checkpoint import CheckpointManager

__all__ = ["CheckpointManager"]
