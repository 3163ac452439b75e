"""A network and normalised pixels in, what it says of them and how they look out."""

import torch
from torch import nn

from models.texture import describe


def logits_and_features(
    network: nn.Module, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let a network say what pictures show, and describe how they look.

    Args:
        network: In evaluation mode.
        pixels: N x 3 x H x W, normalised.

    Returns:
        Logits, N x number of classes, and features, N x D, which the distance to everything seen
        in training starts from; both float32.
    """
    return network(pixels).float(), describe(pixels)
