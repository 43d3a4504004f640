"""Where in a save a process can be killed: its disk calls, read off strace."""

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from peers.launch import Place

_TRACED = "/^(p?writev?(64)?|f(data)?sync|rename|unlink|rmdir|f?truncate|mkdir|sendfile|copy_file)"
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)")


@dataclass(frozen=True)
class Call:
    """The ``number``-th call of ``name`` in the main thread."""

    name: str
    number: int
    shown: str

    @property
    def kill(self) -> list[str]:
        """The start of a command line whose process dies as it makes this call."""
        fault = f"inject={self.name}:signal=SIGKILL:when={self.number}"
        return ["strace", "-f", "-o", "/dev/null", "-e", f"trace={self.name}", "-e", fault]


def available() -> bool:
    """Tell whether strace is here."""
    return shutil.which("strace") is not None


def disk_calls(place: Place) -> list[Call]:
    """Run a loop to its end; return its calls that change its checkpoints or temporary files."""
    place.clear()
    log = place.folder / "strace.log"
    before = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={_TRACED}"]
    outcome = place.start(name="traced", before=before).end()
    if outcome.code != 0:
        raise RuntimeError(f"strace does not work here: {outcome.output[-500:]}")
    return _calls(log, (place.checkpoints, place.tmp))


def _calls(log: Path, folders: tuple[Path, ...]) -> list[Call]:
    starts = tuple(f"{quote}{folder}" for folder in folders for quote in '<"')
    counts: Counter[str] = Counter()
    found, main = [], None
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        main = main or match["pid"]
        if match["pid"] == main:
            counts[match["name"]] += 1
            if any(start in match["arguments"] for start in starts):
                found.append(Call(match["name"], counts[match["name"]], line))
    return found
