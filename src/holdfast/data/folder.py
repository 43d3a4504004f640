"""A folder of images: one sub-folder per class, or train/, val/ and test/ of such."""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from holdfast.data.decode import decode, looks_like_image
from holdfast.data.source import TEST, TRAIN, VAL
from holdfast.data.stamps import Stamps, hash_files
from holdfast.errors import DataError

_SPLIT_NAMES = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}

# Taken for images by name alone, so that a broken one is reported rather than passed over.
_IMAGE_SUFFIX = re.compile(
    r"\.(jpe?g|jpe|jfif|a?png|gif|bmp|dib|tiff?|webp|avif|hei[cf]|jp2|j2k|jpx|jxl"
    r"|p[bgnp]m|tga|ico|mpo|pcx|sgi)",
    re.IGNORECASE,
)
# What lies beside images and is not looked into. Any other name is judged by its content.
_OTHER_SUFFIX = re.compile(
    r"\.(txt|md|rst|[ct]sv|jsonl?|xml|ya?ml|toml|ini|db|log|html?|pdf|py|zip|tar|gz)",
    re.IGNORECASE,
)


class _Entry(NamedTuple):
    name: str
    path: Path
    class_name: str
    part: int


class FolderSource:
    """The images of a folder, ordered by the bytes of their names; built by `open_folder`."""

    def __init__(self, root: Path, entries: Sequence[_Entry], predefined: bool) -> None:
        self.root = root
        self.classes = tuple(sorted({e.class_name for e in entries}, key=str.encode))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._entries = entries
        self._paths = [e.path for e in entries]
        self.names: Sequence[str] = [e.name for e in entries]
        self.labels: NDArray[np.int64] = np.array(
            [numbers[e.class_name] for e in entries], dtype=np.int64
        )
        parts = np.array([e.part for e in entries], dtype=np.int8)
        self.split: NDArray[np.int8] | None = parts if predefined else None

    def digest(
        self, stamp_file: Path | None = None, check_stop: Callable[[], None] | None = None
    ) -> str:
        """Return the sha256 over names, labels, classes and every file's bytes.

        With ``stamp_file``, files that look unchanged since the last call are not read again.
        ``check_stop`` is called after each file and may raise.
        """
        stamps = Stamps(stamp_file, self.root) if stamp_file is not None else None
        files = list(zip(self.names, self._paths, strict=True))
        hashes = hash_files(files, stamps, check_stop)
        rows = list(zip(self.names, self.labels.tolist(), hashes, strict=True))
        return hashlib.sha256(json.dumps([self.classes, rows]).encode()).hexdigest()

    def take(self, indices: NDArray[np.int64], split: NDArray[np.int8]) -> Self:
        """Return a source of these images only, split as given."""
        chosen = zip(indices.tolist(), split.tolist(), strict=True)
        entries = [self._entries[index]._replace(part=part) for index, part in chosen]
        return type(self)(self.root, entries, predefined=True)

    def read(self, index: int, at_least: int | None = None) -> Image.Image:
        """Decode one image (see `decode`); raises BadImage with the reason."""
        return decode(self._paths[index], at_least)


def open_folder(path: Path | str, *, least_classes: int = 2) -> FolderSource:
    """List the images of a folder; none is decoded yet.

    Looked at is every visible file below a class folder that has an image's suffix, or an
    unknown one and an image's first bytes. Links are followed, each real folder once.

    Raises:
        DataError: no such folder, or it may not be listed; no image, too few classes, a class
            without images, two classes with one name, or splits whose classes differ.
    """
    root = Path(path)
    if (mode := _mode(root)) != stat.S_IFDIR:
        found = "cannot be found" if mode is None else "is not a folder"
        raise DataError(f"{root} {found}: give a folder with one sub-folder per class")
    splits = _find_splits(root)
    entries: list[_Entry] = []
    class_sets: dict[str, set[str]] = {}
    for part_folder, part in splits or [(root, TRAIN)]:
        folders = _class_folders(part_folder)
        class_sets[part_folder.name] = {printable(folder.name) for folder in folders}
        for folder in folders:
            entries.extend(_class_entries(root, folder, part))
    _check_classes(root, class_sets, least_classes)
    entries.sort(key=lambda entry: entry.name.encode())
    return FolderSource(root, entries, predefined=bool(splits))


