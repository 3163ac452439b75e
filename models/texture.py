"""Compute features of a picture's colours and texture, for out-of-distribution detection.

They hardly depend on the content of a picture, but in them noise, print, screens and patterns are
far from photographs. `models.novelty` judges by them and by what a trained network sees.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

NUM_FEATURES = 111

NUM_SCALES = 5
"""Scales of the differences between neighbours: 1, 2, 4, 8 and 16 pixels."""

FEW = 2
"""Pictures computed at a time on a CPU, whose cache holds their intermediate results: three times
faster."""

FLOORS = (0.25, 1.0, 1.0)
"""Least spread of lightness and of the two colour contrasts, in levels of 0-255.

Less counts as so much: that the colours of a grey picture do not differ at all is no more
remarkable than that they differ little.
"""

FAINT = 2.0
"""Levels; smaller differences between neighbours have no reliable direction or colour."""

FLAT = 2.4
"""Levels of lightness; neighbours that differ by less count as flat."""

CELLS = 7
"""Cells across and down, between which the distribution of texture is compared."""

Describe = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Computes features, and the next level, half as large."""

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Pairs of lightness and the two colour contrasts."""


def describe(pixels: torch.Tensor) -> torch.Tensor:
    """Return features of the colours and the texture of pictures.

    Mean and spread of lightness and of two colour contrasts. Then, at each scale: how much
    neighbours differ across and down; how evenly that is spread, between pixels and between parts
    of the picture; how much of it is flat; whether contours run in all directions or in few; and
    whether lightness and colours change together.

    Args:
        pixels: N x 3 x H x W, RGB, uint8, at least 32 x 32.

    Returns:
        N x `NUM_FEATURES`, float32.
    """
    few = FEW if pixels.device.type == "cpu" else max(1, len(pixels))
    columns, level = _in_parts(_describe_pixels, pixels, few)
    whole = [columns]
    for scale in range(1, NUM_SCALES):
        columns, level = _in_parts(_describe_level, level, few * 4**scale)
        whole.append(columns)
    return torch.cat(whole, dim=1)


def describe_at_once(pixels: torch.Tensor) -> torch.Tensor:
    """Compute `describe` without splitting the batch, so that an exported graph fits any N."""
    columns, level = _describe_pixels(pixels)
    whole = [columns]
    for _ in range(1, NUM_SCALES):
        columns, level = _describe_level(level)
        whole.append(columns)
    return torch.cat(whole, dim=1)


def _in_parts(
    compute: Describe, batch: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    columns, levels = zip(*map(compute, batch.split(size)), strict=True)
    return torch.cat(columns), torch.cat(levels)


def _describe_pixels(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of colours and the finest texture, N x 27, and the next level."""
    red, green, blue = pixels.float().unbind(dim=1)
    opponents = torch.stack(
        [(red + green + blue) / 3, red - green, (red + green) / 2 - blue], dim=1
    )
    means = opponents.mean(dim=(2, 3), keepdim=True)
    spreads = (opponents - means).square_().mean(dim=(2, 3)).sqrt()
    texture, level = _describe_level(opponents)
    colours = [means.flatten(1), (spreads + spreads.new_tensor(FLOORS)).log()]
    return torch.cat([*colours, texture], dim=1), level


def _describe_level(opponents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of the differences between neighbours, N x 21, and the next level."""
    floors = opponents.new_tensor(FLOORS)
    corner = opponents[:, :, :-1, :-1]
    across, down = opponents[:, :, :-1, 1:] - corner, opponents[:, :, 1:, :-1] - corner
    squares = [across.square(), down.square()]
    energies = torch.stack([square.mean(dim=(2, 3)) for square in squares])
    agreement = _agreement(across, down, energies.sum(dim=0))
    direction = _direction(across[:, 0], down[:, 0], squares[0][:, 0], squares[1][:, 0])
    sizes = [across.abs_(), down.abs_()]
    columns = []
    for size, energy in zip(sizes, energies, strict=True):
        strength = (energy.sqrt() + floors).log()
        flat = (size[:, :1] < FLAT).float().mean(dim=(2, 3))
        columns += [strength, (size.mean(dim=(2, 3)) + floors).log() - strength, flat]
    columns += [_spread(sizes[0] + sizes[1]), direction, agreement]
    return torch.cat(columns, dim=1), functional.avg_pool2d(opponents, 2)


def _spread(sizes: torch.Tensor) -> torch.Tensor:
    """Return how much texture differs between parts of the picture, N x 3."""
    sides = [max(1, side // CELLS) for side in sizes.shape[2:]]
    cells = (functional.avg_pool2d(sizes, sides).sum(dim=1).flatten(1) + 1).log()
    mean = cells.mean(dim=1)
    spread = cells.std(dim=1, unbiased=False)
    return torch.stack([spread, cells.amax(dim=1) - mean, mean - cells.amin(dim=1)], dim=1)


def _direction(
    across: torch.Tensor,
    down: torch.Tensor,
    across_squared: torch.Tensor,
    down_squared: torch.Tensor,
) -> torch.Tensor:
    """Return whether contours run in all directions (0) or along a grid (1), N x 1.

    It is the length of the mean of their directions, weighted by their strength; angles are
    multiplied by four, so that a direction and those at right angles to it are the same.
    """
    cosine, sine = across_squared - down_squared, 2 * across * down
    total = across_squared + down_squared
    weight = total + FAINT**2
    cosines = ((cosine - sine) * (cosine + sine) / weight).mean(dim=(1, 2))
    sines = (2 * cosine * sine / weight).mean(dim=(1, 2))
    return (torch.hypot(cosines, sines) / (total.mean(dim=(1, 2)) + FAINT**2))[:, None]


def _agreement(across: torch.Tensor, down: torch.Tensor, energies: torch.Tensor) -> torch.Tensor:
    """Return whether lightness and the contrasts change together (1) or separately (0), N x 3."""
    columns = []
    for one, other in PAIRS:
        joint = across[:, one] * across[:, other] + down[:, one] * down[:, other]
        size = (energies[:, one] * energies[:, other]).sqrt() + FAINT**2
        columns.append(joint.mean(dim=(1, 2)).abs() / size)
    return torch.stack(columns, dim=1)
