"""What may be saved is what can be read back; the rest is made plain, or refused at once."""

from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from holdfast.checkpoint import CheckpointManager
from holdfast.checkpoint.plain import plain, savable
from holdfast.errors import UsageError
from tests.checkpoint.conftest import Trained


def saved_and_loaded(manager: CheckpointManager, **given: Any) -> dict[str, Any]:
    """Bring a state through a file."""
    manager.save_backbone_checkpoint("CustomCoAtNet", {"w": torch.ones(2)}, 1, **given)
    record = manager.load_backbone_checkpoint("CustomCoAtNet")
    assert record is not None, "it was saved, and cannot be read"
    return record


def test_numpy_metrics_and_histories_come_back(manager: CheckpointManager) -> None:
    """Numbers as scikit-learn and numpy give them are Python's in the file, with equal values."""
    record = saved_and_loaded(
        manager,
        metrics={"accuracy": np.float64(0.1), "loss": torch.tensor(0.5), "n": np.int64(3)},
        history={"val_acc": [np.float32(0.5), 0.75], "lr": np.array([1.0, 0.5])},
    )
    assert record["metrics"] == {"accuracy": 0.1, "loss": 0.5, "n": 3}
    assert record["history"] == {"val_acc": [0.5, 0.75], "lr": [1.0, 0.5]}
    assert type(record["metrics"]["accuracy"]) is float


def test_optimizer_with_a_numpy_learning_rate_can_be_resumed(manager: CheckpointManager) -> None:
    """A schedule computed with numpy must not make every checkpoint unreadable."""
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=np.logspace(-3, -1, 3)[1])
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])

    record = saved_and_loaded(
        manager, optimizer_state=optimizer.state_dict(), scheduler_state=scheduler.state_dict()
    )
    assert record["optimizer_state"] == optimizer.state_dict()
    assert record["scheduler_state"] == scheduler.state_dict()


@pytest.mark.parametrize(
    "value",
    [
        *(deque([1]), defaultdict(list), frozenset({1}), slice(1), np.ones(2), Path("x")),
        *({"deep": [1, (2, range(3))]}, {Path("key"): 1}, len, object()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_back_is_refused(
    value: object, manager: CheckpointManager, directory: Path
) -> None:
    """The first save says which part of which state it is; no unreadable file is left."""
    with pytest.raises(UsageError, match=r"checkpoint\['optimizer_state'\].* is a .*torch\.load"):
        saved_and_loaded(manager, optimizer_state={"ema": value})
    assert list(directory.glob("*.pth")) == []


def test_containers_are_copied_and_tensors_are_not(trained: Trained) -> None:
    """Whoever goes on changing a list or a dict changes no checkpoint; tensors cost no memory."""
    state = {
        "model": trained.model.state_dict(),
        "optimizer": trained.optimizer.state_dict(),
        "plain": [None, True, 1, 1.5, 1j, "a", b"b", (2, {3}), Counter("ab"), torch.Size([1])],
        "torch": [torch.float32, torch.device("cpu"), nn.Parameter(torch.ones(1))],
    }
    saved = savable(state)
    assert str(saved) == str(state)
    assert saved["model"]["0.weight"] is state["model"]["0.weight"]
    assert saved["torch"][2] is state["torch"][2]

    state["optimizer"]["param_groups"][0]["lr"] = 0.0
    state["plain"].clear()
    assert saved["optimizer"]["param_groups"][0]["lr"] != 0
    assert len(saved["plain"]) == 10


def test_changed_containers_keep_their_kind(trained: Trained) -> None:
    """A state dict stays what torch made it, its version numbers included."""
    state = trained.model.state_dict()
    state["extra"] = np.float64(2.0)

    changed = savable({"model": state, "set": {np.int64(1)}, np.str_("key"): (np.float32(1), "x")})

    assert type(changed["model"]) is OrderedDict
    assert changed["model"]._metadata == state._metadata
    assert changed["model"]["0.weight"] is state["0.weight"]
    assert changed["set"] == {1}
    assert changed["key"] == (1.0, "x")
    assert [type(item) for item in (*changed["set"], *changed["key"])] == [int, float, str]
    assert isinstance(state["extra"], np.float64), "what was given is not touched"


def test_results_become_plain_json_values() -> None:
    """Whatever a result holds can be written as JSON, and nothing of it is left out."""
    made = plain(
        {
            "accuracy": torch.tensor(0.5),
            "f1": np.float32(0.25),
            "matrix": np.eye(2, dtype=int),
            3: (1, {2}, None, True),
            "where": Path("a/b"),
            "nested": {"list": [np.int8(1), torch.ones(2)]},
        }
    )
    assert made == {
        "accuracy": 0.5,
        "f1": 0.25,
        "matrix": [[1, 0], [0, 1]],
        "3": [1, [2], None, True],
        "where": "a/b",
        "nested": {"list": [1, [1.0, 1.0]]},
    }
    assert [type(made[key]) for key in ("accuracy", "f1")] == [float, float]
