"""``holdfast autostart``: a systemd user unit that continues the run after a reboot."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from holdfast.cli.faults import check_directory, say
from holdfast.cli.unit import by_hand, command_of, unit_path, unit_text
from holdfast.errors import UsageError
from holdfast.rundir import Started, last_start
from holdfast.storage import make_directory, remove, write_atomically
from holdfast.storage.objects import is_url, named, viewed

_say = functools.partial(say, stderr=False)

LEFT_TO_DO = 1
"""Exit code: the run does not continue after a reboot yet."""


def enable(where: str | Path) -> int:
    """Write and enable the unit; return 0 if systemd will start it at boot.

    Raises:
        UsageError: nothing says how the run was started, or there is no systemd here.
    """
    started = _last_start(where)
    if shutil.which("systemctl") is None:
        raise UsageError(f"no systemd here: let this system run, at boot, {by_hand(started)}")
    path = unit_path(where)
    make_directory(path.parent)
    write_atomically(path, unit_text(started).encode(errors="surrogateescape"))
    manager = _systemctl("daemon-reload")
    enabled = _install("enable", path.name)
    if enabled.returncode != 0:
        remove(path)
        raise UsageError(
            f"{path}: systemctl --user enable failed: {_reason(enabled)}; mend that, or let this "
            f"system run, at boot, {by_hand(started)}"
        )
    _say(f"✓ Enabled: {path}")
    if manager.returncode == 0:
        _say(f"  Start it now, not only at boot: systemctl --user start {path.name}")
    else:
        _say(f"  No systemd of yours runs now to be told of it ({_reason(manager)})")
    if is_url(where):
        _say("  A boot has no credentials of this shell: put them in ~/.config/environment.d")
    if started.notifies:
        _say(
            "  A boot does not know whom to notify: say HOLDFAST_NOTIFY in ~/.config/environment.d"
        )
    return _linger()


def disable(where: str | Path) -> int:
    """Stop the unit's training, which saves, and remove the unit; return 0.

    Raises:
        UsageError: systemd refuses.
    """
    path = unit_path(where)
    if not path.exists():
        _say(f"Not enabled: there is no {path}")
        return 0
    if _running(path.name) == "active":
        _check("stop", _systemctl("stop", path.name))
    _check("disable", _install("disable", path.name))
    remove(path)
    _systemctl("daemon-reload")
    _say(f"✓ Disabled: {path} is removed")
    return 0


def show(where: str | Path) -> int:
    """Print how autostart stands; return 0 if the run continues after a reboot."""
    path = unit_path(where)
    if not path.exists():
        _say(f"Not enabled: there is no {path}; `holdfast autostart enable` makes it")
        return LEFT_TO_DO
    enabled = _install("is-enabled", path.name).stdout.strip() == "enabled"
    lingers = _lingers()
    unit = path.read_text(encoding="utf-8", errors="surrogateescape")
    with viewed(where) as directory:
        started = last_start(directory)
    _say(f"Unit:     {path}")
    _say(f"Enabled:  {'yes' if enabled else f'no: systemctl --user enable {path.name}'}")
    _say(f"At boot:  {'yes' if lingers else f'no, after a login: {_ENABLE_LINGER}'}")
    _say(f"Now:      {_running(path.name)}")
    _say(f"Run:      {named(where)}")
    _say(f"Command:  {command_of(unit)}")
    if started is not None and unit != unit_text(started):
        _say("Outdated: it was last started in another way; `enable` takes that over")
    return 0 if enabled and lingers else LEFT_TO_DO


def _last_start(where: str | Path) -> Started:
    with viewed(where) as directory:
        check_directory(directory)
        started = last_start(directory)
    if started is None or started.directory != named(where):
        raise UsageError(
            f"{where}: how the run was started here is not recorded; run `holdfast train` "
            "once, as it shall be continued"
        )
    return started


_ENABLE_LINGER = "loginctl enable-linger"


def _linger() -> int:
    """Let the user's units start at boot, before a login."""
    done = _run(*_ENABLE_LINGER.split())
    if done.returncode == 0:
        _say("✓ Lingering: it starts at boot, without a login")
        return 0
    _say(f"✗ It starts only after you log in: {_ENABLE_LINGER} failed ({_reason(done)})")
    _say(f"  Left to do, perhaps as root: {_ENABLE_LINGER} {os.getuid()}")
    return LEFT_TO_DO


def _lingers() -> bool:
    asked = _run("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
    return asked.returncode == 0 and asked.stdout.strip() == "yes"


def _running(name: str) -> str:
    """Return active, inactive, failed … or why nobody knows."""
    asked = _systemctl("is-active", name)
    return asked.stdout.strip() or f"unknown ({_reason(asked)})"


def _check(verb: str, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise UsageError(
            f"systemctl --user {verb} failed: {_reason(done)}; mend that, and run the same command "
            "again"
        )


def _install(verb: str, name: str) -> subprocess.CompletedProcess[str]:
    """Enable, disable or ask; where the user's systemd does not run, systemctl does it alone."""
    runs = _systemctl("show", "--property=Version").returncode == 0
    return _systemctl(verb, name, SYSTEMD_OFFLINE="0" if runs else "1")


def _systemctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run("systemctl", "--user", *arguments, **environment)


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | environment
        )
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
