"""The parts of the page that tell of the whole run."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast import __version__
from holdfast.report.comparison import TIME, Row, best
from holdfast.report.facts import Facts, confusion_of
from holdfast.report.html import Child, Markup, join, table, tag
from holdfast.report.text import UNKNOWN, number, percent, plain, thousands
from holdfast.status import FAILED, clock, counted

_MOST_STOPS = 200
_CHANGED = "* settings or data changed in training: not what an undisturbed run gives"


def not_finished(facts: Facts) -> Markup | None:
    """Say that the run is not at its end, and how far it is; nothing where it is."""
    status = facts.status
    if facts.finished:
        return None
    folds = [job for job in status.jobs if job.fold is not None]
    done = len(folds) - facts.open_folds
    of_folds = f" and {done} of {counted(len(folds), 'fold')}" if folds else ""
    are = "are" if folds or status.total_backbones != 1 else "is"
    left = f" About {rough(facts.seconds_left)} of training are left." if facts.seconds_left else ""
    under_way = " It is in training now." if status.training else ""
    return tag(
        "p",
        tag("b", "This series is not finished: "),
        f"{status.completed} of {counted(status.total_backbones, 'backbone')}{of_folds} {are} "
        f"complete.{under_way}{left} What follows is what is known so far.",
        class_="note",
    )


def summary(facts: Facts, rows: Sequence[Row]) -> Markup:
    """Return the run in a few boxes, then in sentences."""
    first, status = best(rows), facts.status
    boxes: list[tuple[str, str, str]] = [
        (
            "Backbones complete",
            f"{status.completed} of {status.total_backbones}",
            ", ".join(f"{stage} {counted(n, 'epoch')}" for stage, n in status.stages.items()),
        )
    ]
    if first:
        more = f", and {len(first) - 1} more as good" if len(first) > 1 else ""
        boxes.append(("Best single backbone", percent(first[0].accuracy), first[0].name + more))
    if facts.ensemble is not None:
        members = counted(len(facts.ensemble.members), "backbone")
        boxes.append(("Ensemble", percent(rows[-1].accuracy), f"soft vote of {members}"))
    boxes += [_images_box(facts), *_machine_box(facts.record), *_interruption_boxes(facts)]
    items = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", more) if more else None))
        for name, value, more in boxes
    ]
    return tag("dl", items, class_="facts")


def _images_box(facts: Facts) -> tuple[str, str, str]:
    data, classes = facts.record.get("data"), len(facts.status.classes)
    images = data.get("images") if isinstance(data, Mapping) else None
    tested = _tested(facts)
    more = f"{images} images" if images is not None else "number of images not recorded"
    if tested:
        more += f", {tested} of them for the test" if images is not None else f"; {tested} to test"
    return "Classes", str(classes) if classes else UNKNOWN, more


def _tested(facts: Facts) -> int | None:
    matrices = (confusion_of(job.result) for job in facts.status.jobs if job.fold is None)
    sums = [int(matrix.sum()) for matrix in matrices if matrix is not None]
    return sums[0] if len(set(sums)) == 1 else None


def _machine_box(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    machine = record.get("machine")
    if not isinstance(machine, Mapping) or "device" not in machine:
        return []
    ranks = machine.get("ranks", 1)
    parts = [
        *([str(machine["instructions"])] if "instructions" in machine else []),
        *([f"{machine['threads']} threads"] if "threads" in machine else []),
        *([f"{ranks} ranks"] if ranks != 1 else []),
        *([str(machine["precision"])] if "precision" in machine else []),
    ]
    return [
        ("Trained on", plain(machine["device"]), ", ".join(parts).replace("1 threads", "1 thread"))
    ]


def _interruption_boxes(facts: Facts) -> list[tuple[str, str, str]]:
    stops = facts.past.interruptions
    total = sum(job.seconds for job in facts.status.jobs)
    boxes = [("Time in training", clock(total) or UNKNOWN, "of the complete jobs, folds included")]
    if not stops:
        so_far = "undisturbed" if facts.finished else "that training went on from, so far"
        return [*boxes, ("Interruptions", "0", so_far)]
    asked = sum(stop.asked_for for stop in stops)
    kinds = [f"{len(stops) - asked} without warning"] if len(stops) > asked else []
    kinds += [f"{asked} asked for"] if asked else []
    return [
        *boxes,
        ("Interruptions survived", str(len(stops)), ", ".join(kinds)),
        ("Work spared", *_sum_of([stop.spared for stop in stops], "not done again")),
        ("Work lost, at most", *_sum_of([stop.lost for stop in stops], "done again")),
    ]


def _sum_of(seconds: Sequence[float | None], text: str) -> tuple[str, str]:
    known = [value for value in seconds if value is not None]
    lacking = len(seconds) - len(known)
    more = f"{text}; not recorded of {lacking}" if lacking else text
    return (rough(sum(known)), more) if known else (UNKNOWN, more)


def rough(seconds: float | None) -> str:
    """Return a time as people say it."""
    if seconds is None:
        return UNKNOWN
    for unit, length in (("days", 172_800), ("h", 5400), ("min", 120)):
        if seconds >= length:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[unit]:.1f} {unit}"
    return f"{seconds:.1f} s"


def comparison(rows: Sequence[Row]) -> Markup:
    """Return the table of results; the best single backbones' accuracies stand out."""
    heads: list[Child] = [
        *("Backbone", "Accuracy", "95 % interval", "Precision", "Recall", "F1", "ROC AUC"),
        *("Loss", "Folds", TIME, "Parameters", "Interrupted"),
    ]
    first = best(rows)
    body = [_comparison_row(row, row in first) for row in rows]
    notes = [
        "Accuracy on the test images, with Wilson's interval. Precision, recall and F1 are means "
        "over the classes; ROC AUC is one class against the rest. Folds: mean accuracy ± standard "
        "deviation, each measured on its held-out part, which also chose its epoch: slightly "
        "optimistic. Time in training is that of the full split; `holdfast status` adds that of "
        "the folds.",
    ]
    if any(row.changed for row in rows):
        notes.append(_CHANGED)
    shown = table(heads, body, caption=f"Results of {counted(len(rows), 'model')}")
    return join(shown, [tag("p", note, class_="quiet") for note in notes])


