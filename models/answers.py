"""A network and pixels in, what it says of them and how they look out."""

from collections.abc import Callable

import torch
from torch import nn

from models.texture import describe

Prepare = Callable[[torch.Tensor], torch.Tensor]
"""Makes of pixels what a network wants to see, see `Normalisation`."""


def logits_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Let a network say what pictures show: N x number of classes, float32.

    Args:
        network: In evaluation mode.
        prepare: Called first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    answers: torch.Tensor = network(prepare(pixels))
    return answers.float()


def logits_and_features(
    network: nn.Module, prepare: Prepare, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let a network say what pictures show, and describe how they look.

    Args:
        network: In evaluation mode.
        prepare: Called first.
        pixels: N x 3 x H x W, RGB, uint8.

    Returns:
        Logits, N x number of classes, and features, N x D, which the distance to everything seen
        in training starts from; both float32.
    """
    return logits_of(network, prepare, pixels), describe(pixels)
