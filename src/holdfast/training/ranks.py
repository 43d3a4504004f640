"""The processes that train one job together, each a rank; most jobs are trained by one alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from holdfast.data import Augment
from holdfast.errors import RecoveryRefusedError
from holdfast.training import trace
from holdfast.training.interrupt import StopRequest
from holdfast.training.randomness import derive_seed, reseed
from holdfast.training.state import TrainState

Thing = TypeVar("Thing")
_FEWEST = 2  # samples of a rank: BatchNorm cannot learn from one


@dataclass(frozen=True)
class Share:
    """What one rank computes of a batch."""

    part: slice
    total: int
    """Samples of the whole batch."""
    weight: float = 1.0
    """What its means weigh in those over the whole batch; all ranks' weights add up to 1."""


def share_out(total: int, rank: int, world: int) -> Share:
    """Return the share of ``rank``: a contiguous part, the first ranks' one sample longer.

    A batch with fewer than two samples for each is computed whole by all of them.
    """
    if total < _FEWEST * world:
        return Share(slice(0, total), total, 1 / world)
    size, more = divmod(total, world)
    first = rank * size + min(rank, more)
    count = size + (rank < more)
    return Share(slice(first, first + count), total, count / total)


class Ranks:
    """One rank, alone: it computes everything, and agrees with itself."""

    rank = 0
    world = 1

    def synchronised(self, model: nn.Module) -> nn.Module:
        """Return ``model`` with BatchNorm over the whole batch, where torch can do that."""
        return model

    def share(self, total: int) -> Share:
        """Return what this rank computes of a batch of ``total`` samples."""
        return share_out(total, self.rank, self.world)

    def prepared(
        self,
        prepare: Callable[[Tensor], Tensor],
        images: Tensor,
        share: Share,
        device: torch.device,
    ) -> Tensor:
        """Return this rank's part of what ``prepare`` makes of a whole batch."""
        return prepare(images.to(device))

    def learner(self, model: nn.Module) -> nn.Module:
        """Return what to call in place of ``model`` where gradients are wanted."""
        return model

    def backward(self, loss: Tensor, share: Share) -> None:
        """Compute the gradients of the loss over the whole batch; ``loss`` is over the share."""
        loss.backward()  # type: ignore[no-untyped-call]

    def means(self, share: Share, **means: Tensor) -> dict[str, Tensor]:
        """Return the means over the whole batch; ``means`` are over the share."""
        return means

    def part_of(self, plan: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the batches of an evaluation that this rank computes, as many as every other."""
        return plan

    def gathered(self, made: Tensor, plan: Sequence[NDArray[Any]]) -> Tensor:
        """Return all of what the ranks have made, each of its `part_of` the ``plan``, in order."""
        return made

    def agree_on_statistics(self, model: nn.Module) -> None:
        """Make the buffers of ``model`` those of the first rank, which are what is saved."""

    def check_agreement(self, state: TrainState) -> None:
        """See to it that all ranks stand at the same state.

        Raises:
            RecoveryRefusedError: they do not.
        """

    def from_first(self, thing: Thing) -> Thing:
        """Return what the first rank has called this with."""
        return thing

    def largest(self, number: int) -> int:
        """Return the largest number that a rank has called this with."""
        return number


class Group(Ranks):
    """One of several ranks, all of which make each of these calls, in the same order.

    `torch.distributed` must be initialised, with gloo for what lies on the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank = dist.get_rank()
        self.world = dist.get_world_size()
        self._device = device

    def synchronised(self, model: nn.Module) -> nn.Module:
        """Return ``model`` with SyncBatchNorm, which torch has on cuda only.

        On the CPU each rank normalises its own part, and the first rank's statistics are kept.
        """
        if self._device.type != "cuda":
            return model
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(model)

    def prepared(
        self,
        prepare: Callable[[Tensor], Tensor],
        images: Tensor,
        share: Share,
        device: torch.device,
    ) -> Tensor:
        """Draw for the whole batch, so that a sample varies the same for any number of ranks.

        What the model draws after that, for dropout and the like, is each rank's own.
        """
        if isinstance(prepare, Augment):
            part = images[share.part].to(device)
            inputs: Tensor = prepare(part, share.part.start, share.total)
        else:
            inputs = prepare(images.to(device))[share.part]
        reseed(derive_seed(torch.initial_seed(), "rank", self.rank))
        return inputs

    def learner(self, model: nn.Module) -> nn.Module:
        """Wrap ``model`` so that each backward pass leaves the mean gradient of all ranks.

        Gradients are added up in buckets. By default torch lays these out anew after the first
        step, and with them the order in which three ranks or more are added: a job that goes on
        would give other bits. With ``find_unused_parameters`` the layout stays.
        """
        ids = [self._device.index or 0] if self._device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)

    def backward(self, loss: Tensor, share: Share) -> None:
        """Weigh the loss, so that the mean of all ranks' gradients is that of the batch."""
        (loss * (share.weight * self.world)).backward()  # type: ignore[no-untyped-call]

    def means(self, share: Share, **means: Tensor) -> dict[str, Tensor]:
        """Add up the weighed means in the order of the ranks."""
        mine = torch.stack([mean.detach().double() for mean in means.values()]) * share.weight
        total = torch.stack(self._all(mine)).sum(0)
        return dict(zip(means, total, strict=True))

    def part_of(self, plan: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Deal the plan out in order; who has too few batches computes the last one once more.

        So each rank fetches from the dataset and looks for a stop as often as any other.
        """
        mine = self._dealt(plan, self.rank)
        return mine + [plan[-1]] * (len(self._dealt(plan, 0)) - len(mine))

    def gathered(self, made: Tensor, plan: Sequence[NDArray[Any]]) -> Tensor:
        """Let each rank send its own."""
        sizes = [sum(map(len, self._dealt(plan, rank))) for rank in range(self.world)]
        whole = made.new_empty((sum(sizes), *made.shape[1:]))
        for rank, part in enumerate(torch.split(whole, sizes)):
            if rank == self.rank:
                part.copy_(made[: len(part)])
            if len(part):
                dist.broadcast(part.view(torch.uint8), rank)
        return whole

    def agree_on_statistics(self, model: nn.Module) -> None:
        """Send them: each rank's BatchNorm has counted its own part of the last batch."""
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)

    def check_agreement(self, state: TrainState) -> None:
        """Compare positions and digests of all tensors."""
        states = {name: thing.state_dict() for name, thing in state.objects.items()}
        told: list[Any] = [None] * self.world
        dist.all_gather_object(told, (state.position, trace.digests(states, "")))
        position, digests = told[0]
        for rank, (at, theirs) in enumerate(told):
            if (at, theirs) != (position, digests):
                other = [name for name in digests if digests[name] != theirs.get(name)]
                raise RecoveryRefusedError(
                    f"rank {rank} stands at {at} with another {other[0] if other else 'state'} "
                    f"than rank 0, at {position}: give all ranks the same directory and torch"
                )

    def from_first(self, thing: Thing) -> Thing:
        """Send it."""
        told = [thing]
        dist.broadcast_object_list(told, 0)
        return told[0]

    def largest(self, number: int) -> int:
        """Ask all, on the CPU: nobody waits for a device."""
        return int(max(self._all(torch.tensor(number))))

    def _all(self, mine: Tensor) -> list[Tensor]:
        every = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(every, mine)
        return every

    def _dealt(self, plan: Sequence[Thing], rank: int) -> list[Thing]:
        most = -(-len(plan) // self.world)
        return list(plan[rank * most : (rank + 1) * most])


class SharedStop(StopRequest):
    """A stop that all ranks hear of at the same place, whichever of them was asked for it.

    Each `heard` asks all ranks, so all of them call it equally often.
    """

    def __init__(self, ranks: Ranks, own: StopRequest) -> None:
        super().__init__(own.announce)
        self.ask = own.ask
        self._ranks, self._own = ranks, own

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let what this rank was asked itself take the signals."""
        with self._own.listening():
            yield

    def heard(self) -> bool:
        """Tell whether any rank has been asked to stop."""
        if self.signal is None:
            self.signal = self._ranks.largest(self._own.signal or 0) or None
        return super().heard()


ALONE = Ranks()
