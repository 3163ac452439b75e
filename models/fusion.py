"""A network in, one that answers the same with its batch norms folded into its convolutions out."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from models.device import FLOAT32, Compute

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
"""Which convolve with the very weights that they hold; others standardise or mix them first."""

MAX_DIFFERENCE = 1e-3
"""Between answers, as a share of the largest: rounding is far below, a wrong fold far above."""


@dataclass(slots=True)
class _Use:
    """What became of the output of a convolution in one forward pass.

    Attributes:
        convolution: Which gave it.
        norm: The batch norm that took it, if one did.
        count: How many operations took it.
    """

    convolution: nn.Module
    norm: nn.Module | None = None
    count: int = 0


class _Watch(TorchDispatchMode):
    """Notes which operations take the outputs of convolutions while a network computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # of torch
        self.uses: list[_Use] = []
        self.calls: dict[nn.Module, int] = {}
        # An output dies as early as ever: large inputs must not cost more memory than usual.
        self._by_output = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Count what goes in, then compute."""
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, torch.Tensor) and value in self._by_output:
                self._by_output[value].count += 1
        return function(*args, **(kwargs or {}))

    def note_output(self, module: nn.Module, _: Any, output: torch.Tensor) -> None:
        """Be told by a convolution what it gives."""
        self.calls[module] = self.calls.get(module, 0) + 1
        self._by_output[output] = use = _Use(module)
        self.uses.append(use)

    def note_input(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Be told by a batch norm what it takes."""
        self.calls[module] = self.calls.get(module, 0) + 1
        if inputs[0] in self._by_output:
            self._by_output[inputs[0]].norm = module

    def pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return each convolution whose output goes into one batch norm and nowhere else."""
        return [
            (use.convolution, use.norm)
            for use in self.uses
            if use.norm is not None
            and use.count == self.calls[use.convolution] == self.calls[use.norm] == 1
        ]


def fused(network: nn.Module, compute: Compute, height: int, width: int) -> nn.Module:
    """Return a network that gives the same answers but for rounding, sooner.

    In evaluation a batch norm scales and shifts by fixed numbers, which the weights of the
    convolution before it can do. What cannot be folded stays as it is. The network itself is not
    changed; the other one shares all weights with it that are not folded.

    Only in float32 on a CPU, where memory that is read once more is what batch norm costs. In 16
    bit the folded weights would be rounded otherwise.

    Args:
        network: In evaluation mode, on the device. Its forward pass must not depend on pixels.
        compute: Device and precision.
        height: Of its input, in pixels.
        width: Of its input, in pixels.
    """
    norms = [module for module in network.modules() if _is_plain_norm(module)]
    if compute.device.type != "cpu" or compute.precision != FLOAT32 or not norms:
        return network
    # Light to dark in all directions: batch norm would not show on an even picture.
    picture = torch.linspace(-2, 2, 3 * height * width).view(1, 3, height, width)
    with torch.no_grad():
        pairs, expected = _look(network, picture)
        if not pairs:
            return network
        other = _folded(network, pairs)
        difference = (other(picture) - expected).abs().max()
    return other if difference <= MAX_DIFFERENCE * expected.abs().max() else network


def _is_plain_norm(module: nn.Module) -> bool:
    return (
        type(module) in (nn.BatchNorm2d, BatchNormAct2d)
        and not module.training
        and module.running_mean is not None
    )


def _look(
    network: nn.Module, picture: torch.Tensor
) -> tuple[list[tuple[nn.Module, nn.Module]], torch.Tensor]:
    """Return what can be folded, and what the network says of a picture."""
    watch = _Watch()
    hooks = []
    for module in network.modules():
        if type(module) in CONVOLUTIONS:
            hooks.append(module.register_forward_hook(watch.note_output))
        elif _is_plain_norm(module):
            hooks.append(module.register_forward_pre_hook(watch.note_input))
    try:
        with watch:
            answers: torch.Tensor = network(picture)
    finally:
        for hook in hooks:
            hook.remove()
    return watch.pairs(), answers


def _folded(network: nn.Module, pairs: list[tuple[nn.Module, nn.Module]]) -> nn.Module:
    """Return a copy in which these convolutions do the work of the batch norms behind them."""
    memo: dict[int, Any] = {id(one): one for one in (*network.parameters(), *network.buffers())}
    other = copy.deepcopy(network, memo)
    rests = {}
    for first, second in pairs:
        convolution, norm = memo[id(first)], memo[id(second)]
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        is_alone = type(norm) is nn.BatchNorm2d
        rests[norm] = nn.Identity() if is_alone else nn.Sequential(norm.drop, norm.act)
    for parent in list(other.modules()):
        for name, child in list(parent.named_children()):
            if child in rests:
                parent.add_module(name, rests[child])
    return other.eval()
