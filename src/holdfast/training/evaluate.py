"""Measuring a model on images it has not learned from.

scikit-learn takes most of a second to import; nobody waits for it before the first step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.training.batches import fetch
from holdfast.training.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Predictions:
    """Class probabilities (N, classes) and labels (N,) of one pass over a set."""

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    loss: float

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each image (N,)."""
        best: NDArray[np.int64] = self.probabilities.argmax(1)
        return best


def predict(
    model: nn.Module,
    dataset: Any,
    *,
    batch_size: int,
    forward: Callable[[Tensor], Tensor],
    device: torch.device,
    check_stop: Callable[[], None],
    ranks: Ranks = ALONE,
) -> Predictions:
    """Run the model over ``dataset`` in order; ``forward`` takes raw images to logits.

    ``check_stop`` is called between batches and may raise.
    """
    model.eval()
    logits, labels = run_through(
        dataset,
        batch_size=batch_size,
        forward=forward,
        device=device,
        check_stop=check_stop,
        ranks=ranks,
    )
    return predictions_of(logits, labels)


def predictions_of(logits: Tensor, labels: Tensor) -> Predictions:
    """Return what logits (N, classes), and the true labels (N,), come to."""
    scores, truth = logits.float().cpu(), labels.cpu()
    return Predictions(
        scores.double().softmax(1).numpy(), truth.numpy(), F.cross_entropy(scores, truth).item()
    )


def run_through(
    dataset: Any,
    *,
    batch_size: int,
    forward: Callable[[Tensor], Tensor],
    device: torch.device,
    check_stop: Callable[[], None],
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor]:
    """Return what ``forward`` makes of ``dataset``, in order, and the labels.

    ``check_stop`` is called between batches and may raise. Several ``ranks`` share the batches
    out, and each gets all of what they make: the same bits for any number of them.
    """
    count = len(dataset)
    plan = [np.arange(i, min(i + batch_size, count)) for i in range(0, count, batch_size)]
    mine, made, labels = ranks.part_of(plan), [], []
    with torch.inference_mode():
        for images, targets in fetch(dataset, mine, [0] * len(mine), workers=0):
            made.append(forward(images.to(device)))
            labels.append(targets)
            check_stop()
        return ranks.gathered(torch.cat(made), plan), ranks.gathered(torch.cat(labels), plan)


def validation_metrics(predictions: Predictions) -> dict[str, float]:
    """Return what an epoch is judged by: accuracy, loss and macro F1."""
    scores = _scores(predictions)
    return {"accuracy": scores["accuracy"], "loss": predictions.loss, "f1": scores["f1"]}


def result_metrics(predictions: Predictions, classes: Sequence[str]) -> dict[str, Any]:
    """Return the result of a job on its test split, in plain numbers.

    Precision, recall and F1 are macro means; ROC AUC is one-vs-rest, and None where the split
    lacks a class; the confusion matrix has a row for each true class.
    """
    from sklearn.metrics import confusion_matrix

    labels = list(range(len(classes)))
    matrix = confusion_matrix(predictions.labels, predictions.predicted, labels=labels)
    return {
        **_scores(predictions),
        "loss": predictions.loss,
        "roc_auc": _roc_auc(predictions, labels),
        "confusion_matrix": matrix.tolist(),
    }


def _scores(predictions: Predictions) -> dict[str, float]:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        predictions.labels, predictions.predicted, average="macro", zero_division=0.0
    )
    accuracy = float((predictions.labels == predictions.predicted).mean())
    return {
        "accuracy": accuracy,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def _roc_auc(predictions: Predictions, labels: list[int]) -> float | None:
    from sklearn.metrics import roc_auc_score

    if len(np.unique(predictions.labels)) < len(labels):
        return None
    if len(labels) == 2:
        return float(roc_auc_score(predictions.labels, predictions.probabilities[:, 1]))
    return float(
        roc_auc_score(
            predictions.labels, predictions.probabilities, multi_class="ovr", labels=labels
        )
    )
