"""Every code block of ``docs/guide.md`` runs, or is compared with what a real run leaves or says.

The blocks run in sandboxes where ``src/`` is reachable as in the project, so that the
``checkpoints/`` they write is never the project's.
"""

import functools
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guide_blocks import BLOCKS
from tests.guide_checks import CHECKS, Fixture
from tests.guide_stories import (
    SCENARIOS,
    Story,
    act_out,
    bash,
    copy_sandbox,
    finish,
    happened,
    make_sandbox,
)
from tests.warm_python import WarmPython, wait_until

PATH = "import sys; sys.path.insert(0, 'src')\n"
MANAGER = f"""{PATH}
from pathlib import Path
from utils.checkpoint_manager import CheckpointManager
manager = checkpoint_mgr = CheckpointManager()
backbone_name = 'CustomConvNeXt'
"""
MODEL = f"""{MANAGER}
import torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters())
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
model(torch.ones(1, 4)).sum().backward()
optimizer.step()
history = {{'train_loss': [0.5, 0.25]}}
def save(epoch):
    checkpoint_mgr.save_backbone_checkpoint(backbone_name, model.state_dict(), epoch,
        {{'accuracy': 0.94}}, history, optimizer.state_dict(), stage='finetune')
def epochs():
    return sorted(torch.load(path)['epoch'] for path in Path('checkpoints').glob('*.pth'))
"""
SIX = f"{MODEL}for epoch in range(1, 7): save(epoch)\n"
DATASETS = """
import torch
from torch.utils.data import TensorDataset
train_ds = val_ds = TensorDataset(torch.rand(8, 3, 32, 32), torch.arange(8) % 2)
"""
TWO_LEFT = f"""{MANAGER}
from config.settings import BACKBONES
for name in BACKBONES:
    if name not in ('CustomGhostNetV2', 'CustomRegNet'):
        checkpoint_mgr.mark_backbone_complete(name, {{'accuracy': 0.9}})
"""
BOTH_TRAINED = """
assert checkpoint_mgr.get_next_backbone_to_train() is None
from holdfast.rundir import Journal
journal = Journal(Path('checkpoints')).read()
began = [record['job'] for record in journal if record['event'] == 'job_started']
assert began == ['CustomGhostNetV2', 'CustomRegNet'], began
"""


@dataclass(frozen=True)
class Script:
    """What a Python block of the guide takes for granted, and what is true after it."""

    given: str = ""
    then: str = ""
    prints: str = ""
    interrupted: bool = False
    """Whether it runs after a crash of ``python src/main.py``, or where nothing is yet."""


SCRIPTS = {
    "manual-recovery-status-check": Script(
        prints="Completed: 0 / 15\nNext backbone: CustomConvNeXt\n", interrupted=True
    ),
    "export-recovery-report": Script(
        MANAGER, "assert 'Next:       CustomConvNeXt' in report_path.read_text()", interrupted=True
    ),
    "in-main-py": Script(
        TWO_LEFT + DATASETS,
        BOTH_TRAINED,
        "✓ Resuming from last checkpoint\n  Completed: 13\n  Next: CustomGhostNetV2\n",
    ),
    "2-backup-important-results": Script(
        f"{MODEL}save(3)\nmanager.mark_backbone_complete(backbone_name, {{'accuracy': 0.9}})",
        "assert torch.load(backup_dir / 'CustomConvNeXt_best.pth')['epoch'] == 3",
    ),
    "3-monitor-checkpoint-size": Script(SIX, "assert epochs() == [4, 5, 6]"),
    "4-verify-recovery-on-restart/2": Script(MANAGER, "", "✓ Ready to resume\n", interrupted=True),
    "function-save_backbone_checkpoint": Script(
        MODEL,
        "loaded = manager.load_backbone_checkpoint('CustomSwinTransformer', 'finetune', 20)\n"
        "assert torch.equal(loaded['model_state_dict']['weight'], model.weight)\n"
        "assert loaded['scheduler_state'] == scheduler.state_dict()\n"
        "assert loaded['metrics']['loss'] == 0.15 and loaded['history'] == history",
    ),
    "function-save_pipeline_state": Script(
        MANAGER,
        "state = manager.load_pipeline_state()\n"
        "assert state['completed_backbones'] == ['Backbone1', 'Backbone2']\n"
        "assert state['results']['Backbone2']['final_accuracy'] == 0.94\n"
        "assert (state['current_backbone'], state['current_epoch']) == ('Backbone3', 15)",
    ),
    "function-load_pipeline_state": Script(
        MANAGER, "", "Resume from: CustomConvNeXt\n", interrupted=True
    ),
    "function-get_next_backbone_to_train": Script(
        MANAGER, "", "Training: CustomConvNeXt\n", interrupted=True
    ),
    "issue-recovery-not-detected": Script("", "", "Recovery file found\n", interrupted=True),
    "issue-checkpoint-files-are-too-large": Script(SIX, "assert epochs() == [5, 6]"),
    "issue-want-to-reset-recovery-and-start-over": Script(
        MANAGER,
        "assert not manager.get_recovery_status()['recovery_available']\n"
        "assert not list(Path('checkpoints').glob('*.pth'))",
        interrupted=True,
    ),
    "issue-verify-integrity-of-checkpoint": Script(
        f"{MODEL}save(20)", "", "Backbone: CustomConvNeXt\nEpoch: 20\nAccuracy: 0.94\n"
    ),
    "performance-impact": Script(
        MODEL,
        "assert torch.load(path)['epoch'] == 1 and path.parent.name == 'checkpoint_speed'\n"
        "assert began < saved < loaded",
    ),
}