def _comparison_row(row: Row, is_best: bool) -> list[Child]:
    accuracy = percent(row.accuracy) if row.accuracy is not None else row.state
    low_high = row.interval and f"{row.interval[0]:.1%}".rstrip("%")
    return [
        row.name + ("*" if row.changed else ""),
        tag("b", accuracy) if is_best else accuracy,
        f"{low_high} to {percent(row.interval[1], 1)}" if row.interval else UNKNOWN,
        *(number(value) for value in (row.precision, row.recall, row.f1, row.roc_auc, row.loss)),
        _folds(row),
        clock(row.seconds) or UNKNOWN,
        thousands(row.parameters) or UNKNOWN,
        str(row.interruptions) if row.interruptions else "",
    ]


def _folds(row: Row) -> str:
    if row.fold_mean is None:
        return f"0 of {row.folds}" if row.folds else ""
    spread = "" if row.fold_deviation is None else f" ± {row.fold_deviation:.3f}"
    done = f" ({len(row.fold_scores)} of {row.folds})" if len(row.fold_scores) < row.folds else ""
    return f"{row.fold_mean:.3f}{spread}{done}"


def ensemble(facts: Facts) -> Markup | None:
    """Return what the backbones weigh in the vote."""
    if facts.ensemble is None:
        return None
    ranked = sorted(facts.ensemble.weights.items(), key=lambda pair: -pair[1])
    rows: list[list[Child]] = [[name, number(weight, 3)] for name, weight in ranked]
    return join(
        tag(
            "p",
            "The probabilities of the backbones are averaged with weights that were chosen on "
            "the validation images; the test images had no part in it.",
        ),
        table(["Backbone", "Weight"], rows, caption="Weights of the soft vote"),
    )


