"""Fold batch norms into the convolutions before them, for faster inference."""

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

from models.convolution import SmallMapConv2d
from models.device import FLOAT32, Compute
from models.inference import outputs_and_activations

CONVOLUTIONS = (nn.Conv2d, Conv2dSame, SmallMapConv2d)
"""Convolutions that use their weights as they are; others standardise or mix them first."""

MAX_DIFFERENCE = 1e-3
"""Largest difference of outputs, of features of the first map and of embeddings, relative to the
largest of each: rounding is far below it, a wrong fold far above."""


@dataclass(slots=True)
class _Use:
    """The use of a convolution's output in one forward pass.

    Attributes:
        convolution: The convolution.
        norm: The batch norm that took the output, if one did.
        count: Number of operations that took the output.
    """

    convolution: nn.Module
    norm: nn.Module | None = None
    count: int = 0


class _Watch(TorchDispatchMode):
    """Records which operations take the outputs of convolutions in a forward pass."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # of torch
        self.uses: list[_Use] = []
        self.calls: dict[nn.Module, int] = {}
        # Weak, so that outputs are freed as early as usual and large inputs take no more memory.
        self._by_output = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Count the inputs that are outputs of convolutions, then compute."""
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, torch.Tensor) and value in self._by_output:
                self._by_output[value].count += 1
        return function(*args, **(kwargs or {}))

    def note_output(self, module: nn.Module, _: Any, output: torch.Tensor) -> None:
        """Record the output of a convolution; a forward hook."""
        self.calls[module] = self.calls.get(module, 0) + 1
        self._by_output[output] = use = _Use(module)
        self.uses.append(use)

    def note_input(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Record the input of a batch norm; a forward pre-hook."""
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
    """Return a faster network with the same outputs and first feature map but for rounding.

    In evaluation a batch norm scales and shifts by fixed numbers, which the weights of the
    convolution before it can take over. Others stay as they are. The network itself is not changed;
    the result shares all weights with it that are not folded.

    Only in float32 on a CPU, where batch norm costs another pass through memory. In 16 bits the
    folded weights would be rounded differently.

    Args:
        network: In evaluation mode, on the device. The operations of its forward pass must not
            depend on the pixels.
        compute: Device and precision.
        height: Height of the input, in pixels.
        width: Width of the input, in pixels.
    """
    norms = [module for module in network.modules() if _is_plain_norm(module)]
    if compute.device.type != "cpu" or compute.precision != FLOAT32 or not norms:
        return network
    # Light to dark in all directions: an even picture would not show a wrong batch norm.
    picture = torch.linspace(-2, 2, 3 * height * width).view(1, 3, height, width)
    with torch.no_grad():
        pairs = _foldable(network, picture)
        if not pairs:
            return network
        other = _folded(network, pairs)
        expected, found = (outputs_and_activations(one, picture) for one in (network, other))
        is_same = all(
            (new - old).abs().max() <= MAX_DIFFERENCE * old.abs().max()
            for old, new in zip(expected, found, strict=True)
            if old.numel()
        )
    return other if is_same else network


def _is_plain_norm(module: nn.Module) -> bool:
    return (
        type(module) in (nn.BatchNorm2d, BatchNormAct2d)
        and not module.training
        and module.running_mean is not None
    )


def _foldable(network: nn.Module, picture: torch.Tensor) -> list[tuple[nn.Module, nn.Module]]:
    """Return the pairs that can be folded, as one pass over a picture tells."""
    watch = _Watch()
    hooks = []
    for module in network.modules():
        if type(module) in CONVOLUTIONS:
            hooks.append(module.register_forward_hook(watch.note_output))
        elif _is_plain_norm(module):
            hooks.append(module.register_forward_pre_hook(watch.note_input))
    try:
        with watch:
            network(picture)
    finally:
        for hook in hooks:
            hook.remove()
    return watch.pairs()


def _folded(network: nn.Module, pairs: list[tuple[nn.Module, nn.Module]]) -> nn.Module:
    """Return a copy in which these convolutions take over the batch norms after them."""
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
