"""A real file system of our own, on a loop device, whose power can be cut."""

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

KINDS = ("ext4", "xfs")
SIZE = 300 << 20  # mkfs.xfs makes none smaller
_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
LOG_FLUSHED, NOT_FLUSHED = 1, 2


@dataclass(frozen=True)
class LoopDisk:
    """A mounted file system."""

    kind: str
    image: Path
    where: Path

    def mount(self) -> None:
        """Mount it; the file system's own log is replayed here after a cut."""
        _run("mount", "-o", "loop", str(self.image), str(self.where))

    def unmount(self) -> None:
        """Unmount it and free the loop device; somebody may still be looking at it."""
        for _ in range(50):
            if _run("umount", str(self.where), check=False).returncode == 0:
                return
            time.sleep(0.05)
        _run("umount", str(self.where))

    def cut(self, how: int = NOT_FLUSHED) -> None:
        """Stop every write from reaching the disk, from now until the next mount."""
        descriptor = os.open(self.where, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """Come back with what the disk has, and nothing of what only memory had."""
        self.unmount()
        self.mount()

    def fail(self) -> None:
        """Have ext4 find an error and make itself read-only under whoever writes."""
        _run("mount", "-o", "remount,errors=remount-ro", str(self.where))
        found = _run("findmnt", "-no", "SOURCE", str(self.where)).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(found).name}/trigger_fs_error").write_text("1")


@cache
def why_not(kind: str) -> str | None:
    """Say why there can be no such disk here; None where there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "mounting and cutting the power of a file system takes root"
    for command in (f"mkfs.{kind}", "mount", "umount"):
        if shutil.which(command) is None:
            return f"{command} is not installed"
    try:
        with loop_disk(kind) as disk:
            disk.cut()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no {kind} on a loop device here: {getattr(error, 'stderr', error)}".strip()
    return None


@contextmanager
def loop_disk(kind: str) -> Iterator[LoopDisk]:
    """Make a file system in a file and mount it; it is gone afterwards, whatever happened."""
    # not below pytest's own directory: what a killed test leaves mounted would be in its way;
    # in memory where that can be, since a cut is a matter of the file system, not of its device
    with tempfile.TemporaryDirectory(prefix="holdfast-disk-", dir=_memory()) as home:
        disk = LoopDisk(kind, Path(home) / "image", Path(home) / "mount")
        disk.where.mkdir()
        with disk.image.open("wb") as file:
            file.truncate(SIZE)
        _run(f"mkfs.{kind}", "-q", str(disk.image))
        disk.mount()
        try:
            yield disk
        finally:
            _unmount_at_last(disk)


def _memory() -> str | None:
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 2 * SIZE
    return str(shared) if roomy else None


def _unmount_at_last(disk: LoopDisk) -> None:
    if (
        str(disk.where) not in Path("/proc/self/mounts").read_text()
    ):  # a stat would fail after a cut
        return
    try:
        disk.unmount()
    except subprocess.CalledProcessError:
        _run("umount", "--lazy", str(disk.where))


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=check)
