"""The vote: weights from the validation split alone, and what it comes to."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.errors import UsageError
from holdfast.inference import choose_weights, open_trained, soft_vote
from holdfast.training import Predictions, predictions_of, result_metrics


def made(seed: int, skill: float, count: int = 60) -> Predictions:
    """Return what a model of some skill might say of ``count`` images of three classes."""
    labels = torch.arange(count) % 3
    noise = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return predictions_of(noise + skill * torch.nn.functional.one_hot(labels), labels)


def brier(said: Predictions) -> float:
    return float(((said.probabilities - np.eye(3)[said.labels]) ** 2).sum(1).mean())


def test_weights_are_shares_and_prefer_the_better() -> None:
    """They sum to one, and a model that only guesses gets little beside good ones."""
    weights = choose_weights({"a": made(1, 3.0), "guess": made(2, 0.0), "b": made(3, 3.0)})
    assert sum(weights.values()) == pytest.approx(1.0)
    assert list(weights) == ["a", "guess", "b"]
    assert weights["guess"] < 0.1 < min(weights["a"], weights["b"])


def test_equals_are_chosen_in_order() -> None:
    """The same predictions give the same weights, and the first of two equals has the seat."""
    twins = {"a": made(1, 2.0), "b": made(1, 2.0)}
    assert choose_weights(twins) == choose_weights(twins)
    assert choose_weights(twins)["a"] > choose_weights(twins)["b"]


def test_vote_is_no_worse_than_its_best_member_where_it_was_chosen() -> None:
    """On the images that chose the weights, the vote's score is at least that of any one model."""
    each = {str(seed): made(seed, skill) for seed, skill in enumerate([1.0, 2.0, 2.5])}
    chosen = soft_vote(each, choose_weights(each))
    assert brier(chosen) <= min(map(brier, each.values()))


def test_one_model_votes_as_itself() -> None:
    """A vote of one has its very probabilities, and its loss."""
    alone = made(5, 1.0)
    vote = soft_vote({"a": alone})
    assert np.array_equal(vote.probabilities, alone.probabilities)
    assert vote.loss == pytest.approx(alone.loss, rel=1e-6)


def test_vote_has_the_metrics_of_any_result(trained_run: Path) -> None:
    """A vote of real models is measured under the same keys as each of them."""
    with open_trained(trained_run) as run:
        test = {str(job): run.predictions(job, "test") for job in run.complete}
        keys = result_metrics(next(iter(test.values())), run.classes).keys()
        vote = soft_vote(test)
        assert result_metrics(vote, run.classes).keys() == keys
    mean = sum(each.probabilities for each in test.values()) / len(test)
    assert np.allclose(vote.probabilities, mean, atol=1e-15)


def test_predictions_of_different_images_do_not_vote() -> None:
    """Models asked about different images, or nobody at all, are a mistake that is told."""
    with pytest.raises(UsageError, match="different images"):
        soft_vote({"a": made(1, 1.0), "b": made(1, 1.0, count=59)})
    with pytest.raises(UsageError, match="no model to vote"):
        choose_weights({})
    with pytest.raises(UsageError, match="no weight for b"):
        soft_vote({"a": made(1, 1.0), "b": made(2, 1.0)}, {"a": 1.0})
