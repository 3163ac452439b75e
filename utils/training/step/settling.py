"""Settle batch norm's running statistics after a change of the input's size.

They move by a tenth per step, so the values of the old size would linger for dozens of steps, and
the last stage may have fewer. The mean over all steps since the change forgets them in one step;
once it would move by less than the layers' usual tenth, that is used again.
"""

from collections.abc import Sequence

import torch
from torch import nn

from utils.training.step.running_statistics import RunningStatistics

NUM_COPIED = 10
"""Steps after a change for which the average of the weights copies the network's own statistics,
since these are a mean over all the steps already."""


class Settling:
    """Sets how much each step counts in batch norm's running statistics.

    Args:
        network: The network that is trained, on its device.

    Attributes:
        since_change: Steps at the current size before the step at hand; None if the size never
            changed.
        share: Least weight of the step at hand, a scalar on the device: a captured CUDA graph reads
            it there.
    """

    def __init__(self, network: nn.Module) -> None:
        self._statistics = RunningStatistics(network)
        self._momenta = [
            torch.cat([torch.full((count,), momentum) for count, momentum in group]).to(device)
            for group, device in _momenta(network, self._statistics)
        ]
        device = next(network.parameters()).device
        self.since_change: int | None = None
        self.share = torch.zeros((), device=device)

    def start_step(self, since_change: int | None) -> None:
        """Begin a step.

        Args:
            since_change: Steps at this size before it; None if the size never changed.
        """
        self.since_change = since_change
        self.share.fill_(least_share(since_change))

    def settle(self, before: Sequence[torch.Tensor], updates: int) -> None:
        """Weigh what the forward passes of a step have added to the running statistics.

        Args:
            before: Result of `RunningStatistics.read` before the step.
            updates: Forward passes of the step.
        """
        settled = []
        pairs = zip(before, self._statistics.read(), self._momenta, strict=True)
        for old, new, momentum in pairs:
            if not new.is_floating_point():  # counts of batches
                settled.append(new)
                continue
            weight = 1 - (1 - momentum) ** updates
            settled.append(old + torch.maximum(weight, self.share) / weight * (new - old))
        self._statistics.write(settled)


def settle_average(
    average: RunningStatistics,
    before: Sequence[torch.Tensor],
    network: RunningStatistics,
    decay: float,
    since: int | None,
) -> None:
    """Settle the running statistics of the weights' average in the same way.

    Args:
        average: Statistics of the average, after its own update; overwritten.
        before: Their values before that update.
        network: Statistics of the network that is averaged.
        decay: Decay of the average at this step.
        since: Steps at this size before this one; None if the size never changed.
    """
    is_copied = since is not None and since < NUM_COPIED
    share = 1.0 if is_copied else max(1 - decay, least_share(since))
    average.write(
        [
            torch.lerp(old, new, share) if new.is_floating_point() else new
            for old, new in zip(before, network.read(), strict=True)
        ]
    )


def least_share(since: int | None) -> float:
    """Return a step's weight in the mean over all steps since a change; 0 without a change.

    >>> [round(least_share(since), 2) for since in (None, 0, 1, 2)]
    [0.0, 1.0, 0.5, 0.33]
    """
    return 0.0 if since is None else 1 / (since + 1)


def _momenta(
    network: nn.Module, statistics: RunningStatistics
) -> list[tuple[list[tuple[int, float]], torch.device]]:
    """Return (count, momentum) of every buffer, by group of statistics, and the group's device."""
    modules = dict(network.named_modules())
    groups = []
    for names in statistics.names:
        buffers = [(name, network.get_buffer(name)) for name in names]
        pairs = [
            # A layer without a momentum takes the mean over all steps; it is left alone.
            (
                buffer.numel(),
                float(getattr(modules[name.rpartition(".")[0]], "momentum", None) or 1.0),
            )
            for name, buffer in buffers
        ]
        groups.append((pairs, buffers[0][1].device))
    return groups
