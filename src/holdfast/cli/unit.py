"""The systemd user unit of a run: its name, its place, its text."""

import hashlib
import os
import re
import shlex
import sys
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.rundir import Started
from holdfast.storage.objects import named

_UNIT = """# Written by `holdfast autostart enable`; `holdfast autostart disable` removes it.
# {by_hand}
[Unit]
Description=Holdfast: training in {directory}

[Service]
Type=simple
WorkingDirectory={cwd}
ExecStart={command}
# The supervisor starts again what dies; this is for when the supervisor itself does. After 1
# (finished, or given up) and 2 to 4 another start would not help; 130 and 143 are polite stops.
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=1 2 3 4
SuccessExitStatus=130 143
OOMPolicy=continue
# The supervisor alone is asked to stop; it passes that on, and the training saves.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=5min

[Install]
WantedBy=default.target
"""


def unit_path(where: str | Path) -> Path:
    """Return where the unit of a run stands, or would."""
    whole = Path(named(where))
    digest = hashlib.sha256(os.fsencode(named(where))).hexdigest()[:8]
    slug = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(whole.parts[-2:])).strip("-")[:60]
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return home / "systemd" / "user" / f"holdfast-{slug}-{digest}.service"


def _supervised(started: Started) -> list[str]:
    arguments = [*started.command, "--supervise"]
    return [sys.executable, "-P", "-m", "holdfast", "train", *arguments]


def unit_text(started: Started) -> str:
    """Return the unit that starts the run as it was started last.

    Raises:
        UsageError: its directory has a name that no unit can hold.
    """
    # by way of sh, because systemd refuses a program whose path has quotes or backslashes
    words = ["/bin/sh", "-c", 'exec "$0" "$@"', *_supervised(started)]
    return _UNIT.format(
        by_hand=by_hand(started),
        directory=_bare(started.directory),
        cwd=_bare(started.cwd),
        command=" ".join(map(_quoted, words)),
    )


def by_hand(started: Started) -> str:
    """Return the same as one line for a shell."""
    line = f"cd {shlex.quote(started.cwd)} && {shlex.join(_supervised(started))}"
    return " ".join(line.splitlines())


def command_of(unit: str) -> str:
    """Return the line for a shell that a unit's text has at its head."""
    return unit.splitlines()[1].removeprefix("# ")


def _quoted(word: str) -> str:
    """Return a word of a command as systemd reads it back (systemd.service, "Command lines")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("%", "%%").replace("$", "$$")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


def _bare(directory: str) -> str:
    """Return a directory for a line that knows neither quotes nor escapes."""
    if directory != directory.strip() or directory.endswith("\\") or not directory.isprintable():
        raise UsageError(f"{directory!r}: no systemd unit can name this directory; rename it")
    return directory.replace("%", "%%")
