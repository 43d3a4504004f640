"""The vote of several models: a weighted mean of what they hold probable.

Weights are chosen by greedy forward selection with replacement (Caruana, Niculescu-Mizil, Crew and
Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004): again and again the model joins
that does the mean most good, and may join more than once; its weight is its share of the seats.
Good is a small Brier score: a proper score without accuracy's ties, which few images cannot decide.
docs/inference.md has what it and the other ways came to.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import UsageError
from holdfast.training import Predictions

_SEATS = 50
_LEAST = np.finfo(np.float64).tiny


def choose_weights(validation: Mapping[str, Predictions]) -> dict[str, float]:
    """Return the weight of each model in the vote, by its predictions for the validation split.

    The same images in the same order for all; test images have no say. Weights sum to 1, and
    may be 0. Of models that do the same good, the first named joins, so that the same predictions
    give the same weights.

    Raises:
        UsageError: no model, or predictions for different images.
    """
    labels = _common_labels(validation)
    said = np.stack([each.probabilities for each in validation.values()])
    truth = np.eye(said.shape[2])[labels]
    seats = np.zeros(len(said), dtype=np.int64)
    best, chosen = np.inf, seats
    total = np.zeros(said.shape[1:])
    for count in range(1, _SEATS + 1):
        scores = (((total + said) / count - truth) ** 2).sum(2).mean(1)  # Brier's, of each choice
        winner = int(scores.argmin())  # the first of equals
        total = total + said[winner]
        seats[winner] += 1
        if scores[winner] < best:
            best, chosen = float(scores[winner]), seats.copy()
    shares = chosen / chosen.sum()
    return dict(zip(validation, shares.tolist(), strict=True))


def soft_vote(
    predictions: Mapping[str, Predictions], weights: Mapping[str, float] | None = None
) -> Predictions:
    """Return the weighted mean of the models' probabilities, and its loss.

    Without ``weights`` every model has the same.

    Raises:
        UsageError: no model, predictions for different images, or no weight for one of them.
    """
    labels = _common_labels(predictions)
    shares = weights or dict.fromkeys(predictions, 1 / len(predictions))
    if missing := [name for name in predictions if name not in shares]:
        raise UsageError(f"no weight for {', '.join(missing)}")
    votes = [shares[name] * each.probabilities for name, each in predictions.items()]
    mean: NDArray[np.float64] = np.sum(votes, axis=0)
    loss = _log_loss(mean[np.arange(len(labels)), labels])
    return Predictions(mean, labels, float(loss))


def _log_loss(right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of -log over the last axis: what the right classes are held probable."""
    loss: NDArray[np.float64] = -np.log(np.maximum(right, _LEAST)).mean(-1)
    return loss


def _common_labels(predictions: Mapping[str, Predictions]) -> NDArray[np.int64]:
    each = list(predictions.values())
    if not each:
        raise UsageError("no model to vote: name one at least")
    for other in each[1:]:
        shape = other.probabilities.shape
        if shape != each[0].probabilities.shape or (other.labels != each[0].labels).any():
            raise UsageError("the models' predictions are of different images, or classes")
    return each[0].labels
