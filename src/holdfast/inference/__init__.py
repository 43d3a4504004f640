"""Using what a run has trained: its models, what they say of images, and their vote."""

from holdfast.inference.classifier import BEST, ENSEMBLE, Classifier, Guess, choose, load
from holdfast.inference.computing import computing_as
from holdfast.inference.decoding import decoded, find_images
from holdfast.inference.ensemble import choose_weights, soft_vote
from holdfast.inference.labelled import Labelled, open_labelled
from holdfast.inference.model import TrainedModel
from holdfast.inference.trained import TrainedRun, open_trained

__all__ = [
    "BEST",
    "Classifier",
    "ENSEMBLE",
    "Guess",
    "Labelled",
    "TrainedModel",
    "TrainedRun",
    "choose",
    "choose_weights",
    "computing_as",
    "decoded",
    "find_images",
    "load",
    "open_labelled",
    "open_trained",
    "soft_vote",
]
