"""A pickle that would run code is named and moved aside; nothing of it runs."""

import io
import pickle
import subprocess
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.checkpoint import CheckpointManager, read_pth
from holdfast.checkpoint.serialize import write_pth
from holdfast.errors import DamagedCheckpointError
from holdfast.rundir import JobName, Position, checkpoint_path, fault, peek
from holdfast.status import verify
from tests.checkpoint.conftest import Trained
from tests.checkpoint.hostile import calling, holding, put_pickle

NAME = "CustomRegNet"
RUNS = {
    "posix.system": ("touch {marker}",),
    "os.system": ("touch {marker}",),
    "builtins.eval": ("open({marker!r}, 'w')",),
    "builtins.exec": ("open({marker!r}, 'w')",),
    "subprocess.Popen": (["touch", "{marker}"],),
    "pathlib.Path.touch": ("{marker}",),
    "torch.load": ("{marker}",),
    "torch.serialization.load": ("{marker}",),
    "torch.hub.load": ("{marker}",),
    "torch.save": (1, "{marker}"),
    "torch.storage._load_from_bytes": (b"",),
    "builtins.getattr": ("a", "upper"),
    "builtins.__import__": ("antigravity",),
    "holdfast.storage.remove": ("{marker}",),
}


@pytest.fixture
def saved(manager: CheckpointManager, trained: Trained) -> Path:
    """The newest of two checkpoints of a run; nobody holds its lock."""
    paths = [
        manager.save_backbone_checkpoint(NAME, epoch=n, **trained.checkpoint()) for n in (1, 2)
    ]
    manager.close()
    return paths[1]


@pytest.mark.parametrize("called", list(RUNS))
def test_pickle_that_calls_something_is_named_and_never_runs(
    called: str, saved: Path, tmp_path: Path, open_manager: Callable[..., CheckpointManager]
) -> None:
    """`verify` says what it would run; the next writer moves it aside and takes the one before."""
    marker = tmp_path / "marker"
    filled = [_filled(argument, marker) for argument in RUNS[called]]
    module, _, name = called.rpartition(".")
    put_pickle(saved, calling(module, name, *filled))

    (bad,) = verify(saved.parent).damaged
    assert (bad.name, bad.fault) == (
        saved.name,
        f"not a plain file of tensors: it would run {called}",
    )
    with pytest.raises(DamagedCheckpointError):
        read_pth(saved)
    manager = open_manager()
    manager.export_recovery_summary()
    loaded = manager.load_backbone_checkpoint(NAME)
    assert loaded is not None
    assert loaded["epoch"] == 1
    assert (saved.parent / "damaged" / saved.name).exists()
    reason = (saved.parent / "damaged" / f"{saved.name}.reason.txt").read_text()
    assert f"it would run {called}" in reason
    assert not marker.exists()


def _filled(argument: Any, marker: Path) -> Any:
    if isinstance(argument, list):
        return [_filled(item, marker) for item in argument]
    return argument.format(marker=str(marker)) if isinstance(argument, str) else argument


def test_every_name_that_torch_takes_for_data_is_known() -> None:
    """What `torch.load` builds where it loads weights only is no reason to set a file aside."""
    allowed = torch._weights_only_unpickler._get_allowed_globals()
    reader = sys.modules["holdfast.rundir.peek"]._Reader
    for called in allowed:
        module, _, name = called.rpartition(".")
        assert reader(io.BytesIO()).find_class(module, name) is not None


EVERY_KIND = {
    "numbers": [1, -1.5, True, None, 2**70, 1 + 2j],
    "text": ["ö", b"bytes", bytearray(b"more")],
    "containers": [{1, 2}, (1, 2), {"a": {3: 4}}, OrderedDict(a=1), Counter("aab")],
    "torch's": [torch.Size([2, 3]), torch.device("cpu"), torch.strided, torch.bfloat16, torch.bool],
    "tensors": [torch.ones(2, dtype=kind) for kind in (torch.bool, torch.bfloat16, torch.uint8)],
    "parameters": [torch.nn.Parameter(torch.ones(2)), torch.ones(3, requires_grad=True)],
    "others": [torch.eye(3).to_sparse(), torch.ones(4)[1:3], torch.ones(2, dtype=torch.complex64)],
}


def test_whatever_can_be_saved_is_no_fault(
    manager: CheckpointManager, trained: Trained, saved: Path
) -> None:
    """All that `savable` lets through is read back by torch and by `verify` alike."""
    record = {**read_pth(saved), "objects": EVERY_KIND}
    write_pth(saved, record)

    assert fault(saved) is None
    assert read_pth(saved)["objects"].keys() == EVERY_KIND.keys()


