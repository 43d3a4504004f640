"""What a child process asks of the kernel, and faults injected there."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

_EFFECTS = "/^(open|p?write|f(data)?sync|rename|link|unlink|f?truncate|sendfile|copy_file|mkdir)"
_CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")


@dataclass(frozen=True)
class Call:
    """One system call."""

    name: str
    paths: tuple[str, ...]
    arguments: str
    failed: bool


def traced(
    code: str, *arguments: str | Path, about: Path, work: Path, fault: str | None = None
) -> list[Call]:
    """Run ``code`` in a child and return its effects on ``about`` and below, in order."""
    log = work / "strace.log"
    options = ["-y", "-o", str(log), "-e", f"trace={_EFFECTS}"]
    child = _run([*options, *(["-e", f"inject={fault}"] if fault else [])], code, arguments)
    assert fault or child.returncode == 0, child.stderr
    calls = [_parse(line, str(about)) for line in log.read_text().splitlines()]
    return [call for call in calls if call is not None]


def injected(fault: str, code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a child that meets a fault such as ``fsync:signal=SIGKILL:when=2``."""
    name = fault.partition(":")[0]
    return _run(
        ["-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={fault}"], code, arguments
    )


def _run(
    options: list[str], code: str, arguments: tuple[str | Path, ...]
) -> subprocess.CompletedProcess[str]:
    if not _works():
        pytest.skip("strace is not installed, or may not trace here")
    command = ["strace", "-f", *options, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@cache
def _works() -> bool:
    if shutil.which("strace") is None:
        return False
    probe = ["strace", "-f", "-o", "/dev/null", "-e", "trace=/^rename", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _parse(line: str, about: str) -> Call | None:
    match = _CALL.match(line)
    if match is None:
        return None
    name = match["name"].rstrip("0123456789").removesuffix("at")  # renameat2 is a rename
    whole = re.findall(r'["<](/[^">]*)[">]', match["arguments"])
    paths = tuple(path for path in whole if path == about or path.startswith(about + "/"))
    failed = match["result"].startswith("-")
    return Call(name, paths, match["arguments"], failed) if paths else None
