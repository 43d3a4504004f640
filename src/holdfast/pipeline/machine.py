"""What a run computes on: device, threads, precision, each settled once and then recorded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from holdfast.config import RunConfig
from holdfast.errors import ConfigError

_MOST_THREADS = 4096


@dataclass(frozen=True)
class Machine:
    """The device and the way of computing on it."""

    device: torch.device
    threads: int
    autocast: torch.dtype | None

    def describe(self) -> dict[str, Any]:
        """Return what decides the bits: the same description, the same results."""
        cpu = torch.backends.cpu.get_cpu_capability()
        kind = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else cpu
        return {
            "torch": torch.__version__,
            "kornia": version("kornia"),  # draws the augmentation
            "device": self.device.type,
            "instructions": kind,
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
    threads = config.threads or _threads_of(recorded) or _threads_to_begin_with(config)
    torch.set_num_threads(threads)
    return Machine(device, threads, _autocast(config.precision, device))


def _threads_of(recorded: Any) -> int | None:
    """Return the threads of an earlier start; a run of somebody's own may record anything here."""
    threads = recorded.get("threads") if isinstance(recorded, Mapping) else None
    return threads if type(threads) is int and 0 < threads <= _MOST_THREADS else None


def _threads_to_begin_with(config: RunConfig) -> int:
    """Return all that this machine has; where Ray trains several jobs at a time, what each gets."""
    if config.engine == "ray":
        return config.cpus_per_job or 1
    return torch.get_num_threads()


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f"device: {wanted} asked for, but torch sees {count} cuda devices")
    return device


def _autocast(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        pays = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if pays else None
    return torch.bfloat16 if precision == "bfloat16" else None
