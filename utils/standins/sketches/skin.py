"""Draw skin: its tone, its texture, its hairs, freckles and rashes."""

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import (
    Field,
    blurred,
    creases,
    curve,
    dots,
    field,
    fractal,
    lay,
    plain,
    ramp,
    strokes,
    tint,
)

TONES = np.array(
    [
        (0.95, 0.83, 0.76),
        (0.91, 0.74, 0.65),
        (0.83, 0.63, 0.51),
        (0.70, 0.49, 0.37),
        (0.53, 0.35, 0.25),
        (0.36, 0.23, 0.17),
    ],
    np.float32,
)
"""Skin of Fitzpatrick's types I to VI."""

BLOOD = np.array((0.06, -0.07, -0.05), np.float32)
"""What more blood in the skin adds to its colour."""

REDS = np.array(
    [(0.72, 0.30, 0.28), (0.80, 0.42, 0.38), (0.62, 0.24, 0.30), (0.83, 0.50, 0.42)], np.float32
)
"""Colours of inflamed or bloody lesions."""


def skin_tone(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a colour of skin; the lighter types come more often."""
    place = 5 * rng.beta(1.1, 1.6)
    low = int(min(place, 4))
    tone = TONES[low] + (TONES[low + 1] - TONES[low]) * np.float32(place - low)
    return np.asarray(tone + BLOOD * np.float32(max(-0.3, rng.normal(0.2, 0.6))), np.float32)


def skin(rng: np.random.Generator, width: int, height: int, tone: NDArray[np.float32]) -> Field:
    """Return a canvas of bare skin, unevenly coloured and with the fine mesh of its surface."""
    canvas = plain(width, height, tone)
    flush = np.maximum(fractal(rng, width, height, 3, 4), np.float32(-0.6))
    tint(canvas, flush, BLOOD * np.float32(rng.uniform(0.1, 0.4)))
    canvas *= 1 + field(rng, width, height, 6) * np.float32(0.02)
    mesh = creases(rng, width, height, rng.uniform(70, 130), 0.5)
    mesh += field(rng, width, height, rng.uniform(150, 250)) * np.float32(0.35)
    canvas *= 1 - mesh * np.float32(rng.uniform(0.04, 0.10))
    return canvas


def hairs(
    rng: np.random.Generator, width: int, height: int, number: int, length: float, thickness: int
) -> Field:
    """Return the mask of hairs that lie roughly one way."""
    way = rng.uniform(0, np.pi)
    lines = [
        curve(
            rng,
            (rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 1.1) * height),
            length * rng.uniform(0.5, 1.3),
            way + rng.normal(0, 0.5),
            rng.normal(0, 0.8),
        )
        for _ in range(number)
    ]
    return strokes(width, height, np.stack(lines), thickness)


def freckles(rng: np.random.Generator, width: int, height: int, number: int, size: float) -> Field:
    """Return the mask of small irregular spots."""
    centres = rng.uniform(0, 1, (number, 2)) * (width, height)
    spots = dots(width, height, centres, size * rng.uniform(0.4, 1.3, number))
    spots = blurred(spots, max(0.8, size / 4))
    return np.asarray(ramp(spots + 0.12 * field(rng, width, height, 90), 0.3, 0.8))


def body_skin(
    rng: np.random.Generator, canvas: Field, tone: NDArray[np.float32], hairy: float
) -> Field:
    """Return skin as large as `canvas`, with a rash, plaques or just moles on it."""
    height, width = canvas.shape[1:]
    surface = skin(rng, width, height, tone * np.float32(0.94))
    surface *= 1 + fractal(rng, width, height, 14, 3) * np.float32(0.035)
    sick = REDS[rng.integers(len(REDS))] * 0.55 + tone * 0.45
    kind = rng.random()
    if kind < 0.45:  # a rash of many small spots
        size = width * rng.uniform(0.003, 0.008)
        spots = freckles(rng, width, height, int(rng.integers(80, 500)), size)
        spots *= ramp(field(rng, width, height, 3), -0.5, 0.6)
        lay(surface, sick, spots * np.float32(rng.uniform(0.5, 0.9)))
    elif kind < 0.75:  # a few scaly plaques
        plaques = ramp(fractal(rng, width, height, rng.uniform(5, 12)), 0.9, 1.3)
        lay(surface, sick, plaques * np.float32(rng.uniform(0.5, 0.9)))
        scales = ramp(fractal(rng, width, height, 60, 2), 0.5, 1.0)
        lay(surface, tone * 0.5 + 0.45, plaques * scales * np.float32(0.6))
    moles = freckles(rng, width, height, int(rng.integers(3, 30)), width * 0.005)
    lay(surface, tone * (0.5, 0.4, 0.35), moles * np.float32(0.8))
    if rng.random() < hairy:
        fluff = hairs(rng, width, height, int(rng.integers(80, 300)), 0.05 * width, 1)
        lay(surface, tone * 0.3, fluff * np.float32(0.5))
    return surface
