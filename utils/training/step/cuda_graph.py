"""Capture a training step as a CUDA graph and replay it.

A step is hundreds to thousands of kernels, and a CPU takes 5 to 40 us to launch each; a fast GPU
waits for it. A CUDA graph launches all of them at once: the same kernels in the same order.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from utils.common.cli.console import warn
from utils.training.data.batches import Batch

NUM_EAGER = 2
"""Eager steps with each shape of batch before one is captured: in them libraries choose their
kernels, and the optimizer creates its state."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a step, on the device.

    Attributes:
        logits: N x classes.
        loss_sum: Weighted sum of the losses of the batch over all ranks, scalar.
        weight_sum: Sum of the class weights of the same pictures, scalar.
        good: Whether the step was taken, scalar bool.
    """

    logits: torch.Tensor
    loss_sum: torch.Tensor
    weight_sum: torch.Tensor
    good: torch.Tensor


class Recorder:
    """Captures training steps on a CUDA device and replays them.

    Args:
        optimizer: The optimizer that takes the steps; its rates are tensors on the device.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._seen: Counter[torch.Size] = Counter()
        self._recordings: dict[torch.Size, Recording] = {}
        self._is_able = True

    def replay(self, batch: Batch, run_step: Callable[[Batch], Outcome]) -> Outcome | None:
        """Replay a captured step; None where the caller has to take the step itself.

        Args:
            batch: On the device.
            run_step: Takes one step without asking the device for anything; its randomness comes
                from the default generator, which is seeded before.

        Returns:
            The same tensors at each call, filled anew.
        """
        shape = batch.pixels.shape
        if shape not in self._recordings and not self._record(batch, run_step):
            self.forget()  # an eager step needs the memory that recordings hold
            self._seen[shape] += 1
            return None
        return self._recordings[shape].replay(batch)

    def start_anew(self) -> bool:
        """Forget all, before micro-batches of another size, which libraries have not seen either.

        Returns:
            Whether memory was freed.
        """
        self._seen.clear()
        return self.forget()

    def forget(self) -> bool:
        """Free the memory that recordings hold; return whether there were any."""
        had_some = bool(self._recordings)
        self._recordings.clear()
        if had_some:
            self._optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
        return had_some

    def _record(self, batch: Batch, run_step: Callable[[Batch], Outcome]) -> bool:
        shape = batch.pixels.shape
        if not self._is_able or self._seen[shape] < NUM_EAGER:
            return False
        self._optimizer.zero_grad(set_to_none=True)
        self._allow(True)
        try:
            others = next(iter(self._recordings.values()), None)
            self._recordings[shape] = Recording(run_step, batch, others)
        except RuntimeError as error:
            self._is_able = False
            why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            warn(f"steps cannot be captured as CUDA graphs here ({why}): training is slower.")
        finally:
            self._allow(False)
        return self._is_able

    def _allow(self, is_capturing: bool) -> None:
        """Tell the optimizer whether it is being captured; it complains where that is wrong."""
        for group in self._optimizer.param_groups:
            group["capturable"] = is_capturing


class Recording:
    """A step with one shape of batch as a CUDA graph.

    Args:
        run_step: Takes one step.
        batch: On the device; its content does not matter.
        others: A recording for another shape, with which this one shares its memory; the two never
            run at once.
    """

    def __init__(
        self, run_step: Callable[[Batch], Outcome], batch: Batch, others: "Recording | None"
    ) -> None:
        self._batch = batch.map(torch.clone)
        self._graph = torch.cuda.CUDAGraph()
        pool: Any = others._graph.pool() if others else None
        capture = torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local")
        # A capture that fails leaves its own stream as the current one.
        with torch.cuda.stream(torch.cuda.current_stream()), capture:
            self._outcome = run_step(self._batch)

    def replay(self, batch: Batch) -> Outcome:
        """Take the step with a batch."""
        for own, given in zip(self._batch.tensors(), batch.tensors(), strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._outcome
