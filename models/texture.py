"""Normalised pixels in, numbers out that say how a picture looks: its colours, its texture.

They hardly depend on what a picture shows, but noise, print, screens and patterns are far from
photographs in them. What a trained network's last layer holds is no such measure: it has learned
to see the five classes, and sees one of them in anything.
"""

import torch
from torch.nn import functional

NUM_SCALES = 5
"""Of the differences between neighbours: 1, 2, 4, 8 and 16 pixels apart."""

SMALL = 0.005
"""In units of the normalised pixels, about a quarter of one of 256 levels: less is flat."""


def describe(pixels: torch.Tensor) -> torch.Tensor:
    """Describe how pictures look.

    Mean and spread of lightness and of two colour contrasts; then, at each scale, how much
    neighbours differ across and down, and how evenly that is spread over the picture.

    Args:
        pixels: N x 3 x H x W, RGB, normalised, at least 32 x 32.

    Returns:
        N x 66, float32.
    """
    red, green, blue = pixels.float().unbind(dim=1)
    opponents = torch.stack(
        [(red + green + blue) / 3, red - green, (red + green) / 2 - blue], dim=1
    )
    columns = [opponents.mean(dim=(2, 3)), _log(opponents.std(dim=(2, 3)))]
    for _ in range(NUM_SCALES):
        for difference in (opponents.diff(dim=3), opponents.diff(dim=2)):
            strength = difference.square().mean(dim=(2, 3)).sqrt()
            columns += [_log(strength), _log(difference.abs().mean(dim=(2, 3))) - _log(strength)]
        opponents = functional.avg_pool2d(opponents, 2)
    return torch.cat(columns, dim=1)


def _log(sizes: torch.Tensor) -> torch.Tensor:
    return (sizes + SMALL).log()
