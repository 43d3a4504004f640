"""What is wrong with a checkpoint, while others may change it."""

from pathlib import Path
from typing import Any

import pytest

from holdfast.checkpoint import CheckpointManager
from holdfast.rundir import fault, verify


def test_damage_between_two_looks_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is cut when its sums were found good is no checkpoint, and no traceback."""
    path = Path(CheckpointManager(tmp_path).save_backbone_checkpoint("net", {}, 1, {}, {}))
    assert fault(path) is None
    peek = verify.peek

    def cut_and_peek(path: Path) -> Any:
        path.write_bytes(path.read_bytes()[:100])
        return peek(path)

    monkeypatch.setattr(verify, "peek", cut_and_peek)
    assert fault(path) == "truncated, or not a checkpoint"
