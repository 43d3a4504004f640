"""Writing small image files, and looking at what a cache made of them."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_image(path: Path, number: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    """Write a small picture of noise, another one for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "PNG")
    return path


def hash_of(name: str) -> int:
    """Turn a name into the same number in every process."""
    return int.from_bytes(name.encode("utf-8", "surrogateescape")[:6], "big")


def contents(directory: Path) -> dict[str, bytes]:
    """Every byte of the decoded caches: their directories, without stamps and lock."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.glob("*/*"))
    }


def dates(directory: Path) -> dict[str, int]:
    """When each shard was written, to the nanosecond: tells which were done again."""
    return {path.name: path.stat().st_mtime_ns for path in directory.glob("*/images_*.npy")}
