"""Collective operations of the processes that torchrun started, and how they end together."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from utils.common.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, ModelError, ProjectError
from utils.training.processes.rendezvous import fresh_store
from utils.training.processes.world import AnyRank, Value, World

CPU = torch.device("cpu")
LOST = ("closed by peer", "reset by peer", "Broken pipe", "Connection refused", "Timed out waiting")
"""Words of the errors of PyTorch's backends when another process is gone."""


class LaggingAnyRank(AnyRank):
    """Returns the result of the call before, so that no rank waits for another."""

    def __init__(self) -> None:
        self._pending: tuple[torch.Tensor, Any] | None = None

    def wants(self, own: bool) -> bool:
        """Return whether any rank wanted it at the call before this one."""
        flag = torch.tensor([own], dtype=torch.uint8)
        before = self._pending
        self._pending = flag, dist.all_reduce(flag, dist.ReduceOp.MAX, async_op=True)
        if before is None:
            return False
        result, work = before
        work.wait()
        return bool(result)


class Group(World):
    """Processes that torchrun started, on one computer or several."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """Make a value on rank 0 and return it on all ranks.

        If making it fails, rank 0 raises, and the others end silently with the same exit code.
        """
        failure: BaseException | None = None
        box: list[Any] = [None, None]
        if self.is_first:
            try:
                box[0] = make()
            except (ProjectError, SystemExit, KeyboardInterrupt) as error:
                failure, box[1] = error, _exit_code(error)
        dist.broadcast_object_list(box, 0, device=CPU)
        if failure is not None:
            raise failure
        if box[1] is not None:
            raise SystemExit(box[1])
        made: Value = box[0]
        return made

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all ranks, by rank, on rank 0; an empty list on the others."""
        found: list[Any] = [None] * self.size
        dist.gather_object(value, found if self.is_first else None, 0)
        return found if self.is_first else []

    def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all ranks, without waiting for the device."""
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def all_reduce_max(self, number: int) -> int:
        """Return the largest number of any rank."""
        found = torch.tensor([number])
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def any_rank(self) -> AnyRank:
        """Return what tells at each step whether any rank wants something."""
        return LaggingAnyRank()

    def broadcast_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite tensors with those of rank 0."""
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)

    def replicate(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over all ranks.

        Batch norm's running statistics stay each rank's own: only those of rank 0 are ever used.
        """
        replica = DistributedDataParallel(network, gradient_as_bucket_view=True)
        replica.broadcast_buffers = False  # the argument has another name in each version
        return replica

    def no_sync(self, network: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Return the context in which a replica accumulates gradients without exchanging them."""
        assert isinstance(network, DistributedDataParallel)
        return network.no_sync()

    def with_sync_batch_norm(self, network: nn.Module) -> nn.Module:
        """Return a network with synchronised batch norm, over the batch of all ranks (CUDA)."""
        synchronised: nn.Module = convert_sync_batchnorm(network)
        return synchronised


@contextlib.contextmanager
def process_group(timeout: timedelta | None = None) -> Iterator[Group]:
    """Join the process group of torchrun's processes, and leave it at the end.

    Args:
        timeout: How long one process waits for another; PyTorch's default when left out.

    Raises:
        ModelError: If another process ended prematurely.
    """
    try:
        store, rank, size = next(iter(dist.rendezvous("env://")))
        store = fresh_store(store, rank, size)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=timeout, store=store, rank=rank, world_size=size)
        yield Group()
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise ModelError(
            "Another process ended prematurely",
            todo="Look at its messages; the same command with --resume continues the run",
        ) from error
    dist.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(words in str(error) for words in LOST)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_USER_ERROR
