"""What a run computes on: device, threads, precision, each settled once and then recorded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch.distributed import is_torchelastic_launched

from holdfast.config import RunConfig
from holdfast.errors import ConfigError
from holdfast.storage.objects import is_url

_MOST_THREADS = 4096


@dataclass(frozen=True)
class Machine:
    """The device and the way of computing on it."""

    device: torch.device
    threads: int
    """Of each rank."""
    autocast: torch.dtype | None
    ranks: int = 1
    """Processes that train one job together."""

    def describe(self) -> dict[str, Any]:
        """Return what decides the bits: the same description, the same results."""
        cpu = torch.backends.cpu.get_cpu_capability()
        kind = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else cpu
        return {
            "torch": torch.__version__,
            "kornia": version("kornia"),  # draws the augmentation
            "device": self.device.type,
            "instructions": kind,
            "ranks": self.ranks,
            "threads": self.threads,
            "precision": str(self.autocast or torch.float32).removeprefix("torch."),
        }


def settle(config: RunConfig, recorded: Mapping[str, Any]) -> Machine:
    """Choose device, threads and precision; what ``recorded`` says of an earlier start goes first.

    Raises:
        ConfigError: cuda was asked for and is not there.
    """
    device = _device(config.device)
    if device.type == "cuda":
        # cuBLAS is exact only with a fixed workspace, chosen before its first call
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    ranks = _ranks(config, device)
    threads = config.threads or _threads_of(recorded) or _threads_to_begin_with(config, ranks)
    torch.set_num_threads(threads)
    return Machine(device, threads, _autocast(config.precision, device), ranks)


def _ranks(config: RunConfig, device: torch.device) -> int:
    """Return how many processes train one job together: one, unless more are asked for.

    Raises:
        ConfigError: there are not as many GPUs, or they cannot share the work.
    """
    gpus = config.gpus_per_job or 1
    started = int(os.environ["WORLD_SIZE"]) if is_torchelastic_launched() else 1
    ranks = config.ranks or (gpus if gpus > 1 else started)
    there = torch.cuda.device_count() if device.type == "cuda" else 0
    if 1 < gpus > there:
        raise ConfigError(f"gpus_per_job: {gpus} asked for, but torch sees {there} cuda devices")
    if device.type == "cuda" and ranks > there:
        raise ConfigError(f"ranks: {ranks} need a GPU each, but torch sees {there} cuda devices")
    if 1 < started != ranks:
        raise ConfigError(f"ranks: {ranks} asked for, but torchrun has started {started}")
    if 1 < started != int(os.environ["LOCAL_WORLD_SIZE"]):
        raise ConfigError("torchrun: the ranks of a job are on one machine; see --engine ray")
    if ranks > 1:
        _check_sharing(config, ranks)
    return ranks


def _check_sharing(config: RunConfig, ranks: int) -> None:
    if ":" in config.device:
        raise ConfigError(
            f"device: {config.device} is one GPU, and {ranks} ranks need one each; say cuda, and "
            "choose GPUs by CUDA_VISIBLE_DEVICES"
        )
    if is_url(config.checkpoint_dir):
        raise ConfigError(
            f"checkpoint_dir: {config.checkpoint_dir} cannot be sent to by one of {ranks} ranks; "
            "name a folder"
        )
    if config.batch_size < 2 * ranks:
        raise ConfigError(
            f"batch_size: {config.batch_size} images are too few for {ranks} ranks; "
            f"make it at least {2 * ranks}"
        )


def _threads_of(recorded: Any) -> int | None:
    """Return the threads of an earlier start; a run of somebody's own may record anything here."""
    threads = recorded.get("threads") if isinstance(recorded, Mapping) else None
    return threads if type(threads) is int and 0 < threads <= _MOST_THREADS else None


def _threads_to_begin_with(config: RunConfig, ranks: int) -> int:
    """Return a rank's part of all that this machine has, or of what Ray sets aside for a job."""
    threads = torch.get_num_threads() if config.engine == "local" else config.cpus_per_job or 1
    return max(threads // ranks, 1)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(
            f"device: {wanted} asked for, but torch sees {count} cuda devices; use auto or cpu, or "
            "mend the driver"
        )
    return device


def _autocast(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        pays = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if pays else None
    return torch.bfloat16 if precision == "bfloat16" else None
