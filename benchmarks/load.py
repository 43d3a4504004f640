"""What it costs to verify and load a checkpoint, against torch.load, which verifies nothing.

    python benchmarks/load.py [--megabytes 300] [--rounds 7] [--directory DIR]

A model with its AdamW state is written once; each round loads it in every way, the page cache
being warm. Figures are medians over the rounds; the ratio is to `torch.load` of the same round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.checkpoint import read_pth
from holdfast.checkpoint.serialize import write_pth
from holdfast.rundir import damage

WAYS: dict[str, Callable[[Path], Any]] = {
    "torch.load": torch.load,
    "torch.load(mmap=True)": lambda path: torch.load(path, mmap=True),
    "verify": damage,
    "verify + load": read_pth,
}


def trained_state(megabytes: int) -> dict[str, Any]:
    """Return the state of a model and its AdamW, of about so many megabytes together."""
    width = 1024
    layers = max(1, megabytes * 10**6 // (3 * 4 * width * (width + 1)))
    model = nn.Sequential(*(nn.Linear(width, width) for _ in range(layers)))
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return {"model_state_dict": model.state_dict(), "optimizer_state": optimizer.state_dict()}


def measure(way: Callable[[Path], Any], path: Path) -> tuple[float, float]:
    """Return the seconds that pass while `way` runs, and those of the CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    loaded = way(path)
    took = time.perf_counter() - began, time.process_time() - cpu
    del loaded
    return took


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--device", help="not used: files are read by the CPU, whatever trains")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        path = Path(directory, "model.pth")
        write_pth(path, trained_state(options.megabytes))
        print(f"{path.stat().st_size / 1e6:.0f} MB, torch {torch.__version__}")
        rounds = [[measure(way, path) for way in WAYS.values()] for _ in range(options.rounds + 1)]
    print(f"{'':24}{'ms':>8}{'ratio':>8}{'CPU ms':>8}{'ratio':>8}")
    for column, name in enumerate(WAYS):
        figures = ""
        for kind in (0, 1):
            each = [row[column][kind] for row in rounds[1:]]
            ratios = [row[column][kind] / row[0][kind] for row in rounds[1:]]
            figures += f"{statistics.median(each) * 1000:8.0f}{statistics.median(ratios):8.2f}"
        print(f"{name:24}{figures}")


if __name__ == "__main__":
    main()
