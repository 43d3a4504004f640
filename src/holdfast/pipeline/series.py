"""run_series: every backbone, on the full split and on each fold, until nothing is left."""

from pathlib import Path
from typing import Any

from holdfast.config import FREE_TO_CHANGE, RunConfig
from holdfast.errors import (
    EXIT_COMPLETE,
    EXIT_JOB_FAILED,
    HoldfastError,
    TrainingDivergedError,
)
from holdfast.pipeline.display import Display
from holdfast.pipeline.job import run_job
from holdfast.pipeline.machine import Machine, settle
from holdfast.pipeline.material import Material, open_source, prepare_material
from holdfast.rundir import Started, is_complete, record_start
from holdfast.status import read_status
from holdfast.training import Run, RunSettings, StopRequest, use_deterministic_kernels

# which jobs there are, not what each gives; and what the record names in another place
_ELSEWHERE = {
    "epochs_head",
    "epochs_finetune",
    "backbones",
    "fold_backbones",
    "head",
    "finetune",
    "overrides",
}


def run_series(
    config: RunConfig,
    display: Display,
    stop: StopRequest,
    started: Started | None = None,
    *,
    steps: int | None = None,
) -> int:
    """Train what the config names and is not complete yet; return the exit code.

    ``started`` is recorded, for whoever is to start the series again. With ``steps``, an epoch
    has so many only, of as few images (`holdfast prove`).

    Raises:
        DataError: the images cannot be trained on; nothing has been trained.
        DirectoryInUseError: another process trains there.
        RecoveryRefusedError: the directory holds a run that this config would not continue.
        Interrupted: a signal asked for a stop; everything is saved.
        StorageError: the disk refused.
    """
    source = open_source(config, steps)
    use_deterministic_kernels()
    settings = RunSettings(
        config.seed,
        config.keep_latest,
        config.overhead,
        config.save_interval,
        on_progress=display.progress,
        on_notice=display.notice,
    )
    with stop.listening(), Run(Path(config.checkpoint_dir), settings, stop) as run:
        machine = settle(config, run.ledger.state.run.get("machine", {}))
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
        if started is not None:
            record_start(run.directory, started)
        return _train_pending(run, config, machine, material, display)


def check_settings(config: RunConfig) -> None:
    """Refuse what a start with these settings would refuse before it looks at the images.

    Takes no lock and writes nothing.

    Raises:
        RecoveryRefusedError: the directory holds a run that this config would not continue.
    """
    settings = RunSettings(on_notice=lambda _: None)
    run = Run(Path(config.checkpoint_dir), settings, StopRequest(), look=True)
    machine = settle(config, run.ledger.state.run.get("machine", {}))
    run.check(describe(config, machine), config.on_change)


def describe_images(material: Material) -> dict[str, Any]:
    """Return what the images are, as the recovery state records it."""
    cache = material.cache
    images = {"images": len(cache), "digest": cache.digest[:16], "decoded": cache.fingerprint[:16]}
    return {"classes": material.classes, "data": images}


def describe(config: RunConfig, machine: Machine) -> dict[str, Any]:
    """Return what else decides the results of a run."""
    settings = config.model_dump(mode="json", exclude=set(FREE_TO_CHANGE | _ELSEWHERE))
    for settled in ("device", "threads", "precision"):
        del settings[settled]  # the machine says what they came to
    return {
        "stages": config.stages,
        "config": settings,
        "settings": {name: _stage_settings(config, name) for name in config.backbones},
        "machine": machine.describe(),
    }


def _stage_settings(config: RunConfig, backbone: str) -> dict[str, Any]:
    return {stage: config.stage(backbone, stage).model_dump() for stage in config.stages}


def _train_pending(
    run: Run, config: RunConfig, machine: Machine, material: Material, display: Display
) -> int:
    """Train each job that is not complete; a failed one is recorded and stepped over."""
    state = run.ledger.state
    asked = [job for job in state.jobs() if job.backbone in config.backbones]
    pending = run.in_order(run.which_are_pending(asked))
    work = {job: float(len(material.sets(job).train)) for job in pending}
    display.series_begins(read_status(run.directory), work)
    for job in pending:
        sets = material.sets(job)
        try:
            result = run_job(run, config, machine, sets, material.classes, job, display.job_begins)
        except TrainingDivergedError as error:
            display.job_fails(job, str(error))
        except (HoldfastError, OSError):  # the disk refuses the next job as well
            raise
        except Exception as error:  # noqa: BLE001 - told, and in the exit code; the series goes on
            display.job_fails(job, f"{type(error).__name__}: {error}")
        else:
            display.job_ends(job, result)
    status = read_status(run.directory)
    display.series_ends(status)
    state = run.ledger.state
    unfinished = [job for job in asked if not is_complete(state, job) or job in state.failed]
    return EXIT_JOB_FAILED if unfinished else EXIT_COMPLETE