def interruptions(facts: Facts) -> Markup:
    """Return every end before the end, and where it went on."""
    stops = facts.past.interruptions
    if not stops and facts.finished:
        return tag("p", "The run was not interrupted.")
    if not stops:  # one is known once a start has gone on
        return tag("p", "None that training went on from yet.")
    rows: list[list[Child]] = [
        [
            f"{stop.time:%Y-%m-%d %H:%M:%S}",
            stop.job,
            str(stop.position),
            "asked for" if stop.asked_for else "without warning",
            rough(stop.spared),
            rough(stop.lost),
        ]
        for stop in stops[-_MOST_STOPS:]
    ]
    last = f"; the last {_MOST_STOPS} of {len(stops)}" if len(stops) > _MOST_STOPS else ""
    heads: list[Child] = ["Went on", "Job", "From", "The end was", "Spared", "Lost, at most"]
    return table(
        heads, rows, caption=f"Interruptions, and where training went on{last}", class_="left"
    )


def troubles(facts: Facts) -> Markup | None:
    """Name what failed, what was damaged, and what changed in training."""
    status, parts = facts.status, []
    failed = [job for job in status.jobs if job.state == FAILED]
    if failed:
        rows: list[list[Child]] = [[job.job, tag("code", job.error or "")] for job in failed]
        text = "Failed; the next start tries them again"
        parts.append(table(["Job", "Error"], rows, caption=text, class_="words"))
    changed = [job for job in status.jobs if job.changed]
    if changed:
        told = [[job.job, "; ".join(_changes(job.result))] for job in changed]
        parts.append(table(["Job", "What changed"], told, caption=_CHANGED, class_="words"))
    if status.damaged:
        parts.append(tag("p", "Damaged files, set aside in damaged/ and stepped over:"))
        parts.append(tag("ul", [tag("li", tag("code", name)) for name in status.damaged]))
    return join(*parts) if parts else None


def _changes(result: Mapping[str, Any]) -> list[str]:
    told = result.get("changed_in_training")
    return list(map(str, told)) if isinstance(told, list) else [str(told)]


def provenance(facts: Facts) -> Markup:
    """Return what the numbers come from: run, versions, settings, command."""
    rows: list[list[Child]] = [
        ["Run", tag("code", facts.run_id or UNKNOWN)],
        ["As of", facts.status.timestamp[:19].replace("T", " ") or UNKNOWN],
        ["Written by", f"Holdfast {__version__}, holdfast report"],
    ]
    if facts.command is not None:
        rows.append(["Started by", tag("code", " ".join(["holdfast train", *facts.command]))])
    for title, key in (("Machine", "machine"), ("Images", "data"), ("Settings", "config")):
        rows += [[f"{title}: {name}", value] for name, value in flat(facts.record.get(key))]
    known = {"machine", "data", "config", "settings", "stages", "classes", "changes"}
    others = {key: value for key, value in facts.record.items() if key not in known}
    rows += [[f"Record: {name}", value] for name, value in flat(others)]
    shown = table(["", ""], rows, caption="What the run has recorded of itself", class_="words")
    return join(shown, _classes(facts))


def _classes(facts: Facts) -> Markup | None:
    names = facts.status.classes
    if not names:
        return None
    return tag("p", tag("b", f"Classes ({len(names)}): "), ", ".join(map(plain, names)))


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted names with their values."""
    if not isinstance(value, Mapping):
        return [] if value is None else [(prefix or "value", _shown(value))]
    found = []
    for key, item in value.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        found += flat(item, name) if isinstance(item, Mapping) else [(name, _shown(item))]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def left_out(facts: Facts) -> Markup | None:
    """Say what the report lacks, and why."""
    if not facts.left_out:
        return None
    return tag("ul", [tag("li", reason) for reason in facts.left_out])