@pytest.fixture(scope="module")
def python() -> Iterator[WarmPython]:
    """Starts processes."""
    with WarmPython() as python:
        yield python


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sandbox where ``python src/main.py``, just so, was killed in its first backbone."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("crashed") / "project")
    with bash("python src/main.py", sandbox) as shell:
        wait_until(lambda: len(happened(sandbox, "epoch")) > 0, shell)
        shell.signal_training(signal.SIGKILL)
    assert happened(sandbox, "job_completed") == []
    return sandbox


@pytest.fixture(scope="module")
def finished(
    python: WarmPython, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A sandbox where one backbone and its two folds were trained to the end."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("finished") / "project")
    finish(python, sandbox, digits_folder)
    return sandbox


@pytest.fixture(scope="module")
def tell(
    python: WarmPython, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Story]:
    """Acts out a scenario, once."""

    @functools.cache
    def tell(name: str) -> Story:
        sandbox = tmp_path_factory.mktemp(name) / "project"
        return act_out(SCENARIOS[name], python, digits_folder, sandbox)

    return tell


@pytest.mark.parametrize("name", BLOCKS)
def test_block(name: str, request: pytest.FixtureRequest) -> None:
    """The block does, prints or shows what the guide says; one that nobody checks fails."""
    if name in SCRIPTS:
        run_script(BLOCKS[name], SCRIPTS[name], request.getfixturevalue)
    else:
        CHECKS[name](BLOCKS[name], request.getfixturevalue)


def test_every_check_has_its_block() -> None:
    """The tables here name blocks of the guide, and each of them once."""
    assert sorted([*SCRIPTS, *CHECKS]) == sorted(BLOCKS)


def test_workflow_trains_whatever_is_not_complete(request: pytest.FixtureRequest) -> None:
    """Backbones before and after completed ones are trained, the completed ones are not."""
    literal = BLOCKS["example-complete-recovery-workflow"]
    small = literal.replace("train_ds = None\nval_ds = None\n", DATASETS)
    assert small != literal

    done = Script(TWO_LEFT, BOTH_TRAINED, "Completed: 15 / 15\nRemaining: 0\n")
    run_script(small, done, request.getfixturevalue)


def test_what_may_be_lost_is_made_again(
    python: WarmPython, finished: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """Without recovery state and image cache, a start finds that all is complete."""
    sandbox = copy_sandbox(finished, tmp_path / "project")
    (sandbox / "checkpoints" / ".recovery_state.json").unlink()
    shutil.rmtree(sandbox / "checkpoints" / "image_cache")

    finish(python, sandbox, digits_folder)

    assert happened(sandbox, "job_started", "epoch") == happened(finished, "job_started", "epoch")
    assert (sandbox / "checkpoints" / "image_cache").is_dir()


def test_checkpoints_take_what_the_guide_counts(finished: Path) -> None:
    """Weights and two moments are three times the weights; the best so far may be a fourth."""
    best = (finished / "checkpoints" / "CustomResNetMish_best.pth").stat().st_size
    whole = (finished / "checkpoints" / "CustomResNetMish_finetune_epoch1.pth").stat().st_size

    assert 2.9 < whole / best < 4.2


def run_script(block: str, script: Script, fixture: Fixture) -> None:
    """Run a Python block after what it takes for granted, and before what is true then."""
    python, sandbox = fixture("python"), fixture("tmp_path") / "project"
    if script.interrupted:
        copy_sandbox(fixture("crashed"), sandbox)
    else:
        make_sandbox(sandbox)
    child = python.start("\n".join([script.given, block, script.then]), sandbox)
    assert child.wait() == 0, child.output
    assert script.prints in child.output
