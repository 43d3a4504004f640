"""What has room on the cluster, and how to place a task where it is wanted."""

from collections.abc import Collection, Mapping
from typing import Any

import ray


def nodes() -> list[dict[str, Any]]:
    """Return the nodes that Ray knows, dead ones too, as it describes them."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return known


def room(needs: Mapping[str, float], avoided: Collection[str]) -> int:
    """Return how many jobs have room at a time, on all nodes but those that are avoided."""
    fit = [node for node in nodes() if node["Alive"] and node["NodeID"] not in avoided]
    return sum(_jobs_on(node["Resources"], needs) for node in fit)


def _jobs_on(has: Mapping[str, float], needs: Mapping[str, float]) -> int:
    there = {"num_cpus": has.get("CPU", 0), "num_gpus": has.get("GPU", 0)}
    return int(min(there[name] // need for name, need in needs.items() if need))


def elsewhere(avoided: Collection[str]) -> dict[str, Any]:
    """Return the options of a task that Ray is to place on none of these nodes."""
    if not avoided:
        return {}
    return {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(avoided))})"}}
