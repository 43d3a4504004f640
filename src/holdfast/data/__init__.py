"""From a folder of images to batches: list, decode once, split, augment."""

from holdfast.data.augment import Augment, resize_for
from holdfast.data.cache import ImageCache, find_cache, prepare
from holdfast.data.dataset import ImageSet
from holdfast.data.decode import BadImage, decode, square
from holdfast.data.folder import FolderSource, list_images, open_folder, printable
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
    "find_cache",
    "fold_indices",
    "has_room",
    "list_images",
    "on_device",
    "open_folder",
    "place",
    "prepare",
    "printable",
    "resize_for",
    "split_indices",
    "spread_over_classes",
    "square",
]
