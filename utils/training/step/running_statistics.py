"""Read and write batch norm's running statistics as a few flat tensors."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from utils.common.errors import SettingsError

SUFFIXES = ("running_mean", "running_var", "num_batches_tracked")


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether a network has batch norm."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def check_batches(network: nn.Module, model: str, pictures_per_step: int, num_train: int) -> None:
    """Refuse batches of one picture where batch norm has to learn from them.

    Args:
        network: The network to train.
        model: Name of the model.
        pictures_per_step: Pictures per optimizer step, over all ranks and accumulated batches.
        num_train: Number of training pictures.

    Raises:
        SettingsError: If there would be such a batch.
    """
    if min(pictures_per_step, num_train) > 1 or not has_batch_norm(network):
        return
    if pictures_per_step > 1:
        raise SettingsError(
            f"{model} has batch norm, which cannot learn from a single training picture",
            expected="at least 2 training pictures",
            todo="Make a larger data set, or choose another --model",
        )
    raise SettingsError(
        f"{model} has batch norm, which cannot learn from one picture at a time",
        expected="--batch-size 2 or more",
        todo="With --batch-size 1, choose a --model without batch norm, such as vit",
    )


class RunningStatistics:
    """Reads and writes batch norm's running statistics in a few calls to the device.

    Args:
        network: On its device.

    Attributes:
        names: Names of the buffers in each of the flat tensors.
    """

    def __init__(self, network: nn.Module) -> None:
        by_dtype = defaultdict(list)
        names = defaultdict(list)
        for name, buffer in network.named_buffers():
            if name.endswith(SUFFIXES):
                by_dtype[buffer.dtype].append(buffer)
                names[buffer.dtype].append(name)
        self._groups = list(by_dtype.values())
        self.names = list(names.values())

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._groups)

    def read(self) -> list[torch.Tensor]:
        """Return a copy, one flat tensor for each dtype."""
        return [torch.cat([buffer.reshape(-1) for buffer in group]) for group in self._groups]

    def write(self, values: Sequence[torch.Tensor]) -> None:
        """Write back a result of `read`."""
        for group, flat in zip(self._groups, values, strict=True):
            parts = flat.split([buffer.numel() for buffer in group])
            shaped = [part.view_as(buffer) for buffer, part in zip(group, parts, strict=True)]
            torch._foreach_copy_(group, shaped)

    def keep_if(self, good: torch.Tensor, before: Sequence[torch.Tensor]) -> None:
        """Write back the values of `before` unless `good`, a scalar bool on the device, is true."""
        self.write(
            [
                torch.where(good, now, old)
                for now, old in zip(self.read(), before, strict=True)
            ]
        )  # fmt: skip