def _find_splits(root: Path) -> list[tuple[Path, int]]:
    """Return the train, val and test folders, or nothing where sub-folders are classes."""
    folders = _class_folders(root)
    named = [(f, _SPLIT_NAMES[f.name.lower()]) for f in folders if f.name.lower() in _SPLIT_NAMES]
    parts = [part for _, part in named]
    if len(set(parts)) < len(parts):
        raise DataError(f"{root} holds {_listed(f.name for f, _ in named)}: keep one of each kind")
    if TRAIN in parts and (len(parts) > 1 or len(folders) == 1):
        return sorted(named, key=lambda pair: pair[1])
    if parts and len(parts) == len(folders):
        raise DataError(f"{root} holds {named[0][0].name}/ but no train/: add it")
    return []


def _class_folders(folder: Path) -> list[Path]:
    return [path for path in _listing(folder) if _mode(path) == stat.S_IFDIR]


def _class_entries(root: Path, folder: Path, part: int) -> list[_Entry]:
    class_name = printable(folder.name)
    entries = [
        _Entry(printable(path.relative_to(root).as_posix()), path, class_name, part)
        for path in _walk(folder, set())
    ]
    if not entries:
        raise DataError(f"{folder} holds no image: add images of this class, or remove the folder")
    return entries


def _walk(folder: Path, visited: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the candidates below a folder; ``visited`` ends loops of links."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    for path in _listing(folder):
        mode = _mode(path)
        if mode == stat.S_IFDIR:
            yield from _walk(path, visited)
        elif _is_candidate(path, mode):
            yield path


def _is_candidate(path: Path, mode: int | None) -> bool:
    named_image = _IMAGE_SUFFIX.fullmatch(path.suffix) is not None
    if mode is None:  # a broken link, say: it is reported if its name promised an image
        return named_image
    if mode != stat.S_IFREG or _OTHER_SUFFIX.fullmatch(path.suffix):
        return False
    return named_image or looks_like_image(path)


def _listing(folder: Path) -> list[Path]:
    """List the visible entries, ordered by the bytes of their names."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208
        os.stat(f"{folder}/.")  # noqa: PTH116 - pathlib drops the dot, which needs the x bit
    except OSError as error:
        raise DataError(
            f"cannot list {printable(str(folder))}: {error.strerror}; make it readable"
        ) from error
    return [folder / name for name in sorted(names, key=os.fsencode)]


def _mode(path: Path) -> int | None:
    """Return the kind of file behind a path or link, None where nothing can be found out."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None


def _check_classes(root: Path, class_sets: dict[str, set[str]], least: int) -> None:
    everything = sorted(set().union(*class_sets.values()))
    if not everything:
        raise DataError(f"{root} holds no class: give a folder with one sub-folder per class")
    _check_duplicates(root, everything)
    if len(everything) < least:
        raise DataError(f"{root} holds one class only, {everything[0]}: at least two are needed")
    train = next(iter(class_sets.values()))
    for part, classes in class_sets.items():
        if unknown := sorted(classes - train):
            raise DataError(f"{root}: {part}/ holds {_listed(unknown)}, train/ does not: add it")
        if missing := sorted(train - classes):
            raise DataError(f"{root}: {part}/ lacks {_listed(missing)}, train/ has it: add it")


def _check_duplicates(root: Path, names: Sequence[str]) -> None:
    """Refuse names that are one name to macOS, to Windows, or in the files of results."""
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()
        if key in seen:
            raise DataError(
                f"{root}: the classes {seen[key]!a} and {name!a} differ only in case, spaces or "
                "accents' encoding: rename or merge one"
            )
        seen[key] = name


def _listed(names: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in names)


def list_images(folder: Path) -> list[Path]:
    """Return the images below a folder, by the rules of `open_folder`, in the order of names.

    Raises:
        DataError: a folder may not be listed.
    """
    return list(_walk(folder, set()))


def printable(name: str) -> str:
    """Spell bytes that are not UTF-8 as ``\\xe9``: a name must not break a log or a report."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
