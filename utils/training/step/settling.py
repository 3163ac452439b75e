"""Settle batch norm's running statistics after a change of the input's size.

They move by a tenth with each step, so after a change of size the old ones would stay for dozens of
steps, and a last stage may have fewer. A mean over all steps since the change has none of them left
after the first; once it would move by less than the layers' own tenth, that is taken again.
"""

from collections.abc import Sequence

import torch
from torch import nn

from utils.training.step.running_statistics import RunningStatistics

NUM_COPIED = 10
"""Steps after a change in which the network's own statistics, a mean over all of them, are better
than an average of such means."""


class Settling:
    """Weighs what each step adds to running statistics.

    Args:
        network: On its device, in training.

    Attributes:
        share: Least weight of the step at hand, scalar, on the device: a recorded step reads it.
    """

    def __init__(self, network: nn.Module) -> None:
        self._statistics = RunningStatistics(network)
        self._momenta = [
            torch.cat([torch.full((count,), momentum) for count, momentum in group]).to(device)
            for group, device in _momenta(network, self._statistics)
        ]
        device = next(network.parameters()).device
        self.share = torch.zeros((), device=device)

    def start_step(self, since: int | None) -> None:
        """Settle the weight of a step.

        Args:
            since: Steps at this size before it; None where there was no other size.
        """
        self.share.fill_(least_share(since))

    def settle(self, before: Sequence[torch.Tensor], updates: int) -> None:
        """Let what a forward pass has just added count as much as the step's share says.

        Args:
            before: What `RunningStatistics.read` gave before the step.
            updates: Forward passes that the step had.
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
    """Let an average of a network forget the statistics of pictures of another size as well.

    Args:
        average: Of the average over the steps, after its own update.
        before: What it held before that.
        network: Of the network that is averaged.
        decay: Of the average at this step.
        since: Steps at this size before this one; None where there was no other size.
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
    """Return the weight of a step in the mean over all steps since a change; 0 without one.

    >>> [round(least_share(since), 2) for since in (None, 0, 1, 2)]
    [0.0, 1.0, 0.5, 0.33]
    """
    return 0.0 if since is None else 1 / (since + 1)


def _momenta(
    network: nn.Module, statistics: RunningStatistics
) -> list[tuple[list[tuple[int, float]], torch.device]]:
    """Return for each group of statistics (numbers, momentum) of every buffer, and its device."""
    modules = dict(network.named_modules())
    groups = []
    for names in statistics.names:
        buffers = [(name, network.get_buffer(name)) for name in names]
        pairs = [
            # Without a momentum a layer takes the mean over all steps; it is left alone.
            (
                buffer.numel(),
                float(getattr(modules[name.rpartition(".")[0]], "momentum", None) or 1.0),
            )
            for name, buffer in buffers
        ]
        groups.append((pairs, buffers[0][1].device))
    return groups
