"""What runs on the cluster: one job in a task of Ray's, by the same `run_job` as anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from holdfast.checkpoint import CheckpointStore, SentLedger
from holdfast.config import RunConfig
from holdfast.errors import (
    DataError,
    HoldfastError,
    Interrupted,
    RecoveryRefusedError,
    StorageError,
    SupersededError,
)
from holdfast.pipeline.describe import describe_images
from holdfast.pipeline.job import attempt, run_job
from holdfast.pipeline.machine import Machine, settle
from holdfast.pipeline.material import Material, open_source, prepare_material
from holdfast.pipeline.on_ray.files import files_of
from holdfast.pipeline.on_ray.mailbox import Handle
from holdfast.pipeline.on_ray.wire import Wire, answer, obeying
from holdfast.rundir import JobName, load_state
from holdfast.storage.objects import is_url
from holdfast.training import Jobs, RunSettings, StopRequest, use_deterministic_kernels

ENDED, STOPPED, UNFIT, FAULT = "ended", "stopped", "unfit", "fault"


@dataclass(frozen=True)
class Order:
    """All that a worker must know of a run to train one of its jobs."""

    config: RunConfig
    job: JobName
    ticket: int
    """Counts how often the job was handed out."""
    start: str
    """Tells the starts of the run apart."""
    run_id: str
    recorded: Mapping[str, Any]
    """The run's record: machine and images must be the same on every node."""
    changes: tuple[str, ...]
    """What changed while the job was in training, for its result to say."""
    show_interval: float
    """Seconds between two messages of how far it is."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. What came of the job itself, it has told before."""

    kind: str
    """ended; stopped, because it was asked to; unfit, the node is; or a fault that ends all."""
    node: str
    error: HoldfastError | None = None
    """What went wrong, where it is unfit or a fault."""


def describe_node(config: RunConfig, recorded: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the node, and what a job would compute on there; see `Engine.describe_machine`."""
    use_deterministic_kernels()
    return ray.get_runtime_context().get_node_id(), settle(config, recorded).describe()


def train_job(order: Order, mailbox: Handle) -> Outcome:
    """Train one job from wherever its newest checkpoint stands."""
    node = ray.get_runtime_context().get_node_id()
    number: int | None = answer(mailbox.begin.remote(order.job, order.ticket, node))
    if number is None:
        return Outcome(ENDED, node)
    wire = Wire(mailbox, order.job, number)
    with obeying(mailbox) as stop:
        try:
            machine, material = _prepare(order, stop)
            _train(order, machine, material, wire, stop)
        except (_UnfitNodeError, DataError) as error:
            return Outcome(UNFIT, node, RecoveryRefusedError(str(error)))
        except Interrupted:
            return Outcome(STOPPED, node)
        except SupersededError:
            return Outcome(ENDED, node)
        except (StorageError, OSError) as error:  # another node's disk or network may be better
            kind = UNFIT if stop.signal is None else FAULT
            return Outcome(kind, node, StorageError(str(error)))
        except HoldfastError as error:
            return Outcome(FAULT, node, error)
    return Outcome(ENDED, node)


def _train(
    order: Order, machine: Machine, material: Material, wire: Wire, stop: StopRequest
) -> None:
    config = order.config
    settings = RunSettings(
        config.seed,
        config.keep_latest,
        config.overhead,
        config.save_interval,
        on_progress=wire.show,
        on_notice=wire.notice,
        show_interval=order.show_interval,
    )
    sets, classes = material.sets(order.job), material.classes
    with files_of(order.job, config.checkpoint_dir, order.start, wire, stop) as (directory, tell):
        store = CheckpointStore(directory, tuple(config.stages), order.run_id, wire.ask)
        jobs = Jobs(SentLedger(directory, order.changes, tell), store, settings, stop)
        attempt(lambda: run_job(jobs, config, machine, sets, classes, order.job, lambda *_: None))


class _UnfitNodeError(Exception):
    """This node would not give the run's bits, or does not see its files."""


def _prepare(order: Order, stop: StopRequest) -> tuple[Machine, Material]:
    """Return machine and images, both the run's own, as this process has them for all its jobs."""
    machine, material = _prepared(order, stop)
    known = order.recorded
    differing = [
        f"{name} is {now}, the run's {known['machine'].get(name)}"
        for name, now in machine.describe().items()
        if now != known["machine"].get(name)
    ]
    images = describe_images(material)
    if any(images[name] != known[name] for name in images):
        differing.append("its images, or what Pillow makes of them, are others")
    if differing:
        raise _UnfitNodeError("; ".join(differing))
    return machine, material


def _prepared(order: Order, stop: StopRequest) -> tuple[Machine, Material]:
    """Find the run, and decode or find the images: once for each process and start of the run."""
    config, key = order.config, f"{order.start} {order.config.model_dump_json()}"
    if key not in _kept:
        _look_for_run(Path(config.checkpoint_dir), order.run_id)
        use_deterministic_kernels()
        machine, source = settle(config, {}), open_source(config)
        check = lambda: stop.check("decoding images")  # noqa: E731
        material = prepare_material(config, source, lambda *_: None, check)
        _kept.clear()
        _kept[key] = (machine, material)
    return _kept[key]


def _look_for_run(directory: Path, run_id: str) -> None:
    state = None if is_url(directory) else load_state(directory)
    if not is_url(directory) and (state is None or state.run_id != run_id):
        raise _UnfitNodeError(f"it does not see the run in {directory}")


_kept: dict[str, tuple[Machine, Material]] = {}
