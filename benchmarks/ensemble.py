"""Which way of weighing the models of an ensemble pays: ways compared on the same predictions.

    python benchmarks/ensemble.py RUN [RUN …] [--rounds 200]

RUN is the directory of a finished run. What its completed backbones say of the validation and the
test images is computed once. Then, again and again, these images are halved at random, class by
class: weights are chosen on one half and the vote is measured on the other. The table has the mean
accuracy on the other half, how often it is at least that of the best single model (chosen on the
same half), and the mean loss.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from table import table

from holdfast.inference import choose_weights, open_trained, soft_vote
from holdfast.training import Predictions

Weights = dict[str, float]
Each = dict[str, Predictions]
Score = Callable[[NDArray[np.float64], NDArray[np.int64]], tuple[float, ...]]


def main() -> None:
    """Print a table for each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    for where in options.runs:
        said = predictions_of_run(where)
        count = len(next(iter(said.values())).labels)
        print(f"{where}: {len(said)} backbones, {count} images, {options.rounds} halvings\n")
        head = ["", "accuracy", "no worse than the best single", "loss"]
        print(table(head, compare(said, options.rounds)), flush=True)


def predictions_of_run(where: str) -> Each:
    """Return what each completed backbone says of the validation and the test images."""
    said = {}
    with open_trained(where, on_notice=lambda line: print(line, file=sys.stderr)) as run:
        for job in run.complete:
            parts = [run.predictions(job, part) for part in ("val", "test")]
            said[str(job)] = Predictions(
                np.concatenate([part.probabilities for part in parts]),
                np.concatenate([part.labels for part in parts]),
                0.0,
            )
            print(f"{job}: {accuracy(said[str(job)]):.4f}", file=sys.stderr, flush=True)
    return said


def compare(said: Each, rounds: int) -> list[list[str]]:
    """Return a row for each way."""
    rng = np.random.default_rng(0)
    reached: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        chosen, measured = halves(said, rng)
        for way, weigh in WAYS.items():
            vote = soft_vote(measured, weigh(chosen))
            reached[way].append((accuracy(vote), vote.loss))
    single = np.array([one for one, _ in reached["best single"]])
    rows = []
    for way, results in reached.items():
        accuracies, losses = np.array(results).T
        share = f"{(accuracies >= single).mean():.0%}"
        rows.append([way, f"{accuracies.mean():.4f}", share, f"{losses.mean():.4f}"])
    return rows


def halves(said: Each, rng: np.random.Generator) -> tuple[Each, Each]:
    """Halve the images at random, each class alike."""
    labels = next(iter(said.values())).labels
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    one, other = np.sort(order[::2]), np.sort(order[1::2])
    return (
        {name: some(each, one) for name, each in said.items()},
        {name: some(each, other) for name, each in said.items()},
    )


def some(said: Predictions, images: NDArray[np.int64]) -> Predictions:
    """Return the predictions for some of the images."""
    return Predictions(said.probabilities[images], said.labels[images], 0.0)


def accuracy(said: Predictions) -> float:
    """Return the share of images that the most probable class is right for."""
    return float((said.predicted == said.labels).mean())


def best_single(chosen: Each) -> Weights:
    """All weight on the most accurate; of several, the first."""
    best = max(chosen, key=lambda name: accuracy(chosen[name]))
    return {name: float(name == best) for name in chosen}


def uniform(chosen: Each) -> Weights:
    """The same weight for all."""
    return dict.fromkeys(chosen, 1 / len(chosen))


def simplex(chosen: Each) -> Weights:
    """The weights of least log loss, by expectation maximisation of the mixture."""
    labels = next(iter(chosen.values())).labels
    held = np.stack([p.probabilities[np.arange(len(labels)), labels] for p in chosen.values()])
    shares = np.full(len(held), 1 / len(held))
    for _ in range(300):
        shares = shares * (held / np.maximum(shares @ held, 1e-300)).mean(1)
    return dict(zip(chosen, shares.tolist(), strict=True))


def greedy(score: Score, seats: int = 50) -> Callable[[Each], Weights]:
    """Greedy selection with replacement by some score, the less the better."""

    def weigh(chosen: Each) -> Weights:
        labels = next(iter(chosen.values())).labels
        said = np.stack([each.probabilities for each in chosen.values()])
        taken, total = np.zeros(len(said), dtype=int), np.zeros(said.shape[1:])
        best, kept = None, taken
        for count in range(1, seats + 1):
            scores = [score((total + one) / count, labels) for one in said]
            winner = min(range(len(said)), key=scores.__getitem__)
            total, taken[winner] = total + said[winner], taken[winner] + 1
            if best is None or scores[winner] < best:
                best, kept = scores[winner], taken.copy()
        return dict(zip(chosen, (kept / kept.sum()).tolist(), strict=True))

    return weigh


def log_loss(mean: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, ...]:
    return (-float(np.log(mean[np.arange(len(labels)), labels]).mean()),)


def errors_then_loss(mean: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, ...]:
    return (float((mean.argmax(1) != labels).mean()), *log_loss(mean, labels))


WAYS: dict[str, Callable[[Each], Weights]] = {
    "best single": best_single,
    "uniform": uniform,
    "simplex, log loss": simplex,
    "greedy, log loss": greedy(log_loss),
    "greedy, Brier (ours)": choose_weights,
    "greedy, errors then log loss": greedy(errors_then_loss),
}


if __name__ == "__main__":
    main()
