"""Let layer norms return 16 bits under autocast."""

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm
from torch import nn

STANDARD = (nn.LayerNorm, LayerNorm)


def narrow_norms(network: nn.Module) -> None:
    """Replace a network's layer norms by ones that stay in 16 bits under autocast.

    Autocast makes them return float32, which the next matrix product rounds to 16 bits; until then
    a Swin Transformer shifts and splits tensors of twice the size. Their sums are float32 anyway.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.LayerNorm) or type(child) not in STANDARD:
                continue
            if child.elementwise_affine and child.bias is not None:
                setattr(parent, name, NarrowLayerNorm(child))


class NarrowLayerNorm(nn.LayerNorm):
    """Layer norm whose output, under autocast, has the dtype of its input.

    Args:
        norm: The layer norm that it replaces, and whose weights it shares.
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
