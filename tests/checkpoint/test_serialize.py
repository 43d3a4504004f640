"""A ``.pth`` is an ordinary file of torch, and every byte of it that matters is verified."""

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from holdfast.checkpoint import CheckpointManager, read_pth
from holdfast.checkpoint.serialize import write_pth
from holdfast.errors import DamagedCheckpointError, StorageError
from holdfast.rundir import damage
from tests.checkpoint.conftest import Trained
from tests.checkpoint.injury import empty, flip, same, truncate, zero
from tests.storage.disk import mounted

GUIDE_TYPES = {
    "backbone_name": str,
    "model_state_dict": dict,
    "epoch": int,
    "stage": str,
    "metrics": dict,
    "history": dict,
    "optimizer_state": dict,
    "scheduler_state": dict,
    "timestamp": str,
    "device": str,
}


@pytest.fixture
def path(manager: CheckpointManager, trained: Trained) -> Path:
    """A checkpoint with everything in it."""
    return manager.save_backbone_checkpoint(
        "CustomSwinTransformer",
        epoch=23,
        metrics={"accuracy": 0.945, "loss": 0.125, "f1": 0.94},
        history={"train_loss": [1.0, 0.5], "val_acc": [0.8, 0.9]},
        stage="finetune",
        **trained.checkpoint(),
    )


def test_plain_torch_load_opens_it(path: Path, trained: Trained) -> None:
    """torch.load with torch's own defaults finds the guide's keys, with the guide's types."""
    loaded = torch.load(path)

    assert {key: type(loaded[key]) for key in GUIDE_TYPES if key != "model_state_dict"} == {
        key: kind for key, kind in GUIDE_TYPES.items() if key != "model_state_dict"
    }
    assert (loaded["backbone_name"], loaded["epoch"]) == ("CustomSwinTransformer", 23)
    assert loaded["metrics"]["accuracy"] == 0.945
    assert same(dict(loaded["model_state_dict"]), dict(trained.model.state_dict()))
    other = Trained(seed=1)
    other.model.load_state_dict(loaded["model_state_dict"])
    other.optimizer.load_state_dict(loaded["optimizer_state"])
    other.scheduler.load_state_dict(loaded["scheduler_state"])
    assert same(other.optimizer.state_dict(), trained.optimizer.state_dict())


def test_any_wrong_byte_is_found_or_harmless(path: Path) -> None:
    """With a byte flipped anywhere, the file is called damaged or gives exactly what was saved."""
    data, saved = path.read_bytes(), read_pth(path)
    found = 0
    for at in range(0, len(data), 23):
        flip(path, at)
        try:
            assert same(read_pth(path), saved), at
        except DamagedCheckpointError:
            found += 1
        path.write_bytes(data)
    assert found


def test_every_bit_of_a_records_description_is_covered(path: Path) -> None:
    """A tensor that its header calls a folder would be read as garbage from memory by torch."""
    data, saved = path.read_bytes(), read_pth(path)
    with zipfile.ZipFile(path) as archive:
        names = [record.filename for record in archive.infolist()]
    tensor = next(name for name in names if "/data/" in name and not name.endswith("_id"))
    header = data.rindex(b"PK\x01\x02", 0, data.rindex(tensor.encode()))
    external_attributes = header + 38
    for bit in range(8):
        flip(path, external_attributes, 1 << bit)
        try:
            assert same(read_pth(path), saved), bit
        except DamagedCheckpointError:
            assert bit == 4
        path.write_bytes(data)
    flip(path, external_attributes, 0x10)
    assert damage(path) == f"record {tensor} is not what was written"
    assert damage(path)


@pytest.mark.parametrize("injury", [empty, flip, truncate, zero, Path.unlink])
def test_damaged_file_is_not_committed(injury: Callable[[Path], None], path: Path) -> None:
    """The one predicate sees the damage, reading refuses it by name, and nothing else happens."""
    assert damage(path) is None
    injury(path)

    assert damage(path)
    with pytest.raises(DamagedCheckpointError, match=f"^{path}: "):
        read_pth(path)


def test_every_length_short_of_the_whole_is_found(path: Path) -> None:
    """Truncated anywhere, it is never taken for a checkpoint."""
    data = path.read_bytes()
    for length in [*range(0, len(data), 211), *range(len(data) - 30, len(data))]:
        path.write_bytes(data[:length])
        assert damage(path) is not None, length


class Intruder:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


FOREIGN_PICKLES = {
    "empty": b"",
    "cut off": b"\x80\x02X\xff",
    "nothing to take": b"\x80\x02e.",
    "not text": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "no memo": b"\x80\x02h\x05.",
    "odd storage": b"\x80\x02K\x01Q.",
    "short storage": b"\x80\x02(X\x07\x00\x00\x00storageK\x01tQ.",
    "a list as key": b"\x80\x02}]K\x01s.",
    "unknown global": b"\x80\x02cnope\nnope\n.",
    "a list": pickle.dumps([1], 2),
}


