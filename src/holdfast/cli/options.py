"""The options of several commands, and of ``train`` one for each setting that changes often."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import completion


def _option(
    flag: str, text: str, metavar: str, complete: Callable[[str], list[str]] | None = None
) -> Any:
    return typer.Option(
        flag, help=text, metavar=metavar, show_default=False, autocompletion=complete
    )


_DATA = "Folder with one sub-folder per class, or with train/, val/, test/. Without it: the demo."
Data = Annotated[str | None, _option("--data", _DATA, "DIR|URL")]
Directory = Annotated[
    str | None,
    _option("--checkpoint-dir", "Where the run lives. (default checkpoints)", "DIR|URL"),
]
RunDirectory = Annotated[
    str, typer.Option("--checkpoint-dir", metavar="DIR|URL", help="Where the run lives.")
]
DEFAULT_DIRECTORY = "checkpoints"
OneBackbone = Annotated[
    str, typer.Option("--backbone", metavar="NAME|best|ensemble", help="Who is asked.")
]
SECRETS = {"notify"}
"""Options that nothing records and no other process's arguments show."""
Config = Annotated[Path | None, _option("--config", "Settings from a TOML file.", "FILE")]
Preset = Annotated[
    str | None,
    _option(
        "--preset",
        "Where defaults come from: demo, or full with --data.",
        "demo|full",
        completion.one_of("preset"),
    ),
]
Backbones = Annotated[
    str | None,
    _option("--backbones", "Which to train. (default all)", "A,B,…|all", completion.backbone_list),
]
Size = Annotated[
    str | None,
    _option(
        "--size", "Size of the backbones. (default full)", "tiny|full", completion.one_of("size")
    ),
]
ImageSize = Annotated[
    int | None, _option("--image-size", "Side of the images, a multiple of 32. (default 224)", "PX")
]
BatchSize = Annotated[int | None, _option("--batch-size", "Images per step. (default 32)", "N")]
EpochsHead = Annotated[
    int | None, _option("--epochs-head", "Epochs with the backbone frozen. (default 40)", "N")
]
EpochsFinetune = Annotated[
    int | None, _option("--epochs-finetune", "Epochs in which all learns. (default 25)", "N")
]
Folds = Annotated[
    int | None, _option("--folds", "Folds of cross-validation, 0 for none. (default 5)", "N")
]
Patience = Annotated[
    int | None,
    _option("--patience", "Epochs without improvement that end a stage. (default 5)", "N"),
]
KeepLatest = Annotated[
    int | None, _option("--keep-latest", "Checkpoints to keep per backbone. (default 3)", "N")
]
Overhead = Annotated[
    float | None,
    _option("--overhead", "Share of the time that checkpoints may cost. (default 0.01)", "SHARE"),
]
Seed = Annotated[int | None, _option("--seed", "Decides every random number. (default 42)", "N")]
Device = Annotated[
    str | None,
    _option("--device", "Where to compute. (default auto)", "auto|cpu|cuda[:N]", completion.device),
]
MaxBadImages = Annotated[
    float | None,
    _option("--max-bad-images", "Share of unreadable images to tolerate. (default 0.01)", "SHARE"),
]
OnChange = Annotated[
    str | None,
    _option(
        "--on-change",
        "What to do with a run that was started otherwise. (default refuse)",
        "refuse|restart-affected|continue",
        completion.one_of("on_change"),
    ),
]
Engine = Annotated[
    str | None,
    _option(
        "--engine", "Who trains the jobs. (default local)", "local|ray", completion.one_of("engine")
    ),
]
RayAddress = Annotated[
    str | None,
    _option(
        "--ray-address",
        "Which Ray. (default: the one that runs here, else one of its own)",
        "auto|local|HOST:PORT",
    ),
]
CpusPerJob = Annotated[
    int | None,
    _option("--cpus-per-job", "CPUs that Ray sets aside for a job. (default: its threads)", "N"),
]
GpusPerJob = Annotated[
    int | None,
    _option("--gpus-per-job", "GPUs that train a job together. (default 1 on cuda)", "N"),
]
MaxParallel = Annotated[
    int | None,
    _option("--max-parallel", "Jobs that Ray trains at a time. (default: what has room)", "N"),
]
Track = Annotated[
    list[str] | None,
    _option(
        "--track", "Follow the run in another tool too. (repeatable)", "tensorboard|mlflow[:…]"
    ),
]
Notify = Annotated[
    list[str] | None,
    _option("--notify", "Tell it when it ends or stalls: an address of Apprise's.", "URL"),
]
VerifyRecovery = Annotated[
    bool,
    typer.Option(
        "--verify-recovery",
        help="Verify every checkpoint, tell what a start would continue, and train nothing.",
    ),
]
Supervise = Annotated[
    bool,
    typer.Option("--supervise", help="Train in a child process; start it again when it dies."),
]
OwnCommand = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- COMMAND", help="A loop of your own.", show_default=False),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Steps of an epoch. (default 3)", show_default=False),
]
Kills = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How often to kill it. (default: in each backbone or job, and twice more)",
        show_default=False,
    ),
]


def as_arguments(flags: Mapping[str, Any], config: Path | None) -> list[str]:
    """Return the arguments of ``holdfast train`` that give these settings, but for secrets."""
    given = {**flags, "config": config}
    options = {f"--{k.replace('_', '-')}": v for k, v in given.items() if k not in SECRETS}
    return [
        part
        for flag, value in options.items()
        for one in (value if isinstance(value, list | tuple) else [value])
        if one is not None
        for part in (flag, str(one))
    ]
