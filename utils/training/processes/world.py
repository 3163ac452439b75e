"""Collective operations of processes that train together; trivial ones for a single process."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import nn

Value = TypeVar("Value")


class AnyRank:
    """Lets all ranks act at the same step on what any of them wants."""

    def wants(self, own: bool) -> bool:
        """Return whether any rank wants it; all ranks must call this equally often.

        Args:
            own: Whether this rank does.
        """
        return own


class World:
    """The processes of a training: here a single one.

    Attributes:
        rank: Rank of this process, from 0.
        size: Number of processes (world size).
        local_rank: Rank of this process among those on this computer, from 0.
        local_size: Number of processes on this computer.
    """

    rank, size = 0, 1
    local_rank, local_size = 0, 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which asks, prints and writes for all."""
        return self.rank == 0

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """Make a value on rank 0 and return it on all ranks; if making it fails, all end."""
        return make()

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all ranks, by rank, on rank 0; an empty list on the others."""
        return [value]

    def all_reduce(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Return the sum over all ranks."""
        return tensor

    def all_reduce_max(self, number: int) -> int:
        """Return the largest number of any rank."""
        return number

    def any_rank(self) -> AnyRank:
        """Return what tells at each step whether any rank wants something."""
        return AnyRank()

    def broadcast_tensors(self, tensors: Iterable["torch.Tensor"]) -> None:
        """Overwrite tensors with those of rank 0."""

    def replicate(self, network: "nn.Module") -> "nn.Module":
        """Return a network whose gradients are averaged over all ranks."""
        return network

    def no_sync(self, network: "nn.Module") -> contextlib.AbstractContextManager[None]:
        """Return the context in which a replica accumulates gradients without exchanging them."""
        return contextlib.nullcontext()

    def with_sync_batch_norm(self, network: "nn.Module") -> "nn.Module":
        """Return a network with synchronised batch norm, over the batch of all ranks (CUDA)."""
        return network
