"""``holdfast autostart``, with the systemctl of this machine but no user manager of anybody."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.cli.unit import command_of, unit_path, unit_text
from holdfast.errors import UsageError
from holdfast.rundir import RecoveryState, Started, last_start, record_start, save_state

needs_systemd = pytest.mark.skipif(not shutil.which("systemctl"), reason="no systemd here")
NASTY = [
    *("--data", "two words", "100% $HOME ${x} 'a' \"b\"", "back\\slash \\n", "tab\there;"),
    *("", ";", "-", "ünï→", "line\nline", "%h", "$$", "\\", "a #b", "c,d"),
]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, in which nothing of the real user's systemd can be reached."""
    nowhere = f"unix:path={tmp_path}/none"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "my config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", nowhere)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", nowhere)
    return tmp_path


@pytest.fixture
def run(alone: Path) -> Path:
    """A run that was started once."""
    directory = alone / "leaves" / "checkpoints"
    directory.mkdir(parents=True)
    record_start(directory, Started(["--folds", "0"], str(alone / "leaves"), str(directory)))
    return directory


def autostart(
    verb: str, directory: Path, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", "autostart", verb]
    return subprocess.run(
        [*command, "--checkpoint-dir", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ if path is None else os.environ | {"PATH": path},
    )


def wanted(run: Path) -> Path:
    """Return the link that makes a user's systemd start the unit at boot."""
    path = unit_path(run)
    return path.parent / "default.target.wants" / path.name


@needs_systemd
def test_enabled_unit_starts_the_run_as_it_was_started(run: Path) -> None:
    """The unit stands, systemd's own link to it too, and what is left to do is said."""
    enabled = autostart("enable", run)

    assert enabled.returncode == 1, enabled.stderr
    assert f"✓ Enabled: {unit_path(run)}\n" in enabled.stdout
    assert "✗ It starts only after you log in: loginctl enable-linger failed" in enabled.stdout
    assert wanted(run).resolve() == unit_path(run).resolve()
    assert unit_path(run).read_text() == unit_text(last_start(run))
    assert unit_path(run).name.startswith("holdfast-leaves-checkpoints-")


@needs_systemd
def test_whom_to_notify_is_not_in_the_unit_and_that_is_said(run: Path) -> None:
    """The addresses hold secrets and are recorded nowhere; a boot gets them in another way."""
    silent = autostart("enable", run)
    assert "HOLDFAST_NOTIFY" not in silent.stdout
    last = last_start(run)
    assert last is not None
    record_start(run, Started(last.command, last.cwd, last.directory, notifies=True))
    enabled = autostart("enable", run)
    assert "say HOLDFAST_NOTIFY in ~/.config/environment.d" in enabled.stdout


@needs_systemd
def test_status_tells_what_is_enabled_and_what_is_outdated(run: Path) -> None:
    """Where the unit is, for which run and command; and a later start in another way."""
    before = autostart("status", run)
    autostart("enable", run)
    enabled = autostart("status", run)
    record_start(run, Started(["--folds", "3"], str(run.parent), str(run)))
    outdated = autostart("status", run)
    renewed = autostart("enable", run), autostart("status", run)

    assert (before.returncode, before.stdout[:12]) == (1, "Not enabled:")
    assert "`holdfast autostart enable`" in before.stdout
    assert enabled.returncode == 1  # it would start after a login only
    assert "Enabled:  yes\nAt boot:  no, after a login" in enabled.stdout
    assert f"Run:      {run}\n" in enabled.stdout
    assert f"Command:  cd {run.parent} && {sys.executable} -P -m holdfast train" in enabled.stdout
    assert "--folds 0 --supervise\n" in enabled.stdout
    assert "Now:      active" not in enabled.stdout
    assert "Outdated" not in enabled.stdout
    assert "Outdated: it was last started in another way" in outdated.stdout
    assert "Outdated" not in renewed[1].stdout
    assert "--folds 3 --supervise\n" in renewed[1].stdout


@needs_systemd
def test_reset_says_that_a_reboot_starts_the_run_anew(run: Path) -> None:
    """Who forgets a run learns that systemd does not, and what ends that."""
    autostart("enable", run)
    save_state(run, RecoveryState(backbones=["CustomConvNeXt"]))
    command = [sys.executable, "-m", "holdfast", "reset", "--yes", "--checkpoint-dir", str(run)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert f"`holdfast autostart disable --checkpoint-dir {run}`" in told


@needs_systemd
def test_disable_leaves_nothing(run: Path) -> None:
    """Unit and link are gone; once more is no fault; the run itself is as it was."""
    before = sorted(path.name for path in run.iterdir())
    autostart("enable", run)
    disabled, again = autostart("disable", run), autostart("disable", run)

    assert (disabled.returncode, again.returncode) == (0, 0), disabled.stderr
    assert not unit_path(run).exists()
    assert not wanted(run).is_symlink()
    assert "Not enabled" in again.stdout
    assert autostart("status", run).returncode == 1
    assert sorted(path.name for path in run.iterdir()) == before


def test_without_systemd_it_says_what_to_do(run: Path) -> None:
    """One line with the command for whatever starts things there, exit code 2, nothing written."""
    refused = autostart("enable", run, path="/nonexistent")

    assert refused.returncode == 2
    assert refused.stderr.startswith("holdfast: no systemd here")
    line = f"cd {run.parent} && {sys.executable} -P -m holdfast train --folds 0 --supervise\n"
    assert refused.stderr.endswith(line)
    assert not unit_path(run).exists()


def test_run_that_does_not_know_its_command_is_refused(run: Path, alone: Path) -> None:
    """No run, one that `holdfast train` never started, one moved since: exit code 2, one line."""
    (alone / "own loop").mkdir()
    moved = run.rename(alone / "moved")
    for directory in (alone / "none", alone / "own loop", moved):
        refused = autostart("enable", directory)
        assert refused.returncode == 2
        assert "`holdfast train`" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert not unit_path(directory).exists()


def shown_by_systemd(words: list[str]) -> list[str]:
    """Return words as systemd shows them: $$ becomes $ only when it starts them."""
    doubled = [word.replace("$", "$$") for word in words]
    return [word.replace("\n", "\\n").replace("\t", "\\t") for word in doubled]


def split_by_shell(line: str) -> list[str]:
    """Return the words of a line that is quoted for a shell."""
    script = ["sh", "-c", f"printf '%s\\0' {line}"]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout.split("\0")[
        :-1
    ]


def read_by_systemd(unit: Path, runtime: Path) -> dict[str, str]:
    """Return what systemd itself makes of a unit: `systemd-analyze verify` tells, if asked."""
    read = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "debug", "XDG_RUNTIME_DIR": str(runtime)},
    )
    assert read.returncode == 0, read.stderr[-2000:]
    assert [line for line in read.stderr.splitlines() if f"{unit}:" in line] == []
    lines = [line.strip().partition(": ") for line in read.stdout.splitlines()]
    return {key: value for key, _, value in lines}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_reads_back_every_argument(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, quotes, %, $, backslashes, line breaks: systemd gets the very same command."""
    home = alone / '100% o\'f $HOME "x" \\y'
    home.mkdir()
    program = home / "py $x%h 'y'=\\z"
    monkeypatch.setattr(sys, "executable", str(program))
    unit = alone / "holdfast-x.service"
    unit.write_text(unit_text(Started(NASTY, str(home), str(home))))

    read = read_by_systemd(unit, alone)

    by_sh = ["/bin/sh", "-c", 'exec "$0" "$@"']
    training = [str(program), "-P", "-m", "holdfast", "train", *NASTY, "--supervise"]
    assert split_by_shell(read["Command Line"]) == shown_by_systemd([*by_sh, *training])
    assert read["WorkingDirectory"] == str(home)
    assert read["Description"] == f"Holdfast: training in {home}"
    assert (read["KillMode"], read["KillSignal"], read["Restart"]) == (
        *("mixed", "SIGTERM", "on-failure"),
    )


def test_command_for_a_shell_is_the_same(alone: Path) -> None:
    """The line at the head of the unit does what the unit does, typed by hand."""
    words = [word for word in NASTY if "\n" not in word]
    line = command_of(unit_text(Started(words, str(alone), str(alone))))

    assert shlex.split(line)[:3] == ["cd", str(alone), "&&"]
    assert shlex.split(line)[8:-1] == words


@pytest.mark.parametrize("name", ["line\nline", "ends in space ", "ends in \\"])
def test_directory_that_no_unit_can_name_is_refused(name: str, alone: Path) -> None:
    """Better no unit than one that starts somewhere else."""
    with pytest.raises(UsageError, match="no systemd unit can name this directory"):
        unit_text(Started([], str(alone / name), str(alone)))


def test_each_run_has_a_unit_of_its_own(alone: Path) -> None:
    """Runs whose directories look alike do not share a unit."""
    names = {unit_path(alone / name).name for name in ("a b", "a-b", "a/b", "ü", "→")}
    assert len(names) == 5
    assert all(name.isascii() and " " not in name for name in names)
