"""Ranks share every batch, and come to what one alone would; real processes, over gloo."""

import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from holdfast.errors import RecoveryRefusedError
from holdfast.rundir import Position
from holdfast.training import ALONE, Group, Ranks, SharedStop, StopRequest, TrainState
from holdfast.training.evaluate import predict
from holdfast.training.ranks import share_out
from tests.training.together import together

WORLD = 3
STEPS = 5
AGAIN_AFTER = 2
DATA, CLASSES, BATCH = 37, 5, 11  # whatever is shared by three has a rest


def small_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(29, 41), nn.ReLU(), nn.Linear(41, CLASSES))


def small_data() -> TensorDataset:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(DATA, 29, generator=generator)
    return TensorDataset(inputs, torch.arange(DATA) % CLASSES)


def learned(ranks: Ranks, again_after: int | None = None) -> tuple[list[float], list[float]]:
    """Return the weights and losses of a few steps; a learner made anew is a resumed job's."""
    model, data = small_model(), small_data()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, fused=True)
    learner, losses = ranks.learner(model), []
    for step in range(STEPS):
        if step == again_after:
            learner = ranks.learner(model)
        inputs, labels = data[np.arange(step, DATA, 2)[:BATCH]]
        share = ranks.share(len(labels))
        loss = F.cross_entropy(learner(inputs[share.part]), labels[share.part])
        optimizer.zero_grad()
        ranks.backward(loss, share)
        optimizer.step()
        losses.append(ranks.means(share, loss=loss)["loss"].item())
    return torch.cat([p.detach().ravel() for p in model.parameters()]).tolist(), losses


def predicted(ranks: Ranks, batch_size: int) -> tuple[list[float], list[int]]:
    model = small_model()
    looked: list[None] = []
    found = predict(
        model,
        small_data(),
        batch_size=batch_size,
        forward=model,
        device=torch.device("cpu"),
        check_stop=lambda: looked.append(ranks.largest(0)),  # type: ignore[arg-type]
        ranks=ranks,
    )
    return found.probabilities.ravel().tolist(), found.labels.tolist()


def masks(ranks: Ranks) -> list[bool]:
    torch.manual_seed(11)
    share = ranks.share(12)
    ranks.prepared(lambda images: images, torch.zeros(12, 1), share, torch.device("cpu"))
    return F.dropout(torch.ones(64)).bool().tolist()


def stopped_at(ranks: Ranks) -> tuple[int, int | None]:
    """Only the last rank is asked, at its third step."""
    own = StopRequest()
    stop = SharedStop(ranks, own)
    for step in range(10):
        if ranks.rank == ranks.world - 1 and step == 3:
            own.signal = 15
        if stop.heard():
            return step, stop.signal
    return 10, None


def refusal(ranks: Ranks) -> str:
    model = small_model()
    state = TrainState(Position("head", 1), {"model": model})
    ranks.check_agreement(state)
    if ranks.rank == 1:
        with torch.no_grad():
            model[2].bias[0] += 1e-7
    try:
        ranks.check_agreement(state)
    except RecoveryRefusedError as error:
        return str(error)
    return ""


def statistics(ranks: Ranks) -> list[float]:
    norm = nn.BatchNorm1d(2)
    norm(torch.randn(8, 2) + ranks.rank)
    ranks.agree_on_statistics(norm)
    return norm.running_mean.tolist()  # type: ignore[union-attr]


def everything(ranks: Group) -> dict[str, Any]:
    return {
        "learned": learned(ranks),
        "learned again": learned(ranks, again_after=AGAIN_AFTER),
        "predicted": [predicted(ranks, size) for size in (4, 40)],
        "masks": masks(ranks),
        "stopped": stopped_at(ranks),
        "refusal": refusal(ranks),
        "statistics": statistics(ranks),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What three ranks have come to, a dict for each."""
    return together(WORLD, everything, str(tmp_path_factory.mktemp("ranks")))


@pytest.mark.parametrize("world", [1, 2, 3, 5, 8])
def test_shares_cover_each_batch_once(world: int) -> None:
    """Contiguous, in order, as even as can be; their weights make the mean over the batch."""
    for total in range(2 * world, 70):
        shares = [share_out(total, rank, world) for rank in range(world)]
        covered = [n for share in shares for n in range(total)[share.part]]
        sizes = [share.part.stop - share.part.start for share in shares]
        assert covered == list(range(total))
        assert max(sizes) - min(sizes) <= 1
        assert sum(share.weight for share in shares) == pytest.approx(1.0, abs=1e-12)
        assert [share.weight for share in shares] == [size / total for size in sizes]


@pytest.mark.parametrize("total", range(1, 6))
def test_batch_too_small_to_be_shared(total: int) -> None:
    """Each rank computes all of it: BatchNorm cannot learn from one sample, nor from none."""
    shares = [share_out(total, rank, 3) for rank in range(3)]

    assert [share.part for share in shares] == [slice(0, total)] * 3
    assert [share.weight for share in shares] == [1 / 3] * 3


def test_gradient_is_that_of_the_whole_batch(found: list[dict[str, Any]]) -> None:
    """Three ranks with uneven shares learn what one alone learns, but for the last bits."""
    weights, losses = learned(ALONE)

    for rank in found:
        assert rank["learned"][0] == pytest.approx(weights, rel=1e-5, abs=1e-6)
        assert rank["learned"][1] == pytest.approx(losses, rel=1e-6)


def test_ranks_stay_the_same(found: list[dict[str, Any]]) -> None:
    """All of them have the same weights and see the same means, bit for bit."""
    assert [rank["learned"] for rank in found] == [found[0]["learned"]] * WORLD


def test_learner_made_anew_gives_the_same_bits(found: list[dict[str, Any]]) -> None:
    """DDP lays its buckets out anew after a step: three gradients would be added otherwise."""
    assert found[0]["learned again"] == found[0]["learned"]


def test_evaluation_is_the_same_for_any_number_of_ranks(found: list[dict[str, Any]]) -> None:
    """Whole batches are dealt out, and all get all; also where some have no batch of their own."""
    for rank in found:
        assert rank["predicted"] == [predicted(ALONE, 4), predicted(ALONE, 40)]


def test_dropout_is_each_ranks_own(found: list[dict[str, Any]]) -> None:
    """Two parts of a batch do not lose the same units."""
    drawn = {tuple(rank["masks"]) for rank in found}

    assert len(drawn) == WORLD


def test_stop_is_heard_by_all_at_the_same_step(found: list[dict[str, Any]]) -> None:
    """Whichever rank is asked, none waits for another that has stopped."""
    assert [rank["stopped"] for rank in found] == [(3, 15)] * WORLD


def test_stop_passed_on_and_a_signal_are_one_request() -> None:
    """Slurm tells every process, and so does who started the ranks: whichever comes first."""
    stop = StopRequest()
    with stop.listening():
        stop.signal = signal.SIGTERM
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            pytest.fail("taken for a second request, which ends the process at once")

    assert stop.signal == signal.SIGTERM


def test_ranks_that_differ_are_refused(found: list[dict[str, Any]]) -> None:
    """A single bit of one tensor in one rank, and nobody trains."""
    for rank in found:
        assert (
            "rank 1 stands at head epoch 1 with another model.2.bias than rank 0"
            in (rank["refusal"])
        )


def test_statistics_are_the_first_ranks(found: list[dict[str, Any]]) -> None:
    """Every rank evaluates with the statistics that the checkpoint holds."""
    assert [rank["statistics"] for rank in found] == [found[0]["statistics"]] * WORLD
    assert max(found[0]["statistics"]) < 0.1  # the first rank's inputs are about 0
