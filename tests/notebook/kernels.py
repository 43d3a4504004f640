"""Real notebooks in real Jupyter kernels."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

_PATIENCE = 300  # seconds for one cell


@contextmanager
def kernel(home: Path) -> Iterator[NotebookClient]:
    """Give a client whose kernel runs in ``home``; its notebook has no cells yet."""
    manager = KernelManager(kernel_name="python3", transport="ipc")
    manager.ip = str(home / "kernel")  # of the sockets
    client = NotebookClient(
        nbformat.v4.new_notebook(),
        km=manager,
        timeout=_PATIENCE,
        resources={"metadata": {"path": str(home)}},
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    with client.setup_kernel(env=env, cleanup_kc=True):
        yield client


def run(client: NotebookClient, *sources: str, fails: bool = False) -> list[list[dict[str, Any]]]:
    """Run cells one after the other, and return what each has put out."""
    for source in sources:
        metadata = {"tags": ["raises-exception"]} if fails else {}
        cell = nbformat.v4.new_code_cell(source, metadata=metadata)
        client.nb.cells.append(cell)
        client.execute_cell(cell, len(client.nb.cells) - 1)
    nbformat.validate(client.nb)
    return [cell.outputs for cell in client.nb.cells[-len(sources) :]]


def printed(outputs: list[dict[str, Any]]) -> str:
    """Return what went to stdout and stderr."""
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def shown(outputs: list[dict[str, Any]], kind: str = "text/html") -> list[str]:
    """Return what was displayed in one way, as it stands in the end."""
    return ["".join(o["data"][kind]) for o in outputs if kind in o.get("data", {})]
