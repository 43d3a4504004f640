"""From a folder of images to batches: list, decode once, split, augment."""

from holdfast.data.augment import Augment, resize_for
from holdfast.data.cache import ImageCache, prepare
from holdfast.data.dataset import ImageSet
from holdfast.data.decode import BadImage, decode
from holdfast.data.folder import FolderSource, open_folder
from holdfast.data.placed import PlacedSet, has_room, on_device, place
from holdfast.data.source import TEST, TRAIN, VAL, DigitsSource, Source, demo_digits
from holdfast.data.split import Split, fold_indices, split_indices, spread_over_classes

__all__ = [
    "Augment",
    "BadImage",
    "DigitsSource",
    "FolderSource",
    "ImageCache",
    "ImageSet",
    "PlacedSet",
    "Source",
    "Split",
    "TEST",
    "TRAIN",
    "VAL",
    "decode",
    "demo_digits",
    "fold_indices",
    "has_room",
    "on_device",
    "open_folder",
    "place",
    "prepare",
    "resize_for",
    "split_indices",
    "spread_over_classes",
]
