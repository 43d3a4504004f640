"""One rank of a job: how it joins the others, and what it then does."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import torch
import torch.distributed as dist

from holdfast.checkpoint import CheckpointStore, SentLedger, Tell
from holdfast.pipeline.job import OnEntered, Task, train_job
from holdfast.pipeline.machine import Machine
from holdfast.rundir import Result
from holdfast.training import (
    Group,
    Jobs,
    Progress,
    RunSettings,
    SharedStop,
    StopRequest,
    following,
    leading,
)

_FOREVER = timedelta(days=365)  # whoever started the ranks ends them when one dies
_PASSED = {"CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG"}
_LOOPBACKS = {"lo", "lo0"}


@dataclass(frozen=True)
class Order:
    """All that a rank must know to train its part of a job."""

    task: Task
    directory: Path
    stages: tuple[str, ...]
    run_id: str
    changes: list[str]
    """What changed while the job was in training, for its result to say."""
    settings: RunSettings
    environment: dict[str, str]
    """Which GPUs to see, and how to compute on them."""

    @classmethod
    def of(cls, jobs: Jobs, task: Task) -> Self:
        """Return the order for one of the jobs of a run."""
        settings = replace(jobs.settings, on_progress=None, on_notice=_say_nothing)
        store, changes = jobs.store, jobs.ledger.changes_in(task.name)
        known = (store.directory, store.stages, store.run_id, changes, settings)
        return cls(task, *known, {name: os.environ[name] for name in _PASSED & os.environ.keys()})

    def jobs(
        self,
        tell: Tell,
        ask: Callable[[], None],
        show: Callable[[Progress], None],
        notice: Callable[[str], None],
        stop: StopRequest,
    ) -> Jobs:
        """Return the jobs of the run as a process has them that does not have the run."""
        settings = replace(self.settings, on_progress=show, on_notice=notice)
        ledger = SentLedger(self.directory, self.changes, tell)
        store = CheckpointStore(self.directory, self.stages, self.run_id, ask)
        return Jobs(ledger, store, settings, stop)


def _say_nothing(line: str) -> None:
    pass


@contextmanager
def joined(machine: Machine, rank: int, store: dist.Store) -> Iterator[Group]:
    """Be one of the ranks, which find each other by a ``store``, while the block runs.

    gloo carries what lies on the CPU, NCCL what lies on a GPU.
    """
    device = device_of(machine, rank)
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    _stay_on_this_machine()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        store=store,
        rank=rank,
        world_size=machine.ranks,
        timeout=_FOREVER,
    )
    yield Group(device)
    dist.destroy_process_group()  # who fails keeps the others waiting until it has said why


def device_of(machine: Machine, rank: int) -> torch.device:
    """Return what a rank computes on: a GPU of its own, where there are GPUs."""
    return torch.device("cuda", rank) if machine.device.type == "cuda" else machine.device


def train_together(
    jobs: Jobs, task: Task, ranks: Group, stop: StopRequest, on_entered: OnEntered
) -> Result:
    """Train the task's job as one of its ranks; each returns the result.

    Raises:
        Interrupted: a rank was asked to stop; the state has been saved.
        RecoveryRefusedError: the ranks do not stand at the same state.
    """
    torch.set_num_threads(task.machine.threads)
    shared = SharedStop(ranks, stop)
    machine = replace(task.machine, device=device_of(task.machine, ranks.rank))
    ours = following(jobs, ranks, shared) if ranks.rank else leading(jobs, ranks, shared)
    return train_job(ours, replace(task, machine=machine), on_entered, ranks)


def _stay_on_this_machine() -> None:
    """Let gloo listen to this machine only, not to its network."""
    names = [name for _, name in socket.if_nameindex() if name in _LOOPBACKS]
    if names:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", names[0])
