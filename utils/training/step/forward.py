"""Run a function over many batches without gradients, in micro-batches where memory is short."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch

from utils.common.cli.console import progress
from utils.training.data.batches import Batch
from utils.training.data.prefetch import prefetched
from utils.training.processes.stopping import StopRequest
from utils.training.step.micro_batches import MicroBatches

Outputs = tuple[torch.Tensor, ...]
Forward = Callable[[torch.Tensor], Outputs]
"""Computes some tensors, N x ... each, from the pixels or features of N pictures."""


def noting_targets(batches: Iterable[Batch | None], seen: list[Outputs]) -> Iterator[Batch | None]:
    """Yield the batches, and append the targets of each to `seen`.

    A view of a picture that was degraded anew has targets of its own.
    """
    for batch in batches:
        if batch is not None:
            assert batch.targets is not None  # a loader knows them
            seen.append((batch.targets,))
        yield batch


def forward_batches(
    batches: Iterable[Batch | None],
    forward: Forward,
    title: str,
    num_pictures: int,
    micro_batches: MicroBatches,
    stop: StopRequest,
    seen: Callable[[int], None] = lambda _: None,
) -> list[Outputs]:
    """Return the outputs for this rank's batches, on the device, one entry per micro-batch.

    Args:
        batches: This rank's share; None where other ranks have a batch more.
        forward: Applied to each micro-batch in inference mode.
        title: Title of the progress bar.
        num_pictures: Pictures of all ranks.
        micro_batches: How batches are split.
        stop: Looked at after each batch.
        seen: Told after each batch how many pictures it had on all ranks.

    Raises:
        ModelError: If memory does not suffice for the smallest micro-batches.
        Stopped: If `stop` was set on any rank.
    """

    def in_micro_batches(pixels: torch.Tensor) -> list[Outputs]:
        return [forward(part) for part in pixels.tensor_split(micro_batches.count(len(pixels)))]

    outputs: list[Outputs] = []
    bar = progress(total=num_pictures, desc=title, unit="pictures")
    with torch.inference_mode(), bar:
        for batch in prefetched(batches, micro_batches.device):
            if batch is not None:
                size = len(batch.labels)
                outputs += micro_batches.retry(size, partial(in_micro_batches, batch.pixels))
                bar.update(size * micro_batches.world.size)
                seen(size * micro_batches.world.size)
            stop.check()
    micro_batches.agree()
    return outputs
