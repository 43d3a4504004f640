"""``holdfast predict``: the class of each image, as a table, JSON or CSV."""

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from holdfast.cli.working import Working, shortened
from holdfast.data import printable
from holdfast.errors import EXIT_COMPLETE, EXIT_JOB_FAILED, DataError
from holdfast.inference import Classifier, Guess, choose, find_images, open_trained
from holdfast.status import printable_text

_COLUMNS = 80
_FEWEST = 12  # columns of a name

Writer = Callable[[Guess], str]


def predict_images(
    images: Sequence[str],
    where: str,
    name: str,
    *,
    form: str,
    batch_size: int | None,
    device: str,
) -> int:
    """Print what each image shows; return the exit code.

    Raises:
        DataError: a folder that is named holds no image.
        UsageError: no such run, or nothing of that name is complete in it.
    """
    files = find_images(images)
    if not files:
        raise DataError(f"{', '.join(images)}: no image there")
    with Working() as working:
        with open_trained(
            where, device=device, on_notice=working.notice, on_progress=working.progress
        ) as run:
            classifier = choose(run, name, on_notice=working.notice)
        names = [printable_text(printable(str(path))) for path in files]
        begin, write, end = _writers(form, classifier, max(map(len, names)))
        told = classifier.classify(
            files, batch_size=batch_size, on_bad=lambda path, why: working.bad_image(str(path), why)
        )
        before = begin
        for done, guess in enumerate(told, 1):
            sys.stdout.write(before + write(guess))
            before = ",\n" if form == "json" else ""
            if not sys.stdout.isatty():
                working.progress("Predicting", done, len(files))
        if before is begin and form != "table":  # of no image it is JSON and CSV all the same
            sys.stdout.write(begin)
        sys.stdout.write(end)
        sys.stdout.flush()
        return EXIT_JOB_FAILED if working.bad else EXIT_COMPLETE


def _writers(form: str, classifier: Classifier, longest: int) -> tuple[str, Writer, str]:
    """Return what comes before, for each image, and after."""
    if form == "json":
        return "[\n", _json_line, "\n]\n"
    if form == "csv":
        head = ["file", "class", "probability", *(f"p_{name}" for name in classifier.classes)]
        return _csv_line(head), _csv_row, ""
    return _table(classifier, longest)


def _json_line(guess: Guess) -> str:
    name, probability = guess.ranking[0]
    return json.dumps(
        {
            "file": printable(str(guess.path)),
            "class": name,
            "probability": probability,
            "probabilities": dict(zip(guess.classes, guess.probabilities.tolist(), strict=True)),
        }
    )


def _csv_row(guess: Guess) -> str:
    name, probability = guess.ranking[0]
    return _csv_line([printable(str(guess.path)), name, probability, *guess.probabilities.tolist()])


def _csv_line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _table(classifier: Classifier, longest: int) -> tuple[str, Writer, str]:
    """Lay the table out: in a terminal as wide as that, in a pipe as wide as the names are."""
    console = Console()
    whole = max(map(len, map(printable_text, classifier.classes)))
    rest = 2 * 8 + 2  # two probabilities, and what stands between
    if console.is_terminal:
        room = max(console.width, _COLUMNS // 2) - rest
        of_class = min(whole, max(_FEWEST, room // 3))
        of_file = min(longest, max(_FEWEST, room - 2 * of_class))
    else:
        of_class, of_file = whole, longest

    def row(file: str, name: str, share: str, second: str, its: str) -> str:
        cells = f"{file:<{of_file}}  {name:<{of_class}} {share:>6}  {second:<{of_class}} {its:>6}"
        return f"{cells.rstrip()}\n"

    def write(guess: Guess) -> str:
        (name, share), (second, its) = guess.ranking[:2]
        return row(
            _end_of(printable_text(printable(str(guess.path))), of_file),
            shortened(printable_text(name), of_class),
            f"{share:.1%}",
            shortened(printable_text(second), of_class),
            f"{its:.1%}",
        )

    return row("File", "Class", "", "Runner-up", ""), write, ""


def _end_of(name: str, width: int) -> str:
    """Return a path in at most ``width`` columns, without its beginning where it is longer."""
    return name if len(name) <= width else f"…{name[1 - width :]}"
