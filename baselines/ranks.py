"""Several processes that train one team: each computes a share of what is expensive, and all know everything.

`torchrun` and `accelerate launch` start one command several times, and tell each process its rank. Here the processes
hand each other what they made: episodes, log-probabilities, features, gradients. All else follows from the same numbers
on every rank, so it is computed on each and never sent. What decides something (a bound on an update, a number that is
none, a signal) is decided from what all have told, or by the first rank for all.

Objects travel by gloo, between CPUs; gradients by gloo, or where they lie on GPUs by NCCL.
"""

import atexit
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TypeVar, cast

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from baselines.errors import ConfigError, OutOfStepError, RankLostError
from marft_envs import MarftError

PATIENCE = timedelta(hours=2)
"""How long a rank waits for the others: the slowest share of an iteration must have come by then. A process that died
is noticed at once."""
_BUCKET = 2**24
"""Numbers of a gradient that are sent at once: 64 MiB in float32."""
_TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher puts into the environment."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a rank could not do, in place of what came of it."""

    error: MarftError


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among several; by default it is alone, and then every method gives back what it was given."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among those of its machine."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows the progress."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """A device by its name; of several processes each has a GPU of its own.

        Raises: `ConfigError` for a certain GPU that all would share, or where there are too few.
        """
        if self.size == 1 or name.partition(":")[0] != "cuda":
            return name
        if name != "cuda":
            raise ConfigError(f"device is {name!r}, but each of several processes takes a GPU of its own; give cuda")
        num_gpus = torch.cuda.device_count()
        if self.local_rank >= num_gpus:
            raise ConfigError(
                f"process {self.local_rank + 1} of this machine has no GPU: torch sees {num_gpus}; start as many "
                "processes as there are GPUs (--nproc-per-node), or give --device cpu"
            )
        return f"cuda:{self.local_rank}"

    # -- what is whose -------------------------------------------------------------------------------------------------

    def share(self, weights: Sequence[int]) -> range:
        """Which of some items, each of so much work, are this rank's own: a run of neighbours.

        All ranks together have each item once. Of items of equal weight nobody has two more than another.
        """
        total = sum(weights)
        if self.size == 1 or not total:
            return range(len(weights) if self.is_first else 0)
        middles = [2 * end - weight for end, weight in zip(accumulate(weights), weights, strict=True)]
        owners = [min(middle * self.size // (2 * total), self.size - 1) for middle in middles]
        return range(bisect_left(owners, self.rank), bisect_left(owners, self.rank + 1))

    # -- what is handed around -----------------------------------------------------------------------------------------

    def gather(self, own: T) -> list[T]:
        """What every rank brings, in their order.

        Raises: `RankLostError`.
        """
        if self.size == 1:
            return [own]
        found: list[T | None] = [None] * self.size
        with _company():
            distributed.all_gather_object(found, own)
        return cast("list[T]", found)

    def together(self, work: Callable[[], T]) -> list[T]:
        """What comes of every rank's work, in their order.

        Raises: `RankLostError`; the typed error of the first rank whose work met one, on all.
        """
        if self.size == 1:
            return [work()]
        return [_result(outcome) for outcome in self.gather(_outcome(work))]

    def first(self, work: Callable[[], T]) -> T:
        """What comes of work that the first rank does for all, such as writing a file.

        Raises: `RankLostError`; its typed error, on all.
        """
        if self.size == 1:
            return work()
        told: list[T | _Failed | None] = [_outcome(work) if self.is_first else None]
        with _company():
            distributed.broadcast_object_list(told, src=0)
        return _result(cast("T | _Failed", told[0]))

    def merge(self, found: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
        """The tensors that each rank has found, by number, on the CPU. Shapes: (L, ...), L of each its own."""
        if self.size == 1:
            return found
        own = torch.cat(list(found.values())).cpu() if found else torch.zeros(0)  # one tensor is pickled once
        merged: dict[int, Tensor] = {}
        for numbers, lengths, rows in self.gather((list(found), [len(one) for one in found.values()], own)):
            merged.update(zip(numbers, torch.split(rows, lengths) if lengths else (), strict=True))
        return merged

    def sum_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Lets every rank hold the sum of all ranks' gradients; one that has none yet counts as zeros."""
        if self.size == 1:
            return
        for bucket in _buckets(parameters):
            gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            with _company():
                distributed.all_reduce(flat)
            totals = torch.split(flat, [one.numel() for one in bucket])
            for one, gradient, total in zip(bucket, gradients, totals, strict=True):
                one.grad = gradient.copy_(total.view_as(gradient))

    def require_alike(self, own: Mapping[str, object]) -> None:
        """Raises: `OutOfStepError`, on all, if anything that is named differs from rank to rank."""
        first, *others = self.gather(own)
        for rank, other in enumerate(others, start=1):
            for name in sorted(first.keys() | other.keys()):
                if first.get(name) != other.get(name):
                    raise OutOfStepError(
                        f"{name} is {other.get(name)!r} in process {rank} and {first.get(name)!r} in process 0; "
                        "processes that train together need the same settings, packages, model and kind of processor. "
                        "See that they have them, then go on from the newest checkpoint"
                    )


ALONE = Ranks()


def num_ranks() -> int:
    """How many processes a launcher has started, this one among them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def joined(device: str) -> Ranks:
    """This process among those that a launcher has started with it; alone if it was started by itself.

    The first call meets the others; so all of them must make it.

    Raises: `ConfigError` where a launcher has told half, or for a device that this machine lacks; `RankLostError`.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if distributed.is_available() and distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size(), local_rank)
    if num_ranks() == 1:
        return ALONE
    missing = [name for name in _TOLD if name not in os.environ]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {num_ranks()}, so there are several processes, but {', '.join(missing)} is "
            "not set; start them by torchrun or accelerate launch, or unset WORLD_SIZE"
        )
    ranks = Ranks(int(os.environ["RANK"]), num_ranks(), local_rank)
    own = ranks.device(device)
    on_gpu = own.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(own)
    with _company():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    atexit.register(_part)
    return ranks


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _outcome(work: Callable[[], T]) -> T | _Failed:
    try:
        return work()
    except MarftError as error:
        return _Failed(error)


def _result(outcome: T | _Failed) -> T:
    if isinstance(outcome, _Failed):
        raise outcome.error
    return outcome


@contextmanager
def _company() -> Iterator[None]:
    """Raises: `RankLostError` for whatever torch says when another process is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RankLostError(
            f"another process of this run is gone, or has said nothing for {PATIENCE}: {str(error).splitlines()[0]}. "
            "Its own message says why; go on from the newest checkpoint, with as many processes as you like"
        ) from error


def _buckets(parameters: Iterable[Parameter]) -> Iterator[list[Parameter]]:
    """Parameters in groups of about so many numbers as are sent at once."""
    bucket: list[Parameter] = []
    for parameter in parameters:
        bucket.append(parameter)
        if sum(one.numel() for one in bucket) >= _BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
