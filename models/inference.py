"""Run a network on a batch of pictures: logits, and features for out-of-distribution detection."""

from collections.abc import Callable

import torch
from torch import nn

from models.texture import describe

Prepare = Callable[[torch.Tensor], torch.Tensor]
"""Turns pixels, N x 3 x H x W, uint8, into the input of a network; see `Normalisation`."""


def logits_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Return the logits of pictures, N x number of classes, float32.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    logits: torch.Tensor = network(prepare(pixels))
    return logits.float()


def outputs_and_features(
    network: nn.Module, prepare: Prepare, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all outputs for pictures, and the features that tell out-of-distribution ones.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.

    Returns:
        Outputs in the columns of `models.outputs`, and texture features, N x D; both float32.
    """
    return logits_of(network, prepare, pixels), describe(pixels)


logits_and_features = outputs_and_features
