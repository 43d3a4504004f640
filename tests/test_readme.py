"""Every command and code block of the README does what the README says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from holdfast.config import resolve
from tests.commands import begin, blocks_of, commands_of, end_of, run_in

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks_of(README)
COMMANDS = commands_of(README)
TRAINING = [command for command in COMMANDS if re.match("holdfast train ", command)]
AUTOSTART = [command for command in COMMANDS if command.startswith("holdfast autostart")]
PROVING = [command for command in COMMANDS if command.startswith("holdfast prove")]
APART = TRAINING + AUTOSTART + PROVING
QUICK = [c for c in COMMANDS if c.startswith("holdfast") and c not in APART]


@pytest.fixture(scope="module")
def sandbox(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``photos`` and the README's ``settings.toml``, and a run just begun."""
    home = tmp_path_factory.mktemp("readme")
    (home / "photos").symlink_to(digits_folder)
    (settings,) = (block for language, block in BLOCKS if language == "toml")
    (home / "settings.toml").write_text(settings)
    begin("holdfast train --config settings.toml --checkpoint-dir checkpoints", home)
    return home


def test_every_command_is_known() -> None:
    """A command added to the README is a make target, the activation, or run below."""
    others = set(COMMANDS) - set(QUICK) - set(APART)

    assert others == {"make train", "make test", ". .venv/bin/activate"}
    assert len(TRAINING) == 4
    assert len(QUICK) == 6
    assert AUTOSTART == ["holdfast autostart enable"]
    assert len(PROVING) == 2


@pytest.mark.parametrize("target", ["train", "test"])
def test_make_targets_exist(target: str) -> None:
    """make train runs the main job and make test the suite, each making .venv first."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    plan = subprocess.run(
        ["make", "-n", "-B", target],
        cwd=ROOT,
        env=outside,  # this test itself may run under make
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "venv" in plan
    assert {"train": "holdfast train", "test": "pytest"}[target] in plan.splitlines()[-1]


@pytest.mark.parametrize("command", TRAINING)
def test_training_commands_train(command: str, sandbox: Path, tmp_path: Path) -> None:
    """Each training command really starts to train, and stops when asked to."""
    for name in ("photos", "settings.toml"):
        (tmp_path / name).symlink_to(sandbox / name)

    assert "saved. The same command goes on" in begin(command, tmp_path)
    assert list((tmp_path / "checkpoints").glob("*_head_epoch0*.pth"))


@pytest.mark.parametrize("command", PROVING)
def test_proofs_begin(command: str, tmp_path: Path) -> None:
    """Each proof starts, and a Ctrl-C ends it; tests/cli/test_prove.py lets one come to its end."""
    (tmp_path / "my_loop.py").symlink_to(ROOT / "examples" / "plain_loop.py")
    child = run_in(tmp_path, command)
    assert child.stdout is not None
    assert child.stdout.readline().startswith("Proving ")
    child.send_signal(signal.SIGINT)
    output = end_of(child)

    assert child.returncode == 130, output
    assert "Stopped" in output


def test_other_commands_work(sandbox: Path) -> None:
    """status, backbones, verification and reset do their work on a run that has begun."""
    outputs = {}
    for command in QUICK:
        child = run_in(sandbox, command)
        outputs[command] = end_of(child)
        assert child.returncode == 0, outputs[command]

    assert "Completed:  0 of 2 backbones" in outputs["holdfast status"]
    assert "CustomDynamicConvNet" in outputs["holdfast backbones"]
    assert "files are good" in outputs["holdfast verify"]


@pytest.mark.skipif(not shutil.which("systemctl"), reason="no systemd here")
@pytest.mark.parametrize("command", AUTOSTART)
def test_autostart_is_enabled(
    command: str, sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit is written, and what could not be done is said: here no systemd can be reached."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    for bus in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
        monkeypatch.setenv(bus, f"unix:path={tmp_path}/none")
    child = run_in(sandbox, command)
    output = end_of(child)

    assert child.returncode == 1, output
    assert "✓ Enabled" in output
    assert "Left to do, perhaps as root: loginctl enable-linger" in output
    (unit,) = (tmp_path / "systemd" / "user").glob("holdfast-*.service")
    assert '"train" "--checkpoint-dir" "checkpoints" "--config" "settings.toml"' in unit.read_text()


def test_settings_block_is_valid() -> None:
    """The README's TOML is a config that can be used."""
    (settings,) = (block for language, block in BLOCKS if language == "toml")

    assert resolve(tomllib.loads(settings)).epochs_finetune == 50


PREAMBLE = """
import torch
from torch.nn.functional import cross_entropy
torch.manual_seed(0)
inputs = torch.randn(64, 4)
dataset = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters())
accuracy = 0.5
def step(model, optimizer, batch):
    loss = cross_entropy(model(batch[0]), batch[1])
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss
def evaluate(model):
    return (model(inputs).argmax(1) == dataset.tensors[1]).float().mean().item()
"""


def test_python_block_runs(tmp_path: Path) -> None:
    """The loop of the README trains both jobs, and a second start trains none."""
    (block,) = (block for language, block in BLOCKS if language == "python")
    for _ in range(2):
        script = [sys.executable, "-c", PREAMBLE + block]
        subprocess.run(script, cwd=tmp_path, check=True, timeout=120)

    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("*_best.pth")) == [
        "small_best.pth",
        "wide_best.pth",
    ]
    journal = (tmp_path / "checkpoints" / "journal.jsonl").read_text()
    assert journal.count('"job_started"') == 2


def test_files_named_exist() -> None:
    """Every link to a file of the project leads somewhere, to a heading that is there."""
    links = re.findall(r"\]\((?!http)([^)]+)\)", README) + re.findall(r"`(tests/[^`]+)`", README)

    assert links
    assert not [link for link in links if not leads_somewhere(link)]


def leads_somewhere(link: str) -> bool:
    name, _, heading = link.partition("#")
    path = ROOT / name
    if not heading:
        return path.exists()
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return heading in [re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in titles]
