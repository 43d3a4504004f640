"""Figures: legible with few and many classes, searchable, and the same each time."""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text

from holdfast.report import Scores, figures
from holdfast.report.roc import curves_of_classes, means_of
from holdfast.training import Predictions, result_metrics

LONG = "tomato_yellow_leaf_curl_virus_{}"


def names(count: int) -> list[str]:
    return [LONG.format(number) for number in range(count)]


def matrix(count: int) -> "np.typing.NDArray[np.float64]":
    chance = np.random.default_rng(count)
    return chance.poisson(0.5, (count, count)) + np.diag(chance.integers(5, 60, count)) * 1.0


def texts(svg: bytes) -> list[str]:
    """Return what can be searched for in a figure."""
    root = ET.fromstring(svg)
    return [
        "".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("count", [2, 13, 100])
def test_every_class_can_be_read_in_a_confusion_matrix(count: int) -> None:
    """Each name stands twice, as text, and no two of a side touch."""
    drawn = figures.drawn(figures.draw_confusion, matrix(count), names(count))
    found = texts(drawn.svg)

    assert [found.count(name) for name in names(count)] == [2] * count
    figure = figures.draw_confusion(matrix(count), names(count))
    figure.draw_without_rendering()
    rows = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(rows) == count
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(rows))


def test_an_accuracy_is_written_into_its_cell() -> None:
    """Shares of the true class; a class without images has none, and is no fault."""
    counts = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 999.0, 1.0]])
    found = texts(figures.drawn(figures.draw_confusion, counts, ["a", "b", "c"]).svg)

    assert {"75.0 %", "25.0 %", "99.9 %", "0.1 %"} <= set(found)
    shares = figures.shares_of_rows(counts)
    assert np.isnan(shares[1]).all()
    assert shares[0].tolist() == [0.75, 0.25, 0.0]


def test_names_are_not_taken_for_formulas_or_controls() -> None:
    """A dollar is a dollar; a control character, or half of a pair, becomes a visible sign."""
    odd = ["$x_1$", "a\x1b[31m\ud800", "漢字"]
    drawn = figures.drawn(figures.draw_confusion, matrix(3), odd)

    assert {"$x_1$", "a\ufffd[31m\ufffd", "漢字"} <= set(texts(drawn.svg))


def test_settings_of_matplotlib_elsewhere_change_nothing() -> None:
    """Whatever somebody's matplotlibrc says, and nothing of ours is left behind."""
    course = figures.Course(
        [figures.Panel("loss", {"training": [2.0, None, 1.0]})], {"head": 0}, [1]
    )
    before = figures.drawn(figures.draw_curves, course)
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        within = figures.drawn(figures.draw_curves, course)
        assert mpl.rcParams["font.size"] == 30

    assert within == before
    assert before.png.startswith(b"\x89PNG")


def test_marks_and_stages_stand_where_they_were() -> None:
    """Interruptions are counted in the key; a stage too short for its name goes without."""
    values = [float(number) for number in range(60)]
    starts = {"head": 0, "warm": 20, "finetune": 21}
    course = figures.Course([figures.Panel("loss", {"training": values})] * 3, starts, [3, 3, 7.5])
    found = texts(figures.drawn(figures.draw_curves, course).svg)

    assert "interrupted (3)" in found
    assert (found.count("head"), found.count("finetune"), found.count("warm")) == (3, 3, 0)


def scores(classes: int, images: int = 200) -> Scores:
    chance = np.random.default_rng(7)
    labels = np.arange(images) % classes
    logits = chance.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    odds = np.exp(logits)
    return Scores(odds / odds.sum(axis=1, keepdims=True), labels)


@pytest.mark.parametrize("classes", [2, 5, 13])
def test_areas_are_those_of_the_results(classes: int) -> None:
    """The macro mean in the figure is the roc_auc that a job's result has."""
    ours = scores(classes)
    result = result_metrics(Predictions(ours.probabilities, ours.labels, 0.0), names(classes))
    lines, means = curves_of_classes(ours, names(classes)), means_of(ours)

    assert means[0].area == pytest.approx(result["roc_auc"], abs=1e-12)
    assert len(lines) == (1 if classes == 2 else classes)
    found = texts(figures.drawn(figures.draw_roc, lines, means).svg)
    assert any(text.startswith(f"{means[0].area:.4f}") for text in found)


def test_a_class_without_images_has_no_curve() -> None:
    """It is left out of the mean, rather than drawn as if it were known."""
    ours = scores(4)
    kept = ours.labels != 3
    part = Scores(ours.probabilities[kept], ours.labels[kept])
    lines = curves_of_classes(part, names(4))

    assert [line.label for line in lines] == names(3)
    assert means_of(part)[0].area == pytest.approx(np.mean([line.area for line in lines]))


@pytest.mark.parametrize("count", [1, 15, 40])
def test_models_are_told_apart_and_ranked(count: int) -> None:
    """Every name is in the figures, the best on top; no row of the comparison touches the next."""
    entries = [
        figures.Entry(f"Net{n:02}", 0.5 + n / 100, (0.4, 0.95), [0.5, 0.6], 10.0 * (n + 1), 10**6)
        for n in range(count)
    ]
    entries.append(figures.Entry("Ensemble", 0.99, is_ensemble=True))
    for draw in (figures.draw_comparison, figures.draw_folds, figures.draw_costs):
        found = texts(figures.drawn(draw, entries).svg)
        shown = [text for text in found if text.startswith("Net")]
        assert sorted(shown) == [f"Net{n:02}" for n in range(count)]
    figure = figures.draw_comparison(entries)
    figure.draw_without_rendering()
    labels: Sequence[Text] = figure.axes[0].get_yticklabels()
    assert labels[0].get_text() == "Ensemble"
    rows = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(rows))


def test_an_ensemble_of_one_does_not_hide_it() -> None:
    """Its line has gaps, through which the same curve of a single model shows."""
    (line, _) = means_of(scores(5), "Net")
    figure = figures.draw_roc_of_all([line], line)
    for axes in figure.axes:
        *_, single, ensemble = axes.get_lines()
        assert (single.get_linestyle(), ensemble.get_linestyle()) == ("-", "--")
        assert single.get_color() != ensemble.get_color()
