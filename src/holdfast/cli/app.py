"""The ``holdfast`` command; each sub-command loads what it needs when it runs."""

from typing import Annotated, Any

import typer

from holdfast import __version__
from holdfast.cli import options
from holdfast.cli.faults import reports_faults

app = typer.Typer(
    name="holdfast",
    help="Train a whole series of image backbones to completion on machines that crash.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 80},
    epilog="Exit codes: 0 complete, 1 some job failed, 2 usage or data, 3 recovery refused or "
    "damage found, 4 directory in use, 5 storage failed, 130/143 interrupted after saving.",
)

autostart = typer.Typer(
    help="Let systemd (Linux) continue the run after a reboot.\n\nElsewhere, say what to do.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Exit codes: 0 the run continues after a reboot (or, for disable, no longer does), "
    "1 it does not: what is left to do is printed, 2 usage, or no systemd here.",
)
app.add_typer(autostart, name="autostart")

Directory = Annotated[
    str, typer.Option("--checkpoint-dir", metavar="DIR|URL", help="Where the run lives.")
]
_DEFAULT_DIRECTORY = "checkpoints"
_NO_SETTINGS = {"config", "verify_recovery", "supervise"}
_DEFAULT_STEPS = 3


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"holdfast {__version__}")
        raise typer.Exit


@app.command()
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
    verify_recovery: options.VerifyRecovery = False,
    supervise: options.Supervise = False,
) -> None:
    """Start the series, or go on with it: the same command does both.

    Each backbone is trained in two stages, head (only the classifier learns) and finetune (all
    learns), on the full split and then on each fold. Kill it whenever you like. The defaults
    below are those of the preset full; the demo's are smaller.
    """
    given = {k: v for k, v in locals().items() if k not in _NO_SETTINGS}
    flags: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    from holdfast.cli.supervise import supervise_series
    from holdfast.cli.train import train_series, verify_recovery_of

    train_it = supervise_series if supervise else train_series
    run = verify_recovery_of if verify_recovery else train_it
    raise typer.Exit(run(flags, config))


@app.command()
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


@app.command()
@reports_faults
def status(
    checkpoint_dir: Directory = _DEFAULT_DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how the run stands, also while it trains.

    Needs no torch.
    """
    from holdfast.cli.status import show_status

    show_status(checkpoint_dir, as_json)


@app.command()
@reports_faults
def verify(
    checkpoint_dir: Directory = _DEFAULT_DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Move damaged files aside and rebuild, as a start does."),
    ] = False,
) -> None:
    """Read every file of a run, and say which are damaged.

    It also says what a start would continue. Exit code 0 when all are good, 3 when one is
    damaged (and not repaired) or gone. Without --repair it changes nothing, works while training
    runs, and without torch.
    """
    from holdfast.cli.verify import verify_run

    raise typer.Exit(verify_run(checkpoint_dir, as_json=as_json, repair=repair))


@app.command()
@reports_faults
def backbones() -> None:
    """List the backbones: what each is, its paper, its parameters."""
    from holdfast.cli.backbones import list_backbones

    list_backbones()


@app.command()
@reports_faults
def reset(
    checkpoint_dir: Directory = _DEFAULT_DIRECTORY,
    backbone: Annotated[
        str | None, typer.Option(metavar="NAME", help="Forget this backbone only.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a run or one backbone, and remove its checkpoints."""
    from holdfast.cli.reset import reset_run

    reset_run(checkpoint_dir, backbone, yes)


@autostart.command("enable")
@reports_faults
def enable_autostart(checkpoint_dir: Directory = _DEFAULT_DIRECTORY) -> None:
    """Continue this run after each reboot.

    It is started as `holdfast train` last started it.
    """
    from holdfast.cli.autostart import enable

    raise typer.Exit(enable(checkpoint_dir))


@autostart.command("disable")
@reports_faults
def disable_autostart(checkpoint_dir: Directory = _DEFAULT_DIRECTORY) -> None:
    """Stop what systemd started, and let it start no other.

    The training saves before it ends.
    """
    from holdfast.cli.autostart import disable

    raise typer.Exit(disable(checkpoint_dir))


@autostart.command("status")
@reports_faults
def show_autostart(checkpoint_dir: Directory = _DEFAULT_DIRECTORY) -> None:
    """Show whether the run continues after a reboot.

    And by which command, and whether systemd runs it now.
    """
    from holdfast.cli.autostart import show

    raise typer.Exit(show(checkpoint_dir))
