"""The page *Job*: what one job learned, its files, its result."""

from collections.abc import Callable

from holdfast.dashboard.confusion import confusion
from holdfast.dashboard.curves import Line, Scene, picture
from holdfast.dashboard.markup import Child, Markup, breakable, job_path, join, tag
from holdfast.dashboard.panels import (
    age,
    facts,
    panel,
    percent,
    quantity,
    score,
    state_sign,
    table,
    typed,
)
from holdfast.dashboard.reading import Reading
from holdfast.dashboard.series_page import where
from holdfast.status import (
    COMPLETE,
    FAILED,
    STARTED,
    Curve,
    FileStatus,
    JobStatus,
    counted,
    duration,
    human_bytes,
)

Said = Callable[[FileStatus], str | None]
"""Tells a file's fault, empty where it has none; None while nobody has read it yet."""

_MOST_EPOCHS = 400
_MOST_LINKS = 400
_COLUMNS = {
    "train_loss": ("Train loss", quantity),
    "val_loss": ("Val loss", quantity),
    "train_acc": ("Train acc", percent),
    "val_acc": ("Val acc", percent),
    "val_f1": ("Val F1", quantity),
    "learning_rate": ("Learning rate", quantity),
}


def chosen_job(reading: Reading) -> str | None:
    """Return the job to show where none is named: the one in training, or the newest result."""
    for state in (STARTED, FAILED):
        found = next((job.job for job in reading.status.jobs if job.state == state), None)
        if found:
            return found
    complete = [job.job for job in reading.status.jobs if job.state == COMPLETE]
    return complete[-1] if complete else next(iter(reading.jobs), None)


def job_page(reading: Reading, name: str, said: Said | None) -> Markup:
    """Return the page of the job of this name; where nobody verifies files, ``said`` is None."""
    job = reading.jobs.get(name)
    if job is None:
        return join([_others(reading, None), _no_such(name)])
    return join(
        [
            _others(reading, job),
            _figures(job),
            _error(job),
            _curves(reading, job),
            _files(reading, job, said),
            confusion(reading, job),
        ]
    )


def _no_such(name: str) -> Markup:
    return panel(
        "No such job",
        tag("p", "No job of this run is called ", tag("code", name[:200]), "."),
        class_="missing",
    )


def _others(reading: Reading, job: JobStatus | None) -> Markup:
    names = list(reading.jobs)
    at = names.index(job.job) if job else -1
    title: Child = "Job"
    if job:
        fold = tag("span", f" fold {job.fold}", class_="fold") if job.fold is not None else None
        title = [job.backbone, fold]
    steps = [
        tag("a", text, href=job_path(names[n]), rel=rel) if 0 <= n < len(names) and job else None
        for n, text, rel in ((at - 1, "← previous", "prev"), (at + 1, "next →", "next"))
    ]
    links = (
        tag("li", tag("a", other, href=job_path(other), aria_current=_current(other, job)))
        for other in names[:_MOST_LINKS]
    )
    every = tag("details", tag("summary", "all jobs"), tag("ul", links), class_="every")
    return tag(
        "div",
        tag("h1", title),
        state_sign(job) if job else None,
        tag("nav", steps[0], every, steps[1], aria_label="Jobs"),
        class_="heading",
    )


def _current(other: str, job: JobStatus | None) -> str | None:
    return "page" if job and other == job.job else None


def _figures(job: JobStatus) -> Markup:
    def number(name: str, write: Callable[[float], str] = "{:.4f}".format) -> Child:
        value = score(job, name)
        return write(value) if value is not None else "-"

    if job.state == COMPLETE:
        first: list[tuple[str, Child, Child]] = [
            ("Test accuracy", number("final_accuracy"), "on images it has not learned from"),
            ("F1", number("f1"), "macro mean"),
            ("ROC AUC", number("roc_auc"), "one class against the rest"),
            ("Loss", number("final_loss"), "on the test set"),
        ]
    else:
        first = [("Stands at", where(job) if job.stage else "the beginning", "newest checkpoint")]
    changed = "settings or data changed in training" if job.changed else "of this job"
    return facts(
        [
            *first,
            ("Trained for", duration(job.seconds) if job.seconds else "-", changed),
            ("Interrupted", str(job.interruptions), "and went on from a checkpoint"),
            *_parameters(job),
        ]
    )


def _parameters(job: JobStatus) -> list[tuple[str, Child, Child]]:
    count = score(job, "parameters")
    return [("Parameters", millions(count), "learnable numbers")] if count else []


