"""From probabilities to ROC curves: each class against the rest, their mean, all together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.report.facts import Scores
from holdfast.report.figures import RocLine

_POINTS = 400  # of a curve: more than a figure shows
_BESIDE = 1e-9  # a step is upright all the same


def curves_of_classes(scores: Scores, classes: Sequence[str]) -> list[RocLine]:
    """Return the curve of each class that the images have, and do not have only; of two, one."""
    named = list(enumerate(classes))
    found = [
        _curve(scores, label, name) for label, name in (named[1:] if _is_pair(scores) else named)
    ]
    return [line for line in found if line is not None]


def means_of(scores: Scores, label: str = "mean of the classes (macro)") -> list[RocLine]:
    """Return the macro mean, under ``label``, and the micro mean: all decisions in one curve.

    The area of the macro mean is the mean of the areas, as in a result's ``roc_auc``; where
    the images lack a class, of those they have. Of two classes there is one curve, the second's.
    """
    classes = curves_of_classes(scores, [str(n) for n in range(scores.probabilities.shape[1])])
    if _is_pair(scores):
        return [RocLine(label, c.false_rate, c.true_rate, c.area) for c in classes]
    grid = _grid(classes)
    heights = [np.interp(grid, line.false_rate, line.true_rate) for line in classes]
    area = float(np.mean([line.area for line in classes])) if classes else float("nan")
    mean = np.mean(heights, axis=0) if heights else grid
    macro = RocLine(label, np.append(0.0, grid), np.append(0.0, mean), area)
    is_it = np.eye(scores.probabilities.shape[1], dtype=bool)[scores.labels]
    micro = _line("all decisions (micro)", is_it.ravel(), scores.probabilities.ravel())
    return [macro, micro]


def _grid(lines: Sequence[RocLine]) -> NDArray[np.float64]:
    """Return where a mean of curves is to be taken: right before and right after each step."""
    steps = np.unique(np.concatenate([[0.0, 1.0], *(line.false_rate for line in lines)]))
    if len(steps) > _POINTS:
        steps = np.linspace(0, 1, _POINTS)
    return np.unique(np.clip([steps - _BESIDE, steps + _BESIDE], 0.0, 1.0))


def areas(scores: Scores) -> list[float | None]:
    """Return the area under each class's curve; None where the images do not tell."""
    found = [_curve(scores, n, "") for n in range(scores.probabilities.shape[1])]
    return [None if line is None else line.area for line in found]


def _is_pair(scores: Scores) -> bool:
    return len(scores.probabilities.T) == 2


def _curve(scores: Scores, label: int, name: str) -> RocLine | None:
    is_it = scores.labels == label
    if is_it.all() or not is_it.any():
        return None
    return _line(name, is_it, scores.probabilities[:, label])


def _line(name: str, is_it: NDArray[np.bool_], score: NDArray[np.float64]) -> RocLine:
    from sklearn.metrics import auc, roc_curve

    false_rate, true_rate, _ = roc_curve(is_it, score)
    area = float(auc(false_rate, true_rate))
    if len(false_rate) > 2 * _POINTS:
        kept = np.linspace(0, len(false_rate) - 1, 2 * _POINTS).astype(int)
        false_rate, true_rate = false_rate[kept], true_rate[kept]
    return RocLine(name, false_rate, true_rate, area)
