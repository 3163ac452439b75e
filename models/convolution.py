"""A convolution whose weights learn faster on processors with AVX2 alone."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.grad import conv2d_input

MAX_SIDE = 14
"""Of the maps that it pays for, in pixels; a ResNet's last two stages have 14 and 7 at 224."""


class _SwappedGradient(torch.autograd.Function):
    """A convolution with stride 1 whose gradient is computed by convolutions forwards.

    The gradient of the weights is itself a convolution, with batch and channels swapped: of the
    input by the gradient of the output. oneDNN's own kernel for it keeps a processor with AVX2 busy
    for up to five times as long where maps are small.
    """

    @staticmethod
    def forward(
        ctx: Any, input: torch.Tensor, weight: torch.Tensor, padding: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        ctx.padding = padding
        return F.conv2d(input, weight, padding=padding)

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        input, weight = ctx.saved_tensors
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = conv2d_input(input.shape, weight, gradient, padding=ctx.padding)
        if ctx.needs_input_grad[1]:
            swapped = input.transpose(0, 1), gradient.transpose(0, 1)
            of_weight = F.conv2d(*swapped, padding=ctx.padding).transpose(0, 1)
        return of_input, of_weight, None


class SmallMapConv2d(nn.Conv2d):
    """Convolution that learns faster from small maps, to the same weights but for rounding.

    Args:
        convolution: The convolution that it replaces, and whose weights it shares; see `is_dense`.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        kernel, padding = convolution.kernel_size, convolution.padding
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            kernel,  # type: ignore[arg-type] # which says nothing of its length
            padding=padding,  # type: ignore[arg-type]
            bias=False,
            device="meta",
        )
        self.weight = convolution.weight

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Convolve maps, N x C x H x W."""
        is_small = max(input.shape[-2:]) <= MAX_SIDE
        learns = torch.is_grad_enabled() and self.weight.requires_grad and self.bias is None
        if not (is_small and learns) or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        output: torch.Tensor = _SwappedGradient.apply(input, self.weight, self.padding)
        return output


def learn_fast_from_small_maps(network: nn.Module) -> None:
    """Replace a network's convolutions by ones that learn faster, where the processor gains by it.

    Others than those with AVX2 as their widest vectors have better kernels; nothing changes there.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and is_dense(child):
                setattr(parent, name, SmallMapConv2d(child))


def is_dense(convolution: nn.Conv2d) -> bool:
    """Return whether a convolution joins all channels, has stride 1 and looks at neighbours."""
    return (
        convolution.groups == 1
        and convolution.bias is None
        and convolution.padding_mode == "zeros"
        and isinstance(convolution.padding, tuple)
        and {*convolution.stride, *convolution.dilation} == {1}
        and max(convolution.kernel_size) > 1
    )
