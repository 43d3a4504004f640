"""The Ray engine: connects, finds out what the cluster computes on, drives the series."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from holdfast.config import RunConfig
from holdfast.errors import HoldfastError
from holdfast.pipeline.engine import Series
from holdfast.pipeline.on_ray.connect import connect
from holdfast.pipeline.on_ray.driver import Driver
from holdfast.pipeline.on_ray.room import elsewhere, room
from holdfast.pipeline.on_ray.worker import describe_node
from holdfast.training import StopRequest

_TRIES = 20  # nodes that are asked whether they compute as the run was begun
_LOOK = 0.5  # seconds between two looks at whether a stop is asked for


class RayEngine:
    """Trains the jobs as tasks of Ray, on whatever machines that has."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def __enter__(self) -> Self:
        connect(self._config.ray_address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ray.shutdown()

    def describe_machine(self, recorded: Mapping[str, Any], stop: StopRequest) -> dict[str, Any]:
        """Ask a node with room for a job; the others are held to what it says.

        Where the run has been begun, a node that computes as it was begun, if there is one.

        Raises:
            ConfigError: what was asked for is not there.
            Interrupted: a stop was asked for while no node had room.
        """
        others: list[str] = []
        while True:
            node, machine = self._ask(recorded, others, stop)
            others.append(node)
            fit = not recorded or all(machine[name] == recorded.get(name) for name in machine)
            if fit or len(others) == _TRIES or not room(resources(self._config, recorded), others):
                return machine

    def _ask(
        self, recorded: Mapping[str, Any], others: Sequence[str], stop: StopRequest
    ) -> tuple[str, dict[str, Any]]:
        """Ask one node, but these others; and again where it dies of it."""
        options = {**resources(self._config, recorded), **elsewhere(others)}
        while True:
            asked = ray.remote(describe_node).options(**options).remote(self._config, recorded)
            while not ray.wait([asked], timeout=_LOOK)[0]:
                stop.check("waiting for a machine with room for a job")
            try:
                described: tuple[str, dict[str, Any]] = ray.get(asked)
            except RayTaskError as error:
                if isinstance(error.cause, HoldfastError):
                    raise error.cause from None
                raise
            except RayError:  # its machine has gone
                continue
            return described

    def train(self, series: Series) -> None:
        """Train each pending job; see `Engine.train`."""
        recorded = series.run.ledger.state.run
        Driver(series, resources(self._config, recorded["machine"])).drive()


def resources(config: RunConfig, machine: Mapping[str, Any]) -> dict[str, float]:
    """Return what Ray is to set aside for a job, by its own names."""
    threads = config.threads or machine.get("threads") or 1
    on_cuda = config.device.startswith("cuda") or machine.get("device") == "cuda"
    if config.device == "auto" and not machine:
        on_cuda = ray.cluster_resources().get("GPU", 0) > 0  # type: ignore[no-untyped-call]
    gpus = config.gpus_per_job if config.gpus_per_job is not None else int(on_cuda)
    ranks = config.ranks or max(gpus, 1)
    return {"num_cpus": config.cpus_per_job or threads * ranks, "num_gpus": gpus}
