"""The processes that torchrun started: how they exchange values and end together."""

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
from utils.training.processes.rendezvous import fresh_part
from utils.training.processes.world import AnyRank, Value, World

CPU = torch.device("cpu")
LOST = ("closed by peer", "reset by peer", "Broken pipe", "Connection refused", "Timed out waiting")
"""What PyTorch's backends say where another process is gone."""


class LaggingAnyRank(AnyRank):
    """Answers what was asked one step before, so that no process waits for another."""

    def __init__(self) -> None:
        self._asked: tuple[torch.Tensor, Any] | None = None

    def wishes(self, wish: bool) -> bool:
        """Return whether any process wished so at the call before this one."""
        wished = torch.tensor([wish], dtype=torch.uint8)
        before = self._asked
        self._asked = wished, dist.all_reduce(wished, dist.ReduceOp.MAX, async_op=True)
        if before is None:
            return False
        answer, work = before
        work.wait()
        return bool(answer)


class Group(World):
    """Processes that torchrun started, on one computer or several."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """Let the first process make a value, and give it to all.

        If it fails there, it raises there, and the others end with the same exit code in silence.
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
        """Return the values of all processes, by rank, to the first; to the others nothing."""
        found: list[Any] = [None] * self.size
        dist.gather_object(value, found if self.is_first else None, 0)
        return found if self.is_first else []

    def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes, without waiting for the device."""
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def all_reduce_max(self, number: int) -> int:
        """Return the largest number that any process has."""
        found = torch.tensor([number])
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def any_rank(self) -> AnyRank:
        """Return what all processes ask at each step."""
        return LaggingAnyRank()

    def broadcast_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give all processes what the first one's tensors hold."""
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)

    def replicate(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are the mean over all processes.

        Batch norm's statistics stay each process's own: only the first one's are ever used.
        """
        replica = DistributedDataParallel(network, gradient_as_bucket_view=True)
        replica.broadcast_buffers = False  # the argument has another name in each version
        return replica

    def no_sync(self, network: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Let the gradients of what `replicate` gave add up on each process by itself."""
        assert isinstance(network, DistributedDataParallel)
        return network.no_sync()

    def with_sync_batch_norm(self, network: nn.Module) -> nn.Module:
        """Return a network whose batch norm sees the pictures of all processes (CUDA only)."""
        common: nn.Module = convert_sync_batchnorm(network)
        return common


@contextlib.contextmanager
def meet(patience: timedelta | None = None) -> Iterator[Group]:
    """Join the other processes.

    Args:
        patience: How long one waits for another; PyTorch's own by default.

    Raises:
        ModelError: If one of them ended before its time.
    """
    try:
        store, rank, size = next(iter(dist.rendezvous("env://")))
        store = fresh_part(store, rank, size)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=patience, store=store, rank=rank, world_size=size)
        yield Group()
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise ModelError(
            "Another process ended before its time",
            todo="See what it said; the same command with --resume goes on",
        ) from error
    dist.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(words in str(error) for words in LOST)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_USER_ERROR
