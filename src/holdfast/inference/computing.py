"""Computing as a run did, so that its models give the bits that they gave in training."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from holdfast.config import RunConfig
from holdfast.errors import RecoveryRefusedError, UsageError
from holdfast.pipeline import Machine, settle
from holdfast.training import use_deterministic_kernels


def recorded_config(run: Mapping[str, Any], where: str) -> RunConfig:
    """Return the settings that a run's record holds.

    Raises:
        UsageError: a loop of somebody's own trained there.
        RecoveryRefusedError: the settings are not ones that this Holdfast knows.
    """
    recorded, classes = run.get("config"), run.get("classes")
    if not isinstance(recorded, Mapping) or not isinstance(classes, list):
        raise UsageError(
            f"{where}: trained by a loop of its own, so how its models are built is not recorded; "
            "load NAME_best.pth into yours: holdfast.open(…), or torch.load"
        )
    machine = run.get("machine", {})
    names = ("device", "threads", "precision")
    settled = {name: machine[name] for name in names if name in machine}
    try:
        return RunConfig.model_validate({**recorded, **settled})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise RecoveryRefusedError(
            f"{where}: trained with {name} = {first['input']!r}, which this Holdfast does not "
            "know; use the one that trained it"
        ) from None


def machine_of(config: RunConfig, device: str, on_notice: Callable[[str], None]) -> Machine:
    """Return what to compute on: what the run did, or ``device`` where one is named.

    Raises:
        ConfigError: cuda is asked for and is not there.
    """
    if device != "auto":
        wanted = device
    elif config.device == "cuda" and not torch.cuda.is_available():
        on_notice("trained on cuda, computed on the CPU here: the last digits may differ")
        wanted = "cpu"
    else:
        wanted = config.device
    with _threads_kept():
        asked = config.model_dump(mode="json") | {"device": wanted}
        return settle(RunConfig.model_validate(asked), {})


@contextmanager
def computing_as(machine: Machine) -> Iterator[None]:
    """In the block, compute with the threads and the kernels of a run; no gradients.

    Afterwards they, and the random numbers of this process, go on as they would have.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    with _threads_kept(), randomness_kept(), torch.inference_mode():
        torch.set_num_threads(machine.threads)
        use_deterministic_kernels()
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)
            torch.backends.cudnn.benchmark = benchmark


@contextmanager
def randomness_kept() -> Iterator[None]:
    """Let the block draw what it likes: those outside draw what they would have without it."""
    pythons, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(pythons)
            np.random.set_state(numpys)


@contextmanager
def _threads_kept() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
