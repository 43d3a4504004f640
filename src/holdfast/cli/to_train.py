"""The commands that train."""

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import completion, options
from holdfast.cli.faults import reports_faults

commands = typer.Typer()

_NO_SETTINGS = {"config", "verify_recovery", "supervise"}
_DEFAULT_STEPS = 3


@commands.command()
@reports_faults
def train(
    data: options.Data = None,
    checkpoint_dir: options.Directory = None,
    config: options.Config = None,
    preset: options.Preset = None,
    backbones: options.Backbones = None,
    size: options.Size = None,
    image_size: options.ImageSize = None,
    batch_size: options.BatchSize = None,
    epochs_head: options.EpochsHead = None,
    epochs_finetune: options.EpochsFinetune = None,
    folds: options.Folds = None,
    patience: options.Patience = None,
    keep_latest: options.KeepLatest = None,
    overhead: options.Overhead = None,
    seed: options.Seed = None,
    device: options.Device = None,
    max_bad_images: options.MaxBadImages = None,
    on_change: options.OnChange = None,
    engine: options.Engine = None,
    ray_address: options.RayAddress = None,
    cpus_per_job: options.CpusPerJob = None,
    gpus_per_job: options.GpusPerJob = None,
    max_parallel: options.MaxParallel = None,
    track: options.Track = None,
    notify: options.Notify = None,
    verify_recovery: options.VerifyRecovery = False,
    supervise: options.Supervise = False,
) -> None:
    """Start the series, or go on with it: the same command does both.

    Each backbone is trained in two stages, head (only the classifier learns) and finetune (all
    learns), on the full split and then on each fold. Kill it whenever you like. The defaults
    below are those of the preset full; the demo's are smaller.
    """
    given = {k: v for k, v in locals().items() if k not in _NO_SETTINGS}
    flags: dict[str, Any] = {k: v for k, v in given.items() if v is not None and v != []}

    from holdfast.cli.supervise import supervise_series
    from holdfast.cli.train import train_series, verify_recovery_of

    train_it = supervise_series if supervise else train_series
    run = verify_recovery_of if verify_recovery else train_it
    raise typer.Exit(run(flags, config))


@commands.command()
@reports_faults
def prove(
    command: options.OwnCommand = None,
    data: options.Data = None,
    config: options.Config = None,
    preset: options.Preset = None,
    backbones: options.Backbones = None,
    size: options.Size = None,
    image_size: options.ImageSize = None,
    batch_size: options.BatchSize = None,
    seed: options.Seed = None,
    device: options.Device = None,
    max_bad_images: options.MaxBadImages = None,
    steps: options.Steps = None,
    kills: options.Kills = None,
) -> None:
    """Prove that killed training ends with the same bits.

    Trains a few steps in temporary directories: twice undisturbed, then again, killed at random
    and at chosen moments. What differs is named: the first step, the tensor, the likely cause.
    Exit code 0: the bits agree, 1: they do not. After `--` comes a loop of your own, with {dir}
    where it takes its checkpoint directory; each of its steps is saved.
    """
    given = {k: v for k, v in locals().items() if k not in ("command", "config", "kills")}
    flags: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    from holdfast.cli.prove import prove_command, prove_series

    if command:
        settings = {"config": config} if config else {}
        raise typer.Exit(prove_command(command, flags | settings, kills))
    raise typer.Exit(prove_series(flags, config, flags.pop("steps", _DEFAULT_STEPS), kills))


@commands.command("init")
@reports_faults
def write_settings(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path(
        "holdfast.toml"
    ),
) -> None:
    """Write a settings file: every setting, its meaning, its default.

    All are comments, so the file changes nothing until you do. An existing one stays as it is.
    """
    from holdfast.cli.init import write_settings

    write_settings(file)


@commands.command()
@reports_faults
def reset(
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Forget this backbone only.",
            autocompletion=completion.backbone_of_run,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a run or one backbone, and remove its checkpoints."""
    from holdfast.cli.reset import reset_run

    reset_run(checkpoint_dir, backbone, yes)
