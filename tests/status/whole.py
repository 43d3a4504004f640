"""Files that look like checkpoints to whoever only looks: a zip with a record in it."""

import zipfile
from pathlib import Path


def write_whole(path: Path) -> int:
    """Write such a file and return its size."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"weights")
    return path.stat().st_size
