"""The curves of scale.py: time to finish by failures, and by size; the driver's cost by size."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

# Okabe and Ito's palette: told apart by most of those who do not see all colours
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
NAMES = {"10m": "10 min", "1h": "1 h", "6h": "6 h", "1d": "1 day", "10d": "10 days"}
HOURS = {"10m": 1 / 6, "1h": 1.0, "6h": 6.0, "1d": 24.0, "10d": 240.0}
Kept = dict[str, list[list[dict[str, Any]]]]


def draw(kept: Kept, path: Path) -> None:
    """Draw three panels side by side."""
    mpl.rcParams.update({"svg.hashsalt": "holdfast", "font.size": 10, "axes.grid": True})
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    _failures(axes[0], kept["By failures"])
    _sizes(axes[1], kept["By size"])
    _driver(axes[2], kept["By size"])
    for panel in figure.axes:
        panel.set_axisbelow(True)
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # without a date: the same figures give the same file
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, dpi=150, metadata=metadata)
    plt.close(figure)


def _failures(panel: Any, pairs: list[list[dict[str, Any]]]) -> None:
    known = [(case, found) for case, found in pairs if case["mtbf"] in HOURS]
    hours = [HOURS[case["mtbf"]] for case, _ in known]
    ratios = [found["ratio"] for _, found in known]
    up = [1 + known[0][0]["repair"] / 3600 / each for each in hours]
    panel.plot(hours, ratios, "o-", color=BLUE, label="simulated")
    panel.plot(hours, up, "s:", color=GREY, label="what repairs alone cost")
    for x, y in zip(hours, ratios, strict=True):
        panel.annotate(f"{y:.2f}", (x, y), (4, 6), textcoords="offset points", color=BLUE)
    panel.set(xscale="log", ylim=(0.95, max(ratios) * 1.12))
    panel.set_xticks(hours, [NAMES[case["mtbf"]] for case, _ in known])
    panel.minorticks_off()
    case, found = known[0]
    panel.set_title(f"{found['jobs']:,} jobs of 2 h on {case['nodes']:,} nodes")
    panel.set_xlabel("mean time between failures of a node")
    panel.set_ylabel("time to finish, of the ideal")
    panel.legend(frameon=False)


def _sizes(panel: Any, pairs: list[list[dict[str, Any]]]) -> None:
    nodes = [case["nodes"] for case, _ in pairs]
    ratios = [found["ratio"] for _, found in pairs]
    panel.plot(nodes, ratios, "o-", color=BLUE)
    panel.set_xlim(nodes[0] / 2, nodes[-1] * 2)
    for x, y in zip(nodes, ratios, strict=True):
        panel.annotate(f"{y:.3f}", (x, y), (-8, 8), textcoords="offset points", color=BLUE)
    panel.axhline(1.1, color=ORANGE, linestyle="--")
    panel.annotate(
        "to stay below", (nodes[0], 1.1), (0, 4), textcoords="offset points", color=ORANGE
    )
    panel.set(xscale="log", ylim=(1.0, 1.15))
    mtbf = pairs[0][0]["mtbf"]
    panel.set_xticks(nodes, [f"{each:,}" for each in nodes])
    panel.minorticks_off()
    panel.set_title(f"nine or ten jobs a node, node MTBF {NAMES.get(mtbf, mtbf)}")
    panel.set_xlabel("nodes")
    panel.set_ylabel("time to finish, of the ideal")


def _driver(panel: Any, pairs: list[list[dict[str, Any]]]) -> None:
    jobs = [found["jobs"] for _, found in pairs]
    panel.plot(jobs, [f["event"] * 1e3 for _, f in pairs], "o-", color=BLUE)
    panel.set(xscale="log", ylim=(0, None))
    panel.set_xticks(jobs, [f"{each:,}" for each in jobs])
    panel.minorticks_off()
    panel.set_xlim(jobs[0] / 2, jobs[-1] * 2)
    panel.set_ylabel("driver CPU, ms an event", color=BLUE)
    panel.set_xlabel("jobs")
    panel.set_title("the driver")
    other = panel.twinx()
    other.plot(jobs, [f["memory"] / 1e9 for _, f in pairs], "s--", color=ORANGE)
    other.set_ylim(0, 2.2)
    other.grid(visible=False)
    other.set_ylabel("peak memory, GB", color=ORANGE)
    other.spines["top"].set_visible(False)
