"""A network and pixels in, what it says of them and how they look out."""

from collections.abc import Callable

import torch
from torch import nn

from models.texture import describe


def logits_and_features(
    network: nn.Module, prepare: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let a network say what pictures show, and describe how they look.

    Args:
        network: In evaluation mode.
        prepare: Makes of pixels what the network wants to see, see `Normalisation`.
        pixels: N x 3 x H x W, RGB, uint8.

    Returns:
        Logits, N x number of classes, and features, N x D, which the distance to everything seen
        in training starts from; both float32.
    """
    return network(prepare(pixels)).float(), describe(pixels)
