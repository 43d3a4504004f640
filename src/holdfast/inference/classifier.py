"""One model, or several that vote: what image files are given to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.data import decode, resize_for
from holdfast.errors import DataError
from holdfast.inference.decoding import OnBad, decoded, find_images
from holdfast.inference.ensemble import choose_weights, soft_vote
from holdfast.inference.model import TrainedModel
from holdfast.inference.trained import TrainedRun, open_trained
from holdfast.training import Predictions, predictions_of

BEST, ENSEMBLE = "best", "ensemble"
"""Names that stand for the best single model, and for the vote of all."""


@dataclass(frozen=True)
class Guess:
    """What a classifier says of one image file."""

    path: Path
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    """Of each class (classes,); they sum to 1."""

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """The classes with their probabilities, the most probable first; equals by label."""
        order = np.argsort(-self.probabilities, kind="stable").tolist()
        return [(self.classes[label], float(self.probabilities[label])) for label in order]


@dataclass(frozen=True)
class Classifier:
    """Trained models of one run with their weights in the vote, or one alone."""

    name: str
    members: Mapping[str, TrainedModel]
    weights: Mapping[str, float]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return self._any.classes

    @property
    def batch_size(self) -> int:
        """Images at a time when the run measured its models."""
        return self._any.batch_size

    @property
    def resize(self) -> int:
        """R: the side in pixels at which images are decoded."""
        return resize_for(self._any.normalise.image_size)

    def classify(
        self,
        images: Iterable[str | Path],
        *,
        batch_size: int | None = None,
        on_bad: OnBad[Path] | None = None,
    ) -> Iterator[Guess]:
        """Yield what each image file shows, in order; directories are gone through by name.

        Decoded as in training, and never more than two batches at once. What cannot be read is
        told to ``on_bad`` and left out.

        Raises:
            DataError: a file cannot be read and there is no ``on_bad``, or a directory not be
                listed.
        """
        read = partial(decode, at_least=self.resize)
        size, bad = batch_size or self.batch_size, on_bad or _refuse
        for paths, pixels in decoded(find_images(images), read, self.resize, size, bad):
            for path, probabilities in zip(paths, self.probabilities(pixels), strict=True):
                yield Guess(path, self.classes, probabilities)

    def probabilities(self, images: Tensor) -> NDArray[np.float64]:
        """Return class probabilities (N, classes) of decoded images (N, R, R, 3) uint8."""
        nobody = torch.zeros(len(images), dtype=torch.int64)
        return self._vote(
            {name: (m.logits(images), nobody) for name, m in self._asked}
        ).probabilities

    def predictions(
        self, dataset: Any, check_stop: Callable[[], None] = lambda: None
    ) -> Predictions:
        """Run the models over a dataset of (image, label), as `TrainedModel.predictions` does."""
        each = {name: m.predictions(dataset, check_stop) for name, m in self._asked}
        return self._counted(each)

    def measure(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Predictions:
        """Run the models over batches of images (N, R, R, 3) uint8 and labels (N,).

        Raises:
            DataError: there is no batch.
        """
        logits: dict[str, list[Tensor]] = {name: [] for name, _ in self._asked}
        labels = []
        for images, truth in batches:
            labels.append(truth)
            for name, member in self._asked:
                logits[name].append(member.logits(images))
        if not labels:
            raise DataError("no image to measure on can be read")
        truth = torch.cat(labels)
        return self._vote({name: (torch.cat(each), truth) for name, each in logits.items()})

    @property
    def _any(self) -> TrainedModel:
        return next(iter(self.members.values()))

    @property
    def _asked(self) -> list[tuple[str, TrainedModel]]:
        """The members whose vote counts."""
        return [(name, member) for name, member in self.members.items() if self.weights[name]]

    def _vote(self, said: Mapping[str, tuple[Tensor, Tensor]]) -> Predictions:
        return self._counted({name: predictions_of(*each) for name, each in said.items()})

    def _counted(self, each: Mapping[str, Predictions]) -> Predictions:
        if len(each) == 1:  # as recorded, its loss included
            return next(iter(each.values()))
        return soft_vote(each, self.weights)


def choose(
    run: TrainedRun,
    name: str = BEST,
    *,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Classifier:
    """Return a run's best model (by validation accuracy), its ensemble, or a model by name.

    The ensemble has all completed backbones, with weights chosen on the validation split; where
    the run's images are not to be found, ``on_notice`` is told, and all weigh the same.

    Raises:
        UsageError: nothing is complete, or not what is named; UnknownBackboneError.
        DamagedCheckpointError: weights are not what was written.
    """
    if name != ENSEMBLE:
        job = run.best() if name == BEST else run.find(name)
        return Classifier(str(job), {str(job): run.model(job)}, {str(job): 1.0})
    run.best()  # or else says what is not complete
    members = {str(job): run.model(job) for job in run.complete}
    if len(members) == 1:
        (only,) = members
        on_notice(f"only {only} is complete: it votes alone")
        return Classifier(ENSEMBLE, members, {only: 1.0})
    return Classifier(ENSEMBLE, members, _weights(run, members, on_notice))


def load(
    where: str | Path = "checkpoints", name: str = BEST, *, device: str = "auto"
) -> Classifier:
    """Load what a run has trained: ``holdfast.load("checkpoints", "best").classify(files)``.

    Args:
        where: the run's directory, or its URL.
        name: best, ensemble, or a backbone.
        device: cpu, cuda or cuda:N; auto: as the run was trained.

    Raises:
        UsageError: no such run, or nothing of that name is complete in it.
        DamagedCheckpointError: the weights are not what was written.
    """
    with open_trained(where, device=device) as run:
        return choose(run, name)


def _weights(
    run: TrainedRun, members: Mapping[str, TrainedModel], on_notice: Callable[[str], None]
) -> dict[str, float]:
    said = {}
    try:
        for done, (name, member) in enumerate(members.items()):
            run.on_progress("Weighing on the validation split", done, len(members))
            said[name] = member.predictions(run.images(member.job, "val"))
    except DataError as error:
        on_notice(f"{error}; until then all backbones weigh the same")
        return dict.fromkeys(members, 1 / len(members))
    run.on_progress("Weighing on the validation split", len(members), len(members))
    return choose_weights(said)


def _refuse(path: Path, reason: str) -> None:
    raise DataError(f"{path}: {reason}")
