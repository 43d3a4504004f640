"""Figures as the benchmarks print them: medians with their spread, the machine, Markdown."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

NOT_MEASURED = "not measured"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Return the median, and between what it lies."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def milliseconds(values: Sequence[float]) -> str:
    """Return the median of seconds in milliseconds; small ones with their decimals."""
    middle = 1000 * statistics.median(values)
    return f"{middle:,.0f}" if abs(middle) >= 20 else f"{middle:.2f}"


def peer_version(package: str) -> str | None:
    """Return the version of a peer that is installed, if any."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine(device: str = "cpu") -> str:
    """Return what the figures were measured on, and how busy it was."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    threads = f"{os.cpu_count()} CPUs, {torch.get_num_threads()} threads"
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{name}, {threads}, {load}, {system}, torch {torch.__version__}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