def millions(count: float) -> str:
    """Return a number of parameters as people say it."""
    if count < 1e6:
        return f"{count / 1e3:.0f} k" if count >= 1e3 else f"{count:.0f}"
    return f"{count / 1e6:.1f} M"


def _error(job: JobStatus) -> Markup | None:
    if not job.error:
        return None
    text = tag("p", job.error[:4000], class_="error")
    return panel("Failed", text, note="The next start tries it again.", class_="missing")


def _curves(reading: Reading, job: JobStatus) -> Markup:
    curve = reading.past.curves.get(job.job)
    if curve is None or not curve.rows:
        return panel("Learning", tag("p", "No epoch is recorded yet.", class_="none"))
    planned = sum(reading.status.stages.values()) if job.state != COMPLETE else 0
    scene = Scene(max(planned, len(curve.rows)), curve.stage_starts, curve.marks)
    pictures = [
        picture("Loss", _pair(curve, "loss"), scene, quantity),
        picture("Accuracy", _pair(curve, "acc"), scene, _whole_percent),
        picture("Learning rate", [_rate(curve)], scene, quantity),
    ]
    signs = tag(
        "div",
        tag("span", tag("i", class_="key-stop"), "interruption, where it went on"),
        tag("span", tag("i", class_="key-stage"), "a stage begins"),
        class_="legend",
        aria_hidden="true",
    )
    return panel("Learning", tag("div", pictures, class_="charts"), _epochs(curve), note=signs)


def _whole_percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _pair(curve: Curve, name: str) -> list[Line]:
    return [
        _line(curve, f"train_{name}", "training", "train"),
        _line(curve, f"val_{name}", "validation", "val"),
    ]


def _line(curve: Curve, name: str, label: str, style: str) -> Line:
    return Line(label, curve.values(name), style)


def _rate(curve: Curve) -> Line:
    return Line("after each epoch", curve.values("learning_rate"), "rate", in_stages=True)


def _epochs(curve: Curve) -> Markup:
    """Return all that the pictures show, as a table; behind a word, for it is long."""
    shown = {name: how for name, how in _COLUMNS.items() if any(curve.values(name))}
    heads = [("Stage", ""), ("Epoch", "number")]
    heads += [(title, "number") for title, _ in shown.values()]
    rows = [
        tag(
            "tr",
            tag("td", str(row["stage"])),
            tag("td", row["epoch"], class_="number"),
            (tag("td", _cell(row.get(name), write), class_="number")
             for name, (_, write) in shown.items()),
        )
        for row in curve.rows[-_MOST_EPOCHS:]
    ]  # fmt: skip
    word = f"The same as a table: {counted(len(rows), 'epoch')}"
    return tag("details", tag("summary", word), table("Every epoch", heads, rows))


def _cell(value: object, write: Callable[[float], str]) -> str:
    return write(float(value)) if isinstance(value, int | float) else ""


def _files(reading: Reading, job: JobStatus, said: Said | None) -> Markup:
    files = reading.files_of.get(job.job, [])
    rows = [
        tag(
            "tr",
            tag("th", breakable(file.name), scope="row", class_="file"),
            tag("td", str(file.position or "weights and result"), class_="aside"),
            tag("td", human_bytes(file.bytes), class_="number"),
            tag("td", age(file.modified), class_="number"),
            tag("td", _verified(said(file))) if said else None,
            data_key=file.name,
        )
        for file in reversed(files)
    ]
    note: Child = "Read wholly and verified in the background, one at a time."
    if said is None:
        note = ["In the store; ", typed("holdfast verify"), " reads them from there."]
    if not rows:
        return panel("Files", tag("p", _no_files(job), class_="none"))
    heads = [("File", ""), ("Position", "aside"), ("Size", "number"), ("Written", "number")]
    last = [("Verified", "")] if said else []
    return panel("Files", table("Files of this job", [*heads, *last], rows), note=note)


def _no_files(job: JobStatus) -> str:
    if job.state == COMPLETE and job.fold is not None:
        return "A complete fold keeps its result and no file."
    return "No checkpoint yet."


def _verified(fault: str | None) -> Markup:
    if fault is None:
        return tag("span", "not yet", class_="state pending")
    sign, word, look = ("✗", fault, "failed") if fault else ("✓", "good", "complete")
    return tag(
        "span", tag("span", sign, class_="sign", aria_hidden="true"), word, class_=f"state {look}"
    )
