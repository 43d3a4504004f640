"""What every benchmark says below its table, and how the table is written."""

import platform
import signal
import statistics
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

import torch


def end_cleanly() -> None:
    """Let SIGTERM end the benchmark as Ctrl-C does: its processes and its folder go with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def installed(package: str) -> str | None:
    """Return the version of a package, if it is there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def median(values: Iterable[float], digits: int = 1) -> str:
    """Return the median as text, with the extremes where there are several; a dash for none."""
    known = sorted(values)
    if not known:
        return "-"
    text = f"{statistics.median(known):,.{digits}f}"
    extremes = f" ({known[0]:,.{digits}f} to {known[-1]:,.{digits}f})"
    return text + (extremes if len(known) > 1 else "")


def machine(packages: Iterable[str], threads: int, device: str) -> str:
    """Return what the figures were measured with."""
    shown = [f"{name} {number}" for name in ("torch", *packages) if (number := installed(name))]
    kind = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    system = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    return f"{kind}, {threads} threads of torch; {system}; {', '.join(shown)}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - pathlib would read all of it
            return next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
