"""What is written is what torch.save writes, byte for byte."""

import io
import tracemalloc
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from holdfast.checkpoint.archive import in_place, pack, write_archive
from holdfast.checkpoint.serialize import write_pth
from holdfast.errors import UsageError
from holdfast.rundir import damage, peek
from tests.checkpoint.conftest import Trained
from tests.checkpoint.injury import same

WIDE = torch.arange(24.0).reshape(2, 3, 4)
NUMBERS = torch.arange(12.0)
KINDS = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.complex64]


class Half(nn.Parameter):
    """A class of its own, as some libraries have for parameters."""


def subclassed() -> torch.Tensor:
    """Return a parameter that carries an attribute."""
    parameter = Half(torch.ones(3))
    parameter.scale = 0.5  # type: ignore[attr-defined]
    return parameter


RECORDS = {
    "nothing": {},
    "numbers and text": {"device": "cpu", "0": "storage", "epoch": 3, "large": 2**70},
    "every type": {str(kind): torch.ones(5).to(kind) for kind in KINDS},
    "views": {"all": NUMBERS, "some": NUMBERS[3:7], "turned": WIDE.mT, "step": NUMBERS[::3]},
    "shared twice": [NUMBERS, {"again": NUMBERS}, NUMBERS.reshape(3, 4)],
    "channels last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "empty": {"a": torch.empty(0), "b": torch.empty(3, 0, dtype=torch.int64), "c": torch.ones(1)},
    "0-dim": [torch.tensor(1.5), torch.tensor(True), torch.tensor(7)],
    "parameters": [nn.Parameter(NUMBERS), torch.ones(2, requires_grad=True)],
    "a class of parameters": [subclassed()],
    "ordered": OrderedDict(b=torch.ones(2), a=torch.zeros(2)),
    "sparse and conjugated": [torch.eye(3).to_sparse(), torch.ones(2, dtype=torch.cfloat).conj()],
    "several pieces": torch.arange(5 << 20, dtype=torch.int64),
    "many": [torch.full((), float(n)) for n in range(300)],
    "more than 65535 records": [torch.empty(0) for _ in range(65_600)],
}


def by_torch(record: Any) -> bytes:
    file = io.BytesIO()
    torch.save(record, file)
    return file.getvalue()


def by_us(record: Any) -> bytes:
    file, packed = io.BytesIO(), pack(record)
    write_archive(file, packed.pickled, in_place(packed.storages))
    return file.getvalue()


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_same_bytes_as_torch(record: Any) -> None:
    """Whatever a checkpoint may hold, the file is the one that torch.save makes."""
    assert by_us(record) == by_torch(record)


def test_same_bytes_of_a_trained_state(trained: Trained, tmp_path: Path) -> None:
    """So it is with a model, AdamW and a scheduler, as `write_pth` puts them on the disk."""
    path, record = tmp_path / "Net_head_epoch1.pth", trained.checkpoint()
    write_pth(path, record)

    assert path.read_bytes() == by_torch(record)
    assert damage(path) is None
    assert peek(path).keys() == record.keys()
    assert same(torch.load(path), record)


class Ends:
    """A file that keeps no large piece, so that gigabytes of zeros cost no memory."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.size = 0

    def write(self, data: Any) -> int:
        """Count what is written, and keep it if it is small."""
        self.size += len(data)
        if len(data) < 1 << 20:
            self.kept.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing waits."""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="zeros may need real memory")
def test_same_bytes_beyond_4_gib() -> None:
    """Sizes and places that need 64 bits stand where torch puts them, behind an empty one too."""
    record = {"large": torch.zeros(1 << 32, dtype=torch.uint8), "behind": [torch.empty(0), NUMBERS]}
    ours, theirs, packed = Ends(), Ends(), pack(record)
    write_archive(ours, packed.pickled, in_place(packed.storages))  # type: ignore[arg-type]
    torch.save(record, theirs)  # type: ignore[arg-type]

    assert ours.size == theirs.size > 1 << 32
    assert b"".join(ours.kept) == b"".join(theirs.kept)


def test_one_memory_of_two_types_is_refused() -> None:
    """torch.save refuses it, for no file of torch can hold it; so do we, saying what to do."""
    with pytest.raises(RuntimeError):
        by_torch([NUMBERS, NUMBERS.view(torch.int32)])
    with pytest.raises(UsageError, match="clone one of the two"):
        pack([NUMBERS, NUMBERS.view(torch.int32)])


def test_each_view_is_done_with_before_the_next() -> None:
    """What yields views may reuse its memory: at each step the bytes so far are in the file."""
    packed, file = (
        pack([torch.full((70_000,), n, dtype=torch.uint8) for n in range(3)]),
        io.BytesIO(),
    )

    def reused() -> Iterator[memoryview]:
        memory = bytearray(70_000)
        for view in in_place(packed.storages):
            memory[:] = view
            yield memoryview(memory)
            assert bytes(view) in file.getvalue()

    write_archive(file, packed.pickled, reused())
    assert file.getvalue() == by_us([*torch.load(io.BytesIO(file.getvalue()))])


def test_saving_copies_nothing_and_leaves_tensors_as_they_are(tmp_path: Path) -> None:
    """Large tensors go to the file from where they lie; they can still be resized after that."""
    large = torch.ones(8 << 20)
    tracemalloc.start()
    try:
        write_pth(tmp_path / "Net_head_epoch1.pth", {"model": large})
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    large.untyped_storage().resize_(0)
