"""``holdfast evaluate``: how good a trained backbone is on labelled images."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from holdfast.cli.working import Working, shortened
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED
from holdfast.inference import Classifier, TrainedRun, choose, open_labelled, open_trained
from holdfast.rundir import JobName, Result
from holdfast.status import printable_text
from holdfast.training import Predictions, result_metrics

_SCORES = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "loss": "Loss",
}
_COLUMNS = 80
_WIDEST = 32  # columns of a class name
_MOST = 12  # confusions told one by one

Say = Callable[[str], None]


def evaluate_on(data: str | None, where: str, name: str, *, as_json: bool, device: str) -> int:
    """Print how good it is; return the exit code.

    Raises:
        DataError: the folder's classes are not the run's, or no image can be read.
        UsageError: no such run, or nothing of that name is complete in it.
    """
    with (
        Working() as working,
        open_trained(
            where, device=device, on_notice=working.notice, on_progress=working.progress
        ) as run,
    ):
        labelled = None if data is None else open_labelled(data, run.classes)
        classifier = choose(run, name, on_notice=working.notice)
        if labelled is None:
            found = classifier.predictions(run.images(_any_job(classifier), "test"))
        else:
            if labelled.missing:
                names = ", ".join(labelled.missing)
                working.notice(f"there is no image of {names}, and so no AUC")
            found = classifier.measure(labelled.batches(classifier, working.bad_image))
        recorded = None if labelled else _recorded(run, classifier)
        told = _facts(data, classifier, found, recorded)
    console = Console(highlight=False, markup=False, emoji=False)
    say: Say = lambda line: console.out(line, highlight=False)  # noqa: E731
    if as_json:
        say(json.dumps(told, indent=2))
    else:
        _show(told, say)
    return EXIT_JOB_FAILED if working.bad else EXIT_COMPLETE


def _facts(
    data: str | None, classifier: Classifier, found: Predictions, recorded: Result | None
) -> dict[str, Any]:
    scores = result_metrics(found, classifier.classes)
    return {
        "backbone": classifier.name,
        "weights": dict(classifier.weights),
        "data": data,
        "images": len(found.labels),
        "classes": list(classifier.classes),
        **scores,
        "recorded_accuracy": recorded.get("accuracy") if recorded else None,
    }


def _any_job(classifier: Classifier) -> JobName:
    """Return a job of the full split, or the fold: it knows what it was tested on."""
    return next(iter(classifier.members.values())).job


def _recorded(run: TrainedRun, classifier: Classifier) -> Result | None:
    """Return what the run says of the same; of a vote it knows nothing."""
    return run.state.results.get(JobName.parse(classifier.name))


def _show(told: dict[str, Any], say: Say) -> None:
    on = told["data"] or "the run's test split"
    say(f"{told['backbone']} on {on}: {told['images']} images, {len(told['classes'])} classes")
    if len(told["weights"]) > 1:
        for name, weight in sorted(told["weights"].items(), key=lambda pair: -pair[1]):
            say(f"  {weight:6.1%}  {name}" if weight else f"       -  {name}")
    say("")
    for name, title in _SCORES.items():
        value = told[name]
        recorded = told["recorded_accuracy"] if name == "accuracy" else None
        say(f"{title:<10} {_number(value)}{_beside(value, recorded)}")
    matrix = np.array(told["confusion_matrix"])
    names = [shortened(printable_text(name), _WIDEST) for name in told["classes"]]
    say("")
    _show_classes(names, matrix, say)
    say("")
    _show_confusions(names, matrix, say)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _beside(value: float, recorded: float | None) -> str:
    if recorded is None:
        return ""
    return "  as recorded" if value == recorded else f"  recorded: {recorded:.4f}"


def _show_classes(names: list[str], matrix: NDArray[np.int64], say: Say) -> None:
    """Print precision, recall and F1 of each class."""
    width = max(map(len, [*names, "Class"]))
    say(f"{'Class':<{width}}  Images  Precision  Recall      F1")
    for number, name in enumerate(names):
        right, truly, said = matrix[number, number], matrix[number].sum(), matrix[:, number].sum()
        scores = [_share(right, said), _share(right, truly), _share(2 * right, said + truly)]
        precision, recall, f1 = scores
        say(f"{name:<{width}}  {truly:>6}  {precision:>9}  {recall:>6}  {f1:>6}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def _show_confusions(names: list[str], matrix: NDArray[np.int64], say: Say) -> None:
    """Print the matrix where it has room, or else what is confused most often."""
    cell = max(3, len(str(matrix.max())) + 1)
    heads = names if max(map(len, names)) < cell else list(map(str, range(1, len(names) + 1)))
    rows = names if heads is names else [f"{n:>2} {name}" for n, name in enumerate(names, 1)]
    width = max(map(len, rows))
    if width + cell * len(names) > _COLUMNS:
        _show_most_confused(names, matrix, say)
        return
    say("Confusion: a row for each true class, a column for each predicted one")
    say(" " * width + "".join(f"{head:>{cell}}" for head in heads))
    for row, counts in zip(rows, matrix.tolist(), strict=True):
        say(f"{row:<{width}}" + "".join(f"{count or '·':>{cell}}" for count in counts))


def _show_most_confused(names: list[str], matrix: NDArray[np.int64], say: Say) -> None:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST]
    pairs = [(wrong.flat[place], *divmod(int(place), len(names))) for place in order]
    say("Most often confused (the whole matrix: --json)")
    for count, true, predicted in pairs:
        if count:
            say(f"{count:>6}  {names[true]} taken for {names[predicted]}")
