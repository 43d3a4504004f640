"""The ways in: rooms open by their doors, the guide's imports work, and torch waits outside."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import holdfast
from holdfast.cli.app import app

ROOT = Path(__file__).parents[1]
ROOMS = sorted(
    f"holdfast.{module.name}" for module in pkgutil.iter_modules(holdfast.__path__) if module.ispkg
)
WITHOUT_TORCH = [
    "import holdfast",
    "import holdfast.config",
    "import holdfast.errors",
    "import holdfast.storage",
    "import holdfast.rundir",
    "import holdfast.status",
    "import holdfast.dashboard",
    "import holdfast.tracking",
    "import holdfast.cli.supervise",
    "import holdfast.cli.train",
    "import holdfast.cli.autostart",
    "import holdfast.cli.watch",
    "import holdfast; holdfast.read('.'), holdfast.train",
    "from config.settings import BACKBONES",
]
COMMANDS_WITHOUT_TORCH = [
    *(["--help"], ["--version"], ["train", "--help"], ["serve", "--help"]),
    *(["status"], ["init"]),
]


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in the project's root, as the guide does."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("statement", WITHOUT_TORCH)
def test_import_brings_no_torch(statement: str) -> None:
    """The lower floors and the package itself answer without torch, numpy or scikit-learn."""
    heavy = "{'torch', 'numpy', 'sklearn', 'kornia'}"
    look = f"print(sorted({heavy} & set(sys.modules)))"
    child = python(f"import sys; sys.path.insert(0, 'src'); {statement}; {look}")
    assert (child.stdout, child.stderr) == ("[]\n", "")


@pytest.mark.parametrize("arguments", COMMANDS_WITHOUT_TORCH, ids=" ".join)
def test_command_brings_no_torch(arguments: list[str], tmp_path: Path) -> None:
    """Help and status answer at once: nothing of torch is loaded for them."""
    (tmp_path / "checkpoints").mkdir()
    command = [sys.executable, "-X", "importtime", "-m", "holdfast", *arguments]
    child = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout
    imported = {line.rpartition("|")[2].strip() for line in child.stderr.splitlines()}
    assert "holdfast.cli.app" in imported
    assert [name for name in imported if name.partition(".")[0] == "torch"] == []


@pytest.mark.parametrize("arguments", [["--help"], ["autostart", "--help"]], ids=" ".join)
def test_help_cuts_no_description(arguments: list[str]) -> None:
    """What each command does is said in its one line of 80 columns."""
    help_ = CliRunner().invoke(app, arguments).output
    assert "..." not in help_.split("Commands:")[1]
    assert max(map(len, help_.splitlines())) <= 80


@pytest.mark.parametrize("room", ROOMS)
def test_doors_are_sorted_and_open(room: str) -> None:
    """Each room says what it offers, in plain order, and has it."""
    door = importlib.import_module(room)
    names = door.__all__
    assert names == sorted(set(names))
    assert [name for name in names if not hasattr(door, name)] == []


def test_rooms_are_the_designs() -> None:
    """A new room is a decision, not an accident."""
    assert {room.removeprefix("holdfast.") for room in ROOMS} >= {
        *("backbones", "checkpoint", "cli", "data", "pipeline", "rundir", "status", "storage"),
        *("tracking", "training"),
    }


def test_package_loads_its_names_when_they_are_used() -> None:
    """Each public name is the thing itself, from whichever room it comes; others are refused."""
    from holdfast.checkpoint import CheckpointManager
    from holdfast.config import BACKBONES
    from holdfast.training import open_run

    assert holdfast.__all__ == sorted(holdfast.__all__)
    assert holdfast.CheckpointManager is CheckpointManager
    assert holdfast.BACKBONES is BACKBONES
    assert holdfast.open is open_run
    for name in holdfast.__all__:
        assert getattr(holdfast, name) is not None
    with pytest.raises(AttributeError, match="'holdfast' has no attribute 'resume'"):
        _ = holdfast.resume


CTRL_C_AT_TORCH = """
import runpy, sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
runpy.run_path("src/main.py", run_name="__main__")
"""


def test_ctrl_c_while_the_guides_door_loads_torch_is_one_line() -> None:
    """The seconds of start-up are no exception: exit code 130, and no traceback."""
    child = python(CTRL_C_AT_TORCH)
    assert (child.returncode, child.stderr.count("\n")) == (130, 1), child.stderr
    assert child.stderr.startswith("Stopped. ")


FROM_SRC_ON_THE_PATH = """
import sys
sys.path.insert(0, 'src')
from utils.checkpoint_manager import CheckpointManager
from config.settings import BACKBONES
from main import train_backbone_with_metrics
"""
FROM_THE_ROOT = """
from src.utils.checkpoint_manager import CheckpointManager
from src.config.settings import BACKBONES
from src.main import train_backbone_with_metrics
"""
SAME_OBJECTS = """
import holdfast, holdfast.pipeline
assert CheckpointManager is holdfast.CheckpointManager
assert BACKBONES is holdfast.BACKBONES
assert train_backbone_with_metrics is holdfast.pipeline.train_backbone_with_metrics
import utils.checkpoint_manager, src.utils.checkpoint_manager
assert utils.checkpoint_manager.CheckpointManager is CheckpointManager
assert src.utils.checkpoint_manager.CheckpointManager is CheckpointManager
"""


@pytest.mark.parametrize("way", [FROM_SRC_ON_THE_PATH, FROM_THE_ROOT], ids=["src", "root"])
def test_guides_imports_give_the_same_objects(way: str) -> None:
    """From the project's root, each of the guide's ways in leads to the one package."""
    child = python(way + SAME_OBJECTS)
    assert child.returncode == 0, child.stderr
