"""Let layer norms answer in 16 bits under autocast."""

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm
from torch import nn

STANDARD = (nn.LayerNorm, LayerNorm)


def narrow_norms(network: nn.Module) -> None:
    """Spare a network the way from 16 to 32 bits and back around each of its layer norms.

    Autocast lets them answer in float32, which the next matrix product rounds to 16 bits; until
    then a Swin Transformer rolls and cuts what is twice as large. Sums are float32 all the same.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.LayerNorm) or type(child) not in STANDARD:
                continue
            if child.elementwise_affine and child.bias is not None:
                setattr(parent, name, NarrowLayerNorm(child))


class NarrowLayerNorm(nn.LayerNorm):
    """Layer norm that under autocast keeps the 16 bits of its input, and float32 as it is.

    Args:
        norm: Whose place and weights it takes.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__(norm.normalized_shape, eps=norm.eps, device="meta")
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise over the last dimensions."""
        kind = input.device.type
        if input.dtype == torch.float32 or not torch.is_autocast_enabled(kind):
            return super().forward(input)
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        with torch.autocast(kind, enabled=False):
            return F.layer_norm(input, self.normalized_shape, weight, bias, self.eps)
