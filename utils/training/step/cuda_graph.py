"""Take a training step kernel by kernel, or replay it as one CUDA graph.

A step is hundreds to thousands of kernels, and a CPU takes 5 to 40 us to issue each; a fast GPU
waits for it. A CUDA graph issues all of them at once: the same kernels in the same order.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from utils.common.cli.console import warn
from utils.training.data.batches import Batch

NUM_BEFORE = 2
"""Steps of each shape of batch that are issued before one is recorded: libraries choose their
kernels, and the optimizer makes its state."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to, on the device.

    Attributes:
        logits: N x classes.
        loss_sum: Weighted sum over the batch of all processes, scalar.
        weight_sum: Of its pictures, scalar.
        good: Whether the step was taken, scalar bool.
    """

    logits: torch.Tensor
    loss_sum: torch.Tensor
    weight_sum: torch.Tensor
    good: torch.Tensor


class Recorder:
    """Replays a training step on a CUDA device.

    Args:
        optimizer: That takes the steps; its rates are tensors on the device.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._seen: Counter[torch.Size] = Counter()
        self._recordings: dict[torch.Size, Recording] = {}
        self._is_able = True

    def replay(self, batch: Batch, issue: Callable[[Batch], Outcome]) -> Outcome | None:
        """Take a step as it was recorded; None where it is still to be issued.

        Args:
            batch: On the device.
            issue: Takes one step without asking the device for anything; randomness comes from the
                default generator, which is seeded before.

        Returns:
            Tensors that are the same at each call, and filled anew.
        """
        shape = batch.pixels.shape
        if shape not in self._recordings and not self._record(batch, issue):
            self.forget()  # what is issued needs the memory that recordings hold
            self._seen[shape] += 1
            return None
        return self._recordings[shape].replay(batch)

    def forget(self) -> bool:
        """Free all that recordings hold; return whether there were any."""
        had_some = bool(self._recordings)
        self._recordings.clear()
        if had_some:
            self._optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
        return had_some

    def _record(self, batch: Batch, issue: Callable[[Batch], Outcome]) -> bool:
        shape = batch.pixels.shape
        if not self._is_able or self._seen[shape] < NUM_BEFORE:
            return False
        self._optimizer.zero_grad(set_to_none=True)
        self._allow(True)
        try:
            others = next(iter(self._recordings.values()), None)
            self._recordings[shape] = Recording(issue, batch, others)
        except RuntimeError as error:
            self._is_able = False
            why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            warn(f"steps cannot be recorded here ({why}): each kernel is issued by itself, slower.")
        finally:
            self._allow(False)
        return self._is_able

    def _allow(self, is_recording: bool) -> None:
        """Tell the optimizer whether it is being recorded; it complains where that is wrong."""
        for group in self._optimizer.param_groups:
            group["capturable"] = is_recording


class Recording:
    """A step of one shape of batch as a CUDA graph.

    Args:
        issue: Takes one step.
        batch: On the device; what it holds does not matter.
        others: Of another shape, whose memory this one uses, too; they never run at once.
    """

    def __init__(
        self, issue: Callable[[Batch], Outcome], batch: Batch, others: "Recording | None"
    ) -> None:
        self._batch = Batch(batch.pixels.clone(), batch.labels.clone())
        self._graph = torch.cuda.CUDAGraph()
        pool: Any = others._graph.pool() if others else None
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._outcome = issue(self._batch)

    def replay(self, batch: Batch) -> Outcome:
        """Take the step with these pictures."""
        for own, given in zip(self._batch.tensors(), batch.tensors(), strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._outcome
