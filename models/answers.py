"""A network and normalised pixels in, its logits and its penultimate features out, in one pass."""

import torch
from torch import nn


def logits_and_features(
    network: nn.Module, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let a timm network say what it sees, and how it sees it.

    Args:
        network: In evaluation mode; dropout would make the two differ.
        pixels: N x 3 x H x W, normalised.

    Returns:
        Logits, N x number of classes, and what its classifier starts from, N x D; both float32.
    """
    maps = network.forward_features(pixels)
    logits = network.forward_head(maps)
    features = network.forward_head(maps, pre_logits=True)
    return logits.float(), features.flatten(1).float()