def as_pth(path: Path, pickled: bytes) -> Path:
    """Write a zip as torch would, all CRCs right, with any pickle inside."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return path


def test_hostile_pickle_is_refused_without_running(tmp_path: Path) -> None:
    """What is inside is never executed, however good its checksums are."""
    trace = tmp_path / "was-here"
    path = as_pth(tmp_path / "Net_head_epoch1.pth", pickle.dumps({"a": Intruder(trace)}, 2))
    assert damage(path) is None

    with pytest.raises(DamagedCheckpointError, match="not a plain file of tensors"):
        read_pth(path)
    assert not trace.exists()


@pytest.mark.parametrize("pickled", FOREIGN_PICKLES.values(), ids=FOREIGN_PICKLES)
def test_foreign_contents_are_refused_in_one_line(pickled: bytes, tmp_path: Path) -> None:
    """Whatever torch stumbles over in a file, it comes out as one fault that names the file."""
    path = as_pth(tmp_path / "Net_head_epoch1.pth", pickled)
    with pytest.raises(DamagedCheckpointError) as caught:
        read_pth(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_full_disk_leaves_the_old_checkpoint(trained: Trained) -> None:
    """A checkpoint that does not fit is refused in plain words; the one that stood still does."""
    with mounted("size=1m") as disk:
        path = disk / "Net_head_epoch1.pth"
        write_pth(path, {"model": trained.model.state_dict()})
        with pytest.raises(StorageError, match=r"Net_head_epoch1\.pth: the disk is full; free"):
            write_pth(path, {"model": torch.zeros(1 << 20)})

        assert same(dict(read_pth(path)["model"]), dict(trained.model.state_dict()))
        assert list(disk.iterdir()) == [path]


SHORT_OF_MEMORY = """
import resource, sys, torch
from pathlib import Path
from holdfast.checkpoint import read_pth
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20),) * 2)
read_pth(Path(sys.argv[1]))
"""


def test_lack_of_memory_is_not_damage(tmp_path: Path) -> None:
    """A good checkpoint that does not fit into memory is not stepped over as a bad one."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    path = tmp_path / "Net_head_epoch1.pth"
    write_pth(path, {"model": torch.zeros(64 << 20, dtype=torch.uint8)})

    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(path)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 1
    assert "can't allocate memory" in child.stderr.splitlines()[-1]
    assert "DamagedCheckpointError" not in child.stderr


NO_MORE_THREADS = """
import sys
from pathlib import Path
from threading import Event, Thread
from holdfast.rundir import damage
import resource
go_on = Event()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20),) * 2)
try:
    while True:
        Thread(target=go_on.wait, daemon=True).start()
except RuntimeError:
    print(damage(Path(sys.argv[1])))
go_on.set()
"""


@pytest.fixture
def large(tmp_path: Path, trained: Trained) -> Path:
    """A file that several threads verify."""
    path = tmp_path / "Net_head_epoch1.pth"
    tensors = [torch.full((1 << 20,), float(n)) for n in range(6)]
    write_pth(path, {"model_state_dict": trained.model.state_dict(), "more": tensors})
    return path


def test_damage_to_a_large_file_is_named(large: Path) -> None:
    """Several threads find what one finds, wherever it is, and the first where there are two."""
    assert damage(large) is None
    whole = large.read_bytes()
    with zipfile.ZipFile(large) as archive:
        records = [record for record in archive.infolist() if record.file_size > 1 << 20]
    for earlier in reversed(records):
        flip(large, earlier.header_offset + 1000)
        assert damage(large) == f"record {earlier.filename} is not what was written"
    assert len(records) == 6
    large.write_bytes(whole[:-1000])
    assert damage(large) == "truncated, or not a checkpoint"


def test_lack_of_threads_is_not_damage(large: Path) -> None:
    """Where not one more thread can be started, the check takes longer and finds the same."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    said = []
    for injury in (None, flip):
        if injury:
            injury(large)
        command = [sys.executable, "-c", NO_MORE_THREADS, str(large)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append((child.returncode, child.stdout))
    assert said == [(0, "None\n"), (0, "record archive/data.pkl is not what was written\n")]


TRUNCATED_IN_USE = """
import os, sys
from holdfast.checkpoint import CheckpointManager
manager = CheckpointManager(os.path.dirname(sys.argv[1]))
record = manager.load_backbone_checkpoint("CustomSwinTransformer", epoch=int(sys.argv[2]) or None)
os.truncate(sys.argv[1], 0)
moments = [state["exp_avg"].double().sum() for state in record["optimizer_state"]["state"].values()]
print(sum(moments).item())
"""


@pytest.mark.parametrize("epoch", [0, 23], ids=["the newest", "the one asked for"])
def test_what_a_manager_hands_out_outlives_its_file(
    epoch: int, path: Path, trained: Trained
) -> None:
    """Whoever keeps a loaded checkpoint is not killed when its file is cut short meanwhile."""
    command = [sys.executable, "-c", TRUNCATED_IN_USE, str(path), str(epoch)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    states = trained.optimizer.state_dict()["state"].values()
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) == sum(s["exp_avg"].double().sum() for s in states).item()


def test_what_is_read_is_a_private_view_of_the_file(tmp_path: Path) -> None:
    """The tensors lie in the file, and what is done to them is not done to it."""
    path = tmp_path / "Net_head_epoch1.pth"
    write_pth(path, {"model": torch.ones(1 << 16)})
    record = read_pth(path)
    record["model"].zero_()

    assert read_pth(path)["model"].sum() == 1 << 16
    path.unlink()
    assert record["model"].sum() == 0
