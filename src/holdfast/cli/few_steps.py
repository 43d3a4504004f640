"""A real series on a few images: what `holdfast prove` starts and kills, for `holdfast train`.

``python -m holdfast.cli.few_steps CONFIG DIR STEPS``, CONFIG being the settings as JSON.
"""

from typing import Annotated

import typer

from holdfast.cli.faults import reports_faults
from holdfast.config import RunConfig
from holdfast.pipeline import Display, run_series
from holdfast.rundir import JobName
from holdfast.training import StopRequest


class _Failures(Display):
    """Says nothing but what has failed."""

    def job_fails(self, job: JobName, error: str) -> None:
        typer.echo(f"{job} failed: {error}")


@reports_faults
def train_few_steps(config: str, directory: str, steps: Annotated[int, typer.Argument()]) -> None:
    """Train what is not complete yet in ``directory``, ``steps`` steps an epoch."""
    settings = RunConfig.model_validate_json(config)
    settings = settings.model_copy(update={"checkpoint_dir": directory})
    raise typer.Exit(run_series(settings, _Failures(), StopRequest(), steps=steps))


if __name__ == "__main__":
    typer.run(train_few_steps)
