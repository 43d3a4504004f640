"""``holdfast export``: trained backbones as files for other runtimes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from holdfast.cli.faults import say
from holdfast.cli.working import Working
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED, ExportError, UsageError
from holdfast.export import DEFAULT_OPSET, FORMATS, export_model
from holdfast.inference import TrainedRun, open_trained
from holdfast.rundir import JobName
from holdfast.status import human_bytes

_COMPARED = 16  # images


def export_backbones(
    names: Sequence[str],
    where: str,
    *,
    form: str,
    out: Path,
    opset: int | None,
    data: str | None,
) -> int:
    """Write the files; return the exit code: 1 where one was refused, the others are there.

    Raises:
        UsageError: no such run or format, nothing of a name is complete, or a package is missing.
        DataError: the run's images, which the files are compared on, are not to be found.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form}: use {', '.join(FORMATS)}")
    if opset is not None and form != "onnx":
        raise UsageError(f"--opset is for --format onnx, not for {form}")
    refused = 0
    with (
        Working() as working,
        open_trained(
            where, device="cpu", data=data, on_notice=working.notice, on_progress=working.progress
        ) as run,
    ):
        jobs = _jobs(run, names)
        for done, job in enumerate(jobs):
            working.progress("Exporting", done, len(jobs))
            try:
                line = _export(run, job, out, form, opset or DEFAULT_OPSET)
            except ExportError as error:
                refused += 1
                working.notice(str(error))
                continue
            working.rest()
            say(line, stderr=False)
    return EXIT_JOB_FAILED if refused else EXIT_COMPLETE


def _jobs(run: TrainedRun, names: Sequence[str]) -> list[JobName]:
    run.best()  # or else says what is not complete
    chosen: list[JobName] = []
    for name in names:
        if name == "all":
            chosen += run.complete
        else:
            chosen.append(run.best() if name == "best" else run.find(name))
    return list(dict.fromkeys(chosen))


def _export(run: TrainedRun, job: JobName, out: Path, form: str, opset: int) -> str:
    images = run.images(job, "val")
    some = np.linspace(0, len(images) - 1, min(_COMPARED, len(images))).astype(int).tolist()
    result = run.state.results[job]
    about = {"run_id": run.state.run_id}
    if isinstance(result.get("accuracy"), float):
        about["test_accuracy"] = repr(result["accuracy"])
    done = export_model(
        run.model(job),
        torch.as_tensor(images.__getitems__(some)[0]),
        out / f"{job}.{form}",
        form=form,
        opset=opset,
        about=about,
    )
    sizes = ", ".join(map(str, done.batches))
    return (
        f"✓ {done.path}: {human_bytes(done.bytes)}; run with {sizes} images at a time, at most "
        f"{done.difference:.1e} from torch (tolerance {done.tolerance:.1e})"
    )
