"""Commands as a page shows them, typed in a directory of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import typer

from holdfast.cli import app

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block of code."""
    return BLOCK.findall(page)


def commands_of(page: str) -> list[str]:
    """Return each line of the ``sh`` blocks, without its comment."""
    shells = [block for language, block in blocks_of(page) if language == "sh"]
    lines = (line.split("  #")[0].strip() for block in shells for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def is_known(command: str) -> bool:
    """Tell whether a command exists, and each of its options."""
    found = typer.main.get_command(app)
    words = command.partition(" -- ")[0].split()  # what follows is another program's
    while words and hasattr(found, "commands") and words[0] in found.commands:
        found = found.commands[words.pop(0)]
    options = {option for param in found.params for option in param.opts} | {"--help"}
    first_is_none = bool(words) and not words[0].startswith("-") and hasattr(found, "commands")
    return not first_is_none and {w for w in words if w.startswith("--")} <= options


def shown_in(page: str) -> list[str]:
    """Return what follows ``holdfast`` wherever a page shows it typed, in a block of any shell."""
    shells = [block for language, block in blocks_of(page) if language in ("sh", "console")]
    lines = "\n".join(shells).replace("\\\n", " ")
    return re.findall(
        r"^(?:\$ |[A-Z_]+=\S+ |timeout .*? )*holdfast ([^\n|&#]*)", lines, re.MULTILINE
    )


def run_in(home: Path, command: str) -> subprocess.Popen[str]:
    """Type a command in ``home``, with the project's own commands on the path.

    One thread: several would wait for each other wherever something else runs beside.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=home,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end_of(child: subprocess.Popen[str], within: float = 600.0) -> str:
    """Return what a command printed, when it has ended; one that does not is killed."""
    try:
        return child.communicate(timeout=within)[0]
    finally:
        child.kill()


def begin(command: str, home: Path, journal: str = "checkpoints/journal.jsonl") -> str:
    """Run a training command until it trains, ask it to stop, and return what it printed.

    ``journal`` is where the run's is, or a pattern of that.
    """
    known = {path: path.stat().st_size for path in home.glob(journal)}
    child = run_in(home, command)
    while not any(b'"job_' in p.read_bytes()[known.get(p, 0) :] for p in home.glob(journal)):
        assert child.poll() is None, end_of(child)
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    output = end_of(child)
    assert child.returncode == 143, output
    return output
