"""What a run computes on is settled once and then kept."""

from typing import Any

import pytest
import torch

from holdfast.config import resolve
from holdfast.errors import ConfigError
from holdfast.pipeline.machine import settle


@pytest.fixture(autouse=True)
def _threads_as_before() -> None:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_recorded_threads_are_kept_on_another_machine() -> None:
    """One thread more gives other bits: a run goes on with the number it began with."""
    assert settle(resolve({}), {"threads": 3}).threads == 3
    assert torch.get_num_threads() == 3


def test_threads_asked_for_win() -> None:
    """--config may name the threads; a recorded number that differs is then refused by plan."""
    assert settle(resolve({"threads": 1}), {"threads": 3}).threads == 1


def test_description_names_what_decides_the_bits() -> None:
    """The same description means the same results; each of these changes some bit."""
    described = settle(resolve({"device": "cpu"}), {}).describe()

    assert described.keys() == {
        "torch",
        "kornia",
        "device",
        "instructions",
        "ranks",
        "threads",
        "precision",
    }
    assert described["precision"] == "float32"
    assert settle(resolve({"precision": "bfloat16"}), {}).describe()["precision"] == "bfloat16"


def test_ranks_share_the_threads() -> None:
    """The ranks of a job compute at the same time; what is recorded is the threads of each."""
    torch.set_num_threads(6)

    assert settle(resolve({"device": "cpu", "ranks": 2}), {}).threads == 3
    assert settle(resolve({"device": "cpu", "ranks": 2}), {"threads": 4}).threads == 4


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"ranks": 3, "batch_size": 5}, "batch_size: 5 images are too few for 3 ranks"),
        ({"ranks": 2, "checkpoint_dir": "s3://bucket/run"}, "by one of 2 ranks"),
        ({"gpus_per_job": 99}, "gpus_per_job: 99 asked for, but torch sees"),
    ],
)
def test_ranks_that_cannot_be(asked: dict[str, Any], told: str) -> None:
    """More ranks than GPUs, or than the batches can be shared by, are a config error."""
    with pytest.raises(ConfigError, match=told):
        settle(resolve({"device": "cpu", **asked}), {})


def test_torchrun_says_how_many_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchrun has started is what there is; another number that is asked for is refused."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")

    assert settle(resolve({"device": "cpu"}), {}).ranks == 2
    with pytest.raises(ConfigError, match="ranks: 3 asked for, but torchrun has started 2"):
        settle(resolve({"device": "cpu", "ranks": 3}), {})
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    with pytest.raises(ConfigError, match="the ranks of a job are on one machine"):
        settle(resolve({"device": "cpu"}), {})


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_missing_cuda_is_told() -> None:
    """Asking for a device that is not there is a config error, not a crash."""
    with pytest.raises(ConfigError, match="0 cuda devices"):
        settle(resolve({"device": "cuda:1"}), {})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a cuda device")
def test_cuda_is_chosen_where_it_is() -> None:
    """auto takes the GPU, with bfloat16 where the GPU has it."""
    machine = settle(resolve({}), {})

    assert machine.device.type == "cuda"
    assert machine.autocast in (torch.bfloat16, None)
