"""Describe a network's first feature map, for out-of-distribution detection.

A trained network sees one of its classes in anything, but its first filters still see edges,
colours and grain of all kinds: what is like nothing in training excites them otherwise. Texture
features (`models.texture`) do not tell X-rays and slides as well.
"""

from typing import Any

import torch
from torch import nn

from models.ensemble import Ensemble

MAX_CHANNELS = 64
"""Wider first maps are left out: they are tokens of patches, which few pictures cannot describe."""

FLOOR = 0.01
"""Added to means and standard deviations before their logarithm is taken; activations are about 1.
"""


def stem_size(network: nn.Module) -> int:
    """Return how many numbers describe a network's first feature map; 0 if none are taken.

    They are two for each channel of the first map that timm gives of the network: for a ResNet
    after its first convolution, for others after the first stage. None are taken of maps with more
    than `MAX_CHANNELS` channels, as of ViT-B/16 and Swin-B, and of a network of another library.
    Of an ensemble the first network's is taken.
    """
    if isinstance(network, Ensemble):
        return stem_size(network.members[0])
    of_timm: Any = network
    if not hasattr(network, "forward_intermediates") or not getattr(of_timm, "feature_info", None):
        return 0
    channels: int = of_timm.feature_info[0]["num_chs"]
    return 2 * channels if channels <= MAX_CHANNELS else 0


def describe_stem(maps: torch.Tensor) -> torch.Tensor:
    """Return the logarithms of the mean and of the standard deviation of each channel.

    Args:
        maps: The first feature map, N x C x H x W, float.

    Returns:
        N x (2 * C), float32: all means, then all deviations. A mean below 0 counts by its size.
    """
    # One picture at a time fits into a CPU's cache and, squared in place, needs no new memory: four
    # times faster. A graph that is exported has to fit any number of them.
    is_split = maps.device.type == "cpu" and not torch.compiler.is_compiling()
    parts = maps.split(1) if is_split else [maps]
    return torch.cat([_describe(part) for part in parts])


def _describe(maps: torch.Tensor) -> torch.Tensor:
    values = maps.float()
    means = values.mean(dim=(2, 3), keepdim=True)
    deviations = (values - means).square_().mean(dim=(2, 3)).sqrt()
    return (torch.cat([means.flatten(1).abs(), deviations], dim=1) + FLOOR).log()
