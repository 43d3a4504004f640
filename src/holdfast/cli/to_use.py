"""The commands that use what was trained; they change nothing in the run."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.faults import reports_faults
from holdfast.errors import UsageError

commands = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda[:N]", help="Where to compute; auto: as the run was trained."
    ),
]


@commands.command()
@reports_faults
def predict(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE|DIR", help="Image files, or folders of them.")
    ],
    backbone: options.OneBackbone = "best",
    as_json: _Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Images at a time. (default: as in training)"),
    ] = None,
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    device: _Device = "auto",
) -> None:
    """Name the class of each image, by a trained backbone.

    --backbone is best (by validation accuracy), ensemble (the vote of all that are complete,
    weighed on the validation split), or a name. Folders are gone through by name. JSON and CSV
    have the probability of every class. Exit code 1: a file could not be read; it is named, and
    the others are done.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: choose one of them")

    from holdfast.cli.predict import predict_images

    form = "json" if as_json else "csv" if as_csv else "table"
    raise typer.Exit(
        predict_images(
            images, checkpoint_dir, backbone, form=form, batch_size=batch_size, device=device
        )
    )


@commands.command()
@reports_faults
def evaluate(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            help="A folder with one sub-folder per class. Without it: the run's own test split.",
        ),
    ] = None,
    backbone: options.OneBackbone = "best",
    as_json: _Json = False,
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
    device: _Device = "auto",
) -> None:
    """Measure a trained backbone on labelled images.

    Accuracy, precision, recall, F1, AUC and the confusion matrix. Classes are matched with the
    run's by name; a folder may lack some. Of one with train/, val/ and test/ inside, test/ counts.
    On the run's own test split the accuracy is the recorded one. Exit code 1: an image could not
    be read; it is named and left out.
    """
    from holdfast.cli.evaluate import evaluate_on

    raise typer.Exit(evaluate_on(data, checkpoint_dir, backbone, as_json=as_json, device=device))


@commands.command()
@reports_faults
def export(
    names: Annotated[list[str], typer.Argument(metavar="NAME|all|best", help="Which backbones.")],
    form: Annotated[
        str, typer.Option("--format", metavar="onnx|pt2|safetensors", help="Which kind of file.")
    ] = "onnx",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path(
        "exported"
    ),
    opset: Annotated[
        int | None, typer.Option(metavar="N", help="Of ONNX. (default 18)", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            help="The run's images, to compare on; where its own cache of them is gone.",
        ),
    ] = None,
    checkpoint_dir: options.RunDirectory = options.DEFAULT_DIRECTORY,
) -> None:
    """Write trained backbones as files for other runtimes.

    Each file is run, on images of the run and at several batch sizes, and compared with torch
    before it is kept. Class names and preprocessing travel inside. Exit code 1: one could not be
    exported, or differs too much; it is not kept. ONNX and safetensors need
    pip install 'holdfast[onnx]'.
    """
    from holdfast.cli.export import export_backbones

    raise typer.Exit(
        export_backbones(names, checkpoint_dir, form=form, out=out, opset=opset, data=data)
    )
