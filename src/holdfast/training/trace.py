"""What `holdfast prove` asks of a process that it starts: a trace of its steps, and its death.

The environment variable `HOLDFAST_PROVE`, which nothing else sets, holds JSON. ``trace`` is a
file that gets a line for each step: digests of the batch, of the gradients, and of the whole
state before and after. ``kill``, where there is one, names a step and the kind of effect on disk
(``holdfast.storage.disk``) before which, once that step has been made, the process kills itself.
Each step is then saved, whatever the run's save interval, so that each can be resumed from.
"""

import json
import os
import re
import signal
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.storage import disk, final_name

if TYPE_CHECKING:
    from holdfast.training.job import Job

VARIABLE = "HOLDFAST_PROVE"
UNSAVED = " (not in its state_dict)"
"""Marks what a module changes and no checkpoint of it holds."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LONGEST = 40  # a text that is shown as it is


class Tracer:
    """Writes the trace of this process, and ends it where it was asked to."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._path = Path(request["trace"])
        self._kill: Mapping[str, Any] = request.get("kill") or {}
        self._met: dict[str, Any] = {}
        self._armed = False
        self._renamed = ""
        self._watching = ExitStack()
        if self._kill:
            self._watching.enter_context(disk.watching(self._before))

    def batch(self, job: "Job", batch: Any) -> None:
        """Note the batch that the next step learns from, and the state that it meets."""
        self._met = {"before": _state(job), "batch": digests(batch, "batch")}

    def step(self, job: "Job", means: Mapping[str, Tensor | float]) -> None:
        """Write down the step that has just been made."""
        position = job.state.position
        at = [str(job.name), position.stage, position.epoch, position.step]
        values = {name: repr(torch.as_tensor(value).item()) for name, value in means.items()}
        made = {"means": values, "gradients": _gradients(job), "after": _state(job)}
        self._write({"at": at, "time": time.monotonic(), **self._met, **made})
        self._met = {}
        self._armed = self._armed or at == self._kill.get("at")

    def _before(self, effect: disk.Effect) -> None:
        name = final_name(effect.target or effect.path)
        if effect.kind == disk.RENAME:
            self._renamed = name
        if not (self._armed and effect.kind == self._kill["effect"]):
            return
        if effect.kind == disk.SYNC_DIRECTORY:
            name = self._renamed  # what is to become durable
        if re.search(self._kill["pattern"], name):
            self._write({"killed": name})
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    def _write(self, line: Mapping[str, Any]) -> None:
        with disk.append(self._path) as file:
            file.write(json.dumps(line).encode() + b"\n")


def digests(value: Any, name: str) -> dict[str, str]:
    """Return a digest of each tensor and array in ``value``, and each plain value, by its place."""
    return dict(_leaves(value, name))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and not all(isinstance(item, _PLAIN) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{name}.{number}")
    elif (leaf := _digest(value)) is not None:
        yield name, leaf


def _digest(value: Any) -> str | None:
    """Return the CRC-32 of a tensor, a plain value as it is, nothing of any other object."""
    if isinstance(value, Tensor):
        dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        raw = dense.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _crc(raw.data, f"{value.dtype} {tuple(value.shape)}")
    if isinstance(value, np.ndarray):
        return _crc(value.tobytes(), f"{value.dtype} {value.shape}")
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, (*_PLAIN, list, tuple)):
        text = repr(value)
        return text if len(text) <= _LONGEST else _crc(text.encode(), "")
    return None


def _crc(data: "bytes | memoryview", kind: str) -> str:
    return f"#{zlib.crc32(data, zlib.crc32(kind.encode())):08x}"


def _state(job: "Job") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, thing in job.state.objects.items():
        found |= digests(thing.state_dict(), name)
        if isinstance(thing, nn.Module):
            buffers = {f"{name}.{key}": buffer for key, buffer in thing.named_buffers()}
            unsaved = {f"{key}{UNSAVED}": b for key, b in buffers.items() if key not in found}
            found |= digests(unsaved, "")
    return found


def _gradients(job: "Job") -> dict[str, str]:
    """Return the gradients that the step has left, of every module in the state."""
    modules = {k: thing for k, thing in job.state.objects.items() if isinstance(thing, nn.Module)}
    return digests(
        {f"{k}.{name}": p.grad for k, m in modules.items() for name, p in m.named_parameters()}, ""
    )


def _asked_for() -> Tracer | None:
    request = os.environ.get(VARIABLE)
    return Tracer(json.loads(request)) if request else None


tracer = _asked_for()
"""The tracer of this process; None except under `holdfast prove`."""
