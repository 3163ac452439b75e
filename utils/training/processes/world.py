"""What processes that train together ask of one another; a single process answers itself."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import nn

Value = TypeVar("Value")


class AnyRank:
    """Lets all processes act on the wish of any at the same step."""

    def wishes(self, wish: bool) -> bool:
        """Return whether any process wishes so; all must ask equally often."""
        return wish


class World:
    """All processes of a training: one, which need not ask any other.

    Attributes:
        rank: Of this process, from 0.
        size: Number of processes.
        local_rank: Of this process on this computer, from 0.
        local_size: Number of processes on this computer.
    """

    rank, size = 0, 1
    local_rank, local_size = 0, 1

    @property
    def is_first(self) -> bool:
        """Whether this process asks, prints and writes for all."""
        return self.rank == 0

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """Let the first process make a value, and give it to all; if it fails, all end."""
        return make()

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank, to the first; to the others nothing."""
        return [value]

    def all_reduce(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Return the sum over all processes."""
        return tensor

    def all_reduce_max(self, number: int) -> int:
        """Return the largest number that any process has."""
        return number

    def any_rank(self) -> AnyRank:
        """Return what all processes ask at each step."""
        return AnyRank()

    def broadcast_tensors(self, tensors: Iterable["torch.Tensor"]) -> None:
        """Give all processes what the first one's tensors hold."""

    def replicate(self, network: "nn.Module") -> "nn.Module":
        """Return a network whose gradients are the mean over all processes."""
        return network

    def no_sync(self, network: "nn.Module") -> contextlib.AbstractContextManager[None]:
        """Let the gradients of what `replicate` gave add up on each process by itself."""
        return contextlib.nullcontext()

    def with_sync_batch_norm(self, network: "nn.Module") -> "nn.Module":
        """Return a network whose batch norm sees the pictures of all processes (CUDA only)."""
        return network
