"""Run a network on a batch of pictures: outputs, and features for out-of-distribution detection."""

from collections.abc import Callable

import torch
from torch import nn

from models.outputs import class_logits
from models.texture import describe

Prepare = Callable[[torch.Tensor], torch.Tensor]
"""Turns pixels, N x 3 x H x W, uint8, into the input of a network; see `Normalisation`."""


def outputs_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Return the outputs for pictures, float32, N x 5 or the columns of `models.outputs`.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    outputs: torch.Tensor = network(prepare(pixels))
    return outputs.float()


def logits_and_features(
    network: nn.Module, prepare: Prepare, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of pictures, and the features that tell out-of-distribution ones.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.

    Returns:
        Logits, N x number of classes, and texture features, N x D; both float32.
    """
    return class_logits(outputs_of(network, prepare, pixels)), describe(pixels)
