"""Using what a run has trained: its models, what they say of its images, and their vote."""

from holdfast.inference.ensemble import choose_weights, soft_vote
from holdfast.inference.model import TrainedModel
from holdfast.inference.trained import TrainedRun, open_trained

__all__ = ["TrainedModel", "TrainedRun", "choose_weights", "open_trained", "soft_vote"]
