"""Is this shared directory good enough for a run? Try it on two machines.

    python shared_directory.py /mnt/shared/trial first      # on one machine
    python shared_directory.py /mnt/shared/trial second     # on another, within ten minutes

Each prints what it has found, and ends with 0 if it is all there, else with 1. It tries what
Holdfast builds on, by its own code:

- a lock excludes the other machine, and is free when its holder has died;
- a file that is replaced is never seen half-written, older than before, or not at all;
- what is replaced or appended is seen by the other machine, and when;
- fsync of files and of directories succeeds.

What it cannot try: that what was synced survives a power cut of the server. Export NFS `sync`, and
mount Lustre with `-o flock`, or locks exclude nobody on other machines.
"""

import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.errors import DirectoryInUseError
from holdfast.storage import (
    DirectoryLock,
    append_durably,
    make_directory,
    read_bytes,
    write_atomically,
)

ROUNDS = 100
SIZE = 40_000  # bytes of the file that is replaced
PATIENCE = 600.0  # seconds for the other machine to begin
VISIBLE = 90.0  # for the other machine to see something: NFS may keep attributes for a minute
FREE = 180.0  # for the lock of a dead machine: NFSv4 waits for its lease to end


class Trial:
    """What one of the two machines does and finds."""

    def __init__(self, directory: Path, me: str, other: str) -> None:
        make_directory(directory)
        self._directory, self._me, self._other = directory, me, other
        self.good = True

    def verdict(self, good: bool, text: str) -> None:
        """Print one finding."""
        self.good = self.good and good
        print("✓" if good else "✗", text, flush=True)

    def tell(self, what: str, **news: Any) -> None:
        """Let the other machine read something."""
        write_atomically(self._path(self._me, what), json.dumps(news).encode())

    def hear(self, what: str, seconds: float) -> dict[str, Any]:
        """Wait for what the other machine tells."""
        path = self._path(self._other, what)
        data = wait_for(lambda: read_bytes(path), seconds, f"{self._other} does not tell {path}")
        news: dict[str, Any] = json.loads(data)
        return news

    def _path(self, who: str, what: str) -> Path:
        return self._directory / f"{who}.{what}.json"


def wait_for(look: Callable[[], Any], seconds: float, otherwise: str) -> Any:
    """Return the first answer; ends the process where none comes."""
    end = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > end:
            raise SystemExit(f"✗ after {seconds:.0f} s: {otherwise}")
        time.sleep(0.05)
    return answer


def page(number: int) -> bytes:
    """Return what the replaced file holds in one round, with its own sum."""
    body = f"{number:09d} " + "x" * SIZE
    return f"{body} {zlib.crc32(body.encode())}".encode()


def number_of(data: bytes | None) -> int | None:
    """Read the round off the replaced file; None where it is not whole."""
    body, _, crc = (data or b"").rpartition(b" ")
    return int(body[:9]) if body and crc.isdigit() and zlib.crc32(body) == int(crc) else None


def first(directory: Path) -> int:
    """Hold the lock, write, and die holding it."""
    trial = Trial(directory, "first", "second")
    for leftover in directory.glob("*.json*"):
        leftover.unlink()
    lock = DirectoryLock(directory / ".lock")
    lock.acquire()
    write_atomically(directory / "page", page(0))
    append_durably(directory / "lines", b"")
    trial.verdict(True, "fsync of files and of the directory succeeds")
    print("  now start `second` on the other machine", flush=True)
    trial.tell("holds", size=(directory / "lines").stat().st_size)
    excluded = trial.hear("lock", PATIENCE)["excluded"]
    trial.verdict(excluded, "the lock excludes the other machine")
    for number in range(1, ROUNDS + 1):
        write_atomically(directory / "page", page(number))
        append_durably(directory / "lines", b"%d\n" % number)
    trial.hear("read", 2 * VISIBLE)
    print("  the rest is told by the other machine", flush=True)
    os._exit(0 if trial.good else 1)  # as one that is killed: the lock is not given back


def second(directory: Path) -> int:
    """Try the lock, read what is written meanwhile, and wait for the other's death."""
    trial = Trial(directory, "second", "first")
    start = trial.hear("holds", PATIENCE)["size"]
    lock = DirectoryLock(directory / ".lock")
    trial.tell("lock", excluded=not is_taken(lock))
    watch(trial, directory, start)
    trial.tell("read")
    began = time.monotonic()
    wait_for(lambda: is_taken(lock), FREE, "the lock of a process that has died is not free")
    trial.verdict(True, f"a dead holder's lock is free after {time.monotonic() - began:.1f} s")
    return 0 if trial.good else 1


def is_taken(lock: DirectoryLock) -> bool:
    """Try to take the lock."""
    try:
        lock.acquire()
    except DirectoryInUseError:
        return False
    lock.release()
    return True


def watch(trial: Trial, directory: Path, start: int) -> None:
    """Read the page and the lines again and again until all has arrived."""
    seen, bad, reads, lines = 0, 0, 0, b""
    expected = b"".join(b"%d\n" % number for number in range(1, ROUNDS + 1))
    end = time.monotonic() + VISIBLE
    while (seen < ROUNDS or lines != expected) and time.monotonic() < end:
        number = number_of(read_bytes(directory / "page"))
        bad += number is None or number < seen
        seen, reads = max(seen, number or 0), reads + 1
        lines = read_bytes(directory / "lines", start) or b""
    trial.verdict(bad == 0, f"a replaced file is whole and never older: {reads} reads, {bad} bad")
    trial.verdict(seen == ROUNDS, f"the newest of {ROUNDS} replacements is seen")
    trial.verdict(lines == expected, "every appended line has arrived, in order")
    excluded = read_bytes(directory / "second.lock.json") or b""
    trial.verdict(b"true" in excluded, "the lock excluded this machine")


def main() -> int:
    """Play one of the two parts."""
    parts = {"first": first, "second": second}
    if len(sys.argv) != 3 or sys.argv[2] not in parts:
        print(__doc__)
        return 2
    return parts[sys.argv[2]](Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
