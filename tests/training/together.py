"""What several ranks do together, in real processes."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from holdfast.training import Group

Work = Callable[[Group], Any]
_PATIENCE = 120.0


def together(world: int, work: Work, home: str) -> list[Any]:
    """Return what ``work``, a function of a module, returns in each of so many ranks."""
    python = multiprocessing.get_context("forkserver")
    python.set_forkserver_preload([__name__])
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    lines, processes = [], []
    for rank in range(world):
        ours, theirs = python.Pipe()
        process = python.Process(target=_be, args=(rank, world, work, home, theirs), daemon=True)
        process.start()
        theirs.close()
        lines.append(ours)
        processes.append(process)
    try:
        assert all(line.poll(_PATIENCE) for line in lines), "a rank says nothing"
        return [line.recv() for line in lines]
    finally:
        for process in processes:
            process.join(5)
            process.kill()
            process.join()


def _be(rank: int, world: int, work: Work, home: str, line: "Connection[Any, Any]") -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{home}/meeting", rank=rank, world_size=world)
    line.send(work(Group(torch.device("cpu"))))
    dist.destroy_process_group()
