"""Small real disks, mounted for the length of a test."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(options: str) -> Iterator[Path]:
    """Mount a tmpfs; skip the test where that is not permitted."""
    # not below pytest's own directory: what a killed test leaves mounted would be in its way
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", options, "holdfast-test", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this system has no mount command")
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


@contextmanager
def read_only(where: Path) -> Iterator[None]:
    """Make a disk mounted by `mounted` read-only while the block runs."""
    subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(where)], check=True)
