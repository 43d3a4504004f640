"""run_series: every backbone, on the full split and on each fold, until nothing is left."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from holdfast.config import RunConfig
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED, ConfigError, UsageError
from holdfast.pipeline.describe import describe, describe_images
from holdfast.pipeline.display import Display
from holdfast.pipeline.engine import Engine, Series
from holdfast.pipeline.local import LocalEngine
from holdfast.pipeline.material import Material, open_source, prepare_material
from holdfast.pipeline.torchrun import LeadingEngine, rank_of_torchrun
from holdfast.pipeline.workload import workload
from holdfast.rundir import Started, is_complete, record_start
from holdfast.status import read_status
from holdfast.storage.objects import located, viewed
from holdfast.training import Run, RunSettings, StopRequest, use_deterministic_kernels

Beside = Callable[[Path], AbstractContextManager[None]]


def _nobody(directory: Path) -> AbstractContextManager[None]:
    return nullcontext()


def run_series(
    config: RunConfig,
    display: Display,
    stop: StopRequest,
    started: Started | None = None,
    *,
    steps: int | None = None,
    beside: Beside = _nobody,
) -> int:
    """Train what the config names and is not complete yet; return the exit code.

    ``started`` is recorded, for whoever is to start the series again. With ``steps``, an epoch
    has so many only, of as few images (`holdfast prove`). What ``beside`` returns for the run's
    directory is entered when the run is this process's, and left before it is given back.

    Raises:
        DataError: the images cannot be trained on; nothing has been trained.
        DirectoryInUseError: another process trains there.
        RecoveryRefusedError: the directory holds a run that this config would not continue.
        Interrupted: a signal asked for a stop; everything is saved.
        StorageError: the disk refused.
    """
    source, chosen = open_source(config, steps, display.notice), _engine(config)
    use_deterministic_kernels()
    settings = RunSettings(
        config.seed,
        config.keep_latest,
        config.overhead,
        config.save_interval,
        on_progress=display.progress,
        on_notice=display.notice,
    )
    with (
        stop.listening(),
        Run(located(config.checkpoint_dir), settings, stop) as run,
        chosen as engine,
    ):
        machine = engine.describe_machine(run.ledger.state.run.get("machine", {}), stop)
        run.check(describe(config, machine), config.on_change)  # before an hour of decoding
        check = lambda: stop.check("decoding images")  # noqa: E731
        material = prepare_material(config, source, display.decoding, check)
        display.bad_images(material.cache.bad, len(source.names))
        train, val, test = map(len, material.split)
        display.images(train, val, test, len(material.classes))
        run.plan(
            {**describe(config, machine), **describe_images(material)},
            config.backbones,
            config.fold_counts,
            on_change=config.on_change,
        )
        with beside(run.directory):
            if started is not None:  # only now: nothing that was refused is to be started at boot
                record_start(run.directory, started)
            return _train_pending(run, config, material, display, engine)


def check_settings(config: RunConfig) -> None:
    """Refuse what a start with these settings would refuse before it looks at the images.

    Takes no lock and writes nothing.

    Raises:
        RecoveryRefusedError: the directory holds a run that this config would not continue.
    """
    settings = RunSettings(on_notice=lambda _: None)
    with viewed(config.checkpoint_dir) as directory, _engine(config) as engine:
        run = Run(directory, settings, StopRequest(), look=True)
        machine = engine.describe_machine(run.ledger.state.run.get("machine", {}), StopRequest())
        run.check(describe(config, machine), config.on_change)


def _train_pending(
    run: Run,
    config: RunConfig,
    material: Material,
    display: Display,
    engine: Engine,
) -> int:
    """Let the engine train each job that is not complete."""
    state = run.ledger.state
    asked = [job for job in state.jobs() if job.backbone in config.backbones]
    status = read_status(run.directory)
    pending = run.which_are_pending(asked)
    work = workload(config, pending, lambda job: len(material.sets(job).train), status.jobs)
    display.series_begins(status, work)
    engine.train(Series(run, config, material, display, run.stop, work))
    display.series_ends(read_status(run.directory))
    state = run.ledger.state
    unfinished = [job for job in asked if not is_complete(state, job) or job in state.failed]
    return EXIT_JOB_FAILED if unfinished else EXIT_COMPLETE


def _engine(config: RunConfig) -> Engine:
    under_torchrun = rank_of_torchrun() is not None
    if config.engine == "local":
        return LeadingEngine(config) if under_torchrun else LocalEngine(config)
    if under_torchrun:
        raise ConfigError("engine: Ray starts ranks itself: --gpus-per-job, without torchrun")
    try:
        from holdfast.pipeline.on_ray import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError("--engine ray needs Ray: pip install 'holdfast[ray]'") from None
    return RayEngine(config)
