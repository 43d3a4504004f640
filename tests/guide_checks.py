"""What is done with the blocks of ``docs/guide.md`` that are not plain Python."""

import ast
import fnmatch
import json
import re
import signal
from collections.abc import Callable
from typing import Any

import torch

from holdfast.rundir import Journal
from tests.guide_blocks import BLOCKS, alike, are_lines_of, shows
from tests.guide_stories import Story, bash, copy_sandbox, happened, make_sandbox
from tests.warm_python import wait_until

Fixture = Callable[[str], Any]
"""Looks a fixture of ``test_guide`` up by its name."""
Check = Callable[[str, Fixture], None]

CHECKS: dict[str, Check] = {}
"""The check of each block, by the block's name."""


def checks(*names: str) -> Callable[[Check], Check]:
    """Name the blocks that a function checks."""

    def register(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(names, check))
        return check

    return register


@checks("files-created")
def check_files(block: str, fixture: Fixture) -> None:
    """Each name is that of a file of a finished run, and each of its files has its name here."""
    names = re.findall(r"^[├└]── (\S+)", block, re.M)
    patterns = [name.replace("{backbone_name}", "*").rstrip("/") for name in names]
    left = [path.name for path in (fixture("finished") / "checkpoints").iterdir()]
    assert [p for p in patterns if not fnmatch.filter(left, p)] == []
    assert [n for n in left if not any(fnmatch.fnmatch(n, p) for p in patterns)] == []


@checks("recovery-state-file-recovery_state-json")
def check_recovery_state(block: str, fixture: Fixture) -> None:
    """It is what a crash at this place leaves, but for the clock."""
    shown = json.loads(block)
    sandbox = fixture("tell")("scenario-1").sandbox
    real = json.loads((sandbox / "checkpoints" / ".recovery_state.json").read_text())
    for moving in ("timestamp", "current_epoch"):  # it went on for a moment
        assert type(shown.pop(moving)) is type(real[moving])
    assert shows(shown, real)


@checks("backbone-checkpoint-format")
def check_checkpoint(block: str, fixture: Fixture) -> None:
    """A checkpoint has these keys with values of these types."""
    sandbox = fixture("tell")("scenario-1").sandbox
    path = max(sandbox.glob("checkpoints/*_finetune_epoch1?.pth"))
    assert shows(ast.literal_eval(block), torch.load(path), types_only=True)


@checks("automatic-recovery")
def check_automatic_recovery(block: str, fixture: Fixture) -> None:
    """The bare command goes on after a crash; what it prints is what the comments say."""
    sandbox = copy_sandbox(fixture("crashed"), fixture("tmp_path") / "project")
    with bash(block, sandbox) as shell:
        wait_until(lambda: happened(sandbox, "job_resumed") == ["CustomConvNeXt"], shell)
        assert shell.signal_training(signal.SIGTERM) == 143
        printed = [alike(line) for line in shell.output.splitlines()]
    expected = re.findall(r"^# (✓ .*)", block, re.M)
    assert are_lines_of(expected, fixture("tell")("scenario-1").output_after)
    assert are_lines_of([alike(line) for line in expected], "\n".join(printed))


@checks(*(name for name in BLOCKS if re.fullmatch(r"scenario-[^/]*", name)))
def check_before_crash(block: str, fixture: Fixture) -> None:
    """The status text of a run that was killed there has these lines."""
    assert are_lines_of(block.splitlines(), told(block, fixture).status_before)


@checks(*(name for name in BLOCKS if re.fullmatch(r"scenario-.*/2", name)))
def check_after_restart(block: str, fixture: Fixture) -> None:
    """The start after the crash prints these lines."""
    assert are_lines_of(block.splitlines(), told(block, fixture).output_after)


def told(block: str, fixture: Fixture) -> Story:
    """Return the scenario that a block is about."""
    name = next(name for name, known in BLOCKS.items() if known == block)
    return fixture("tell")(name[: len("scenario-1")])


@checks("1-regular-status-checks")
def check_status_check(block: str, fixture: Fixture) -> None:
    """It prints where the status text is."""
    sandbox = copy_sandbox(fixture("crashed"), fixture("tmp_path") / "project")
    with bash(block, sandbox) as shell:
        assert shell.process.wait() == 0, shell.output
        assert shell.output == "checkpoints/recovery_status.txt\n"


@checks("4-verify-recovery-on-restart")
def check_verify_recovery(block: str, fixture: Fixture) -> None:
    """It finds every checkpoint good and trains nothing."""
    sandbox = copy_sandbox(fixture("crashed"), fixture("tmp_path") / "project")
    before = Journal(sandbox / "checkpoints").read()
    with bash(block, sandbox) as shell:
        assert shell.process.wait() == 0, shell.output
        count = len(list(sandbox.glob("checkpoints/*.pth")))
        found = re.search(r"✓ Verified: (\d+) of (\d+) files are good", shell.output)
        assert found and found[1] == found[2] and int(found[1]) > count, shell.output
    assert Journal(sandbox / "checkpoints").read() == before


@checks("issue-want-to-reset-recovery-and-start-over/2")
def check_fresh_start(block: str, fixture: Fixture) -> None:
    """After the reset of the block before, the bare command starts from the beginning."""
    sandbox = copy_sandbox(fixture("crashed"), fixture("tmp_path") / "project")
    reset = BLOCKS["issue-want-to-reset-recovery-and-start-over"]
    manager = "from src.utils.checkpoint_manager import CheckpointManager\n"
    manager += "checkpoint_mgr = CheckpointManager()\n"
    assert fixture("python").start(manager + reset, sandbox).wait() == 0
    with bash(block, sandbox) as shell:
        wait_until(lambda: happened(sandbox, "job_started") == ["CustomConvNeXt"], shell)
        assert shell.signal_training(signal.SIGTERM) == 143
        assert "Nothing to continue: starting from the beginning" in shell.output


@checks("recovery-workflow-diagram")
def check_diagram(block: str, fixture: Fixture) -> None:
    """Its steps are in the order in which the journal of a real run has them."""
    steps = {
        "Start from beginning": "job_started",
        "Save checkpoint after each epoch": "epoch",
        "Mark as completed": "job_completed",
    }
    assert are_lines_of(list(steps), re.sub(r"^[^A-Z]*(?:NO → )?", "", block, flags=re.M))
    journal = Journal(fixture("finished") / "checkpoints").read()
    events = [r["event"] for r in journal if r.get("job") == "CustomResNetMish"]
    assert list(dict.fromkeys(events)) == list(steps.values())


@checks("example-complete-recovery-workflow")
def check_workflow(block: str, fixture: Fixture) -> None:
    """Ctrl-C is answered as the example says, and the next start goes on."""
    python, sandbox = fixture("python"), make_sandbox(fixture("tmp_path") / "project")
    child = python.start(block, sandbox)
    wait_until(lambda: len(happened(sandbox, "epoch")) > 0, child)
    assert child.kill(signal.SIGINT) == 0, child.output
    assert "Training interrupted - saving checkpoint..." in child.output
    assert "Completed: 0 / 15\nRemaining: 15\n" in child.output
    child = python.start(block, sandbox)
    wait_until(lambda: happened(sandbox, "job_resumed") == ["CustomConvNeXt"], child)
    assert child.kill() == -signal.SIGKILL