BOMBS = {
    "a memo of gigabytes": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a name of a kilometre": calling("os", "x" * 5000),
    "a name that no terminal shows": calling("os", "\x1b[2J"),
    "a list inside itself": b"\x80\x02]q\x00h\x00a.",
    "lists by the billion": b"\x80\x02]q\x00" + b"(h\x00h\x00h\x00h\x00lq\x00" * 60 + b".",
    "a number of a million digits": pickle.dumps({"epoch": 10**100_000}, 2),
    "nothing": b"",
    "no end": b"\x80\x02}",
    "too little on the stack": b"\x80\x02s.",
    "an unknown word": b"\x80\x02\xff.",
    "a call of a number": b"\x80\x02K\x01)R.",
    "state for a class": b"\x80\x02ccollections\nOrderedDict\n}b.",
    "a frame larger than memory": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "bytes that are not there": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("kind", list(BOMBS))
def test_pickle_that_is_a_trap_is_a_fault_of_one_line(kind: str, saved: Path) -> None:
    """A pickle made to break its reader is damage, told in one line that a terminal can show."""
    put_pickle(saved, BOMBS[kind])
    reason = fault(saved)

    assert reason is not None
    assert reason.isprintable()
    assert len(reason) < 200
    assert verify(saved.parent).damaged[0].name == saved.name


def test_nine_bytes_do_not_get_gigabytes(saved: Path) -> None:
    """Reading a pickle takes no more memory than it has a use for."""
    put_pickle(saved, BOMBS["a memo of gigabytes"])
    script = (
        "import resource, sys; from pathlib import Path; from holdfast.rundir import fault;"
        f"resource.setrlimit(resource.RLIMIT_AS, ({2**31}, {2**31}));"
        "print(fault(Path(sys.argv[1])))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(saved)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("lacks ")


def deep(levels: int) -> list[Any]:
    """Return lists in lists."""
    return [deep(levels - 1)] if levels else []


WRONG: dict[str, tuple[str, Any]] = {
    "epoch that is huge": ("epoch", 10**5000),
    "epoch below zero": ("epoch", -1),
    "epoch that is true": ("epoch", True),
    "stage that leads elsewhere": ("stage", "../../x"),
    "backbone that leads elsewhere": ("backbone_name", "../../etc/passwd"),
    "backbone that no terminal shows": ("backbone_name", "\x1b[2J\n"),
    "history of a number": ("history", 5),
    "history nested deep": ("history", {"loss": deep(200)}),
    "metrics of a set": ("metrics", {"a": {1, 2}}),
    "best without weights": ("best", {}),
    "best with others": ("best", {"metric": 1, "epoch": 1, "model": 5}),
    "running with others": ("running", {"samples": 1, "sums": {}, "more": 1}),
    "seconds of text": ("seconds", "many"),
    "version 99": ("format_version", 99),
    "version of a thousand digits": ("format_version", 10**1000),
    "version 0": ("format_version", 0),
    "result in a checkpoint": ("result", {"accuracy": 1.0}),
}


@pytest.mark.parametrize("kind", list(WRONG))
def test_plain_values_that_make_no_checkpoint_are_a_fault(kind: str, saved: Path) -> None:
    """Each field is of a kind that training can go on from, or the file is named as damaged."""
    field, value = WRONG[kind]
    put_pickle(saved, holding({**_plain(saved), field: value}))
    reason = fault(saved)

    assert reason is not None
    assert reason.isprintable()
    assert len(reason) < 200
    assert field == "result" or "newer Holdfast" in reason or field in reason, reason


def test_untouched_record_is_no_fault(saved: Path) -> None:
    """What the tests above change is what makes the fault."""
    put_pickle(saved, holding(_plain(saved)))
    assert fault(saved) is None


def test_future_format_is_set_aside_with_the_way_out(
    saved: Path, open_manager: Callable[..., CheckpointManager]
) -> None:
    """A checkpoint of a later Holdfast is not guessed at: named, with what to install."""
    put_pickle(saved, holding({**_plain(saved), "format_version": 99}))
    open_manager().export_recovery_summary()

    reason = (saved.parent / "damaged" / f"{saved.name}.reason.txt").read_text()
    assert reason == (
        "written by a newer Holdfast (format 99, this one reads up to 1; pip install -U holdfast)\n"
    )
    assert not saved.exists()


def _plain(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, without its tensors."""
    record: dict[str, Any] = peek(path)
    assert checkpoint_path(path.parent, JobName(NAME), Position("head", 2)) == path
    return {**record, "model_state_dict": {}, "optimizer_state": {}, "scheduler_state": {}}
