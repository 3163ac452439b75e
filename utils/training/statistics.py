"""A network in, batch norm's running statistics out as a few flat tensors, and back."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import nn

SUFFIXES = ("running_mean", "running_var", "num_batches_tracked")


class RunningStatistics:
    """Reads and writes what a forward pass changes in a network, in a few calls to the device.

    Args:
        network: On its device.
    """

    def __init__(self, network: nn.Module) -> None:
        by_dtype = defaultdict(list)
        for name, buffer in network.named_buffers():
            if name.endswith(SUFFIXES):
                by_dtype[buffer.dtype].append(buffer)
        self._groups = list(by_dtype.values())

    def __bool__(self) -> bool:
        """Return whether there is batch norm at all."""
        return bool(self._groups)

    def read(self) -> list[torch.Tensor]:
        """Return a copy, one flat tensor for each dtype."""
        return [torch.cat([buffer.reshape(-1) for buffer in group]) for group in self._groups]

    def write(self, values: Sequence[torch.Tensor]) -> None:
        """Put back what `read` gave."""
        for group, flat in zip(self._groups, values, strict=True):
            parts = flat.split([buffer.numel() for buffer in group])
            shaped = [part.view_as(buffer) for buffer, part in zip(group, parts, strict=True)]
            torch._foreach_copy_(group, shaped)

    def keep_if(self, good: torch.Tensor, before: Sequence[torch.Tensor]) -> None:
        """Go back to what was read before unless `good`, a scalar bool on the device, is true."""
        self.write(
            [
                torch.where(good, now, old)
                for now, old in zip(self.read(), before, strict=True)
            ]
        )  # fmt: skip
