"""Draw what lies behind a body or a thing: walls, cloths, floors."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import (
    Colour,
    Field,
    blurred,
    coordinates,
    creases,
    field,
    fractal,
    lay,
    plain,
    polygon,
    strokes,
)

BACKDROPS = (
    *((0.22, 0.42, 0.66), (0.10, 0.22, 0.48), (0.25, 0.50, 0.45), (0.05, 0.05, 0.06)),
    *((0.80, 0.80, 0.82), (0.55, 0.52, 0.50), (0.62, 0.55, 0.68), (0.72, 0.62, 0.48)),
    *((0.88, 0.86, 0.82), (0.45, 0.30, 0.24)),
)
CLOTHES = (
    *((0.15, 0.20, 0.40), (0.75, 0.20, 0.25), (0.90, 0.90, 0.92), (0.12, 0.12, 0.13)),
    *((0.35, 0.55, 0.40), (0.55, 0.60, 0.75), (0.80, 0.65, 0.30)),
)
WOODS = ((0.62, 0.42, 0.26), (0.45, 0.28, 0.17), (0.80, 0.63, 0.45), (0.70, 0.52, 0.42))


def shade(rng: np.random.Generator, colours: Sequence[Colour]) -> NDArray[np.float32]:
    """Return one of the colours, or rather one near it."""
    colour = np.asarray(colours[int(rng.integers(len(colours)))])
    colour = colour + rng.normal(0, 0.04) + rng.normal(0, 0.02, 3)
    return np.asarray(np.clip(colour, 0.02, 0.98), np.float32)


def backdrop(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return a crumpled cloth, a wall above a floor, or plaster."""
    kind = rng.random()
    if kind < 0.45:
        return cloth(rng, width, height, shade(rng, BACKDROPS))
    canvas = plain(width, height, shade(rng, BACKDROPS))
    canvas *= 1 + fractal(rng, width, height, 2, 3) * np.float32(0.07)
    canvas *= 1 + fractal(rng, width, height, 60, 2) * np.float32(0.04)
    if kind < 0.75:
        level = height * rng.uniform(0.55, 0.9)
        other = level + rng.normal(0, 0.03) * height
        floor = polygon(width, height, [(0, level), (width, other), (width, height), (0, height)])
        tiles = plain(width, height, shade(rng, BACKDROPS))
        lines = [np.array([(x, level), (3 * x - width, height)]) for x in np.linspace(0, width, 9)]
        lay(tiles, tiles.mean((1, 2)) * 0.6, strokes(width, height, lines, 2))
        tiles *= 1 + field(rng, width, height, 90) * np.float32(0.06)
        lay(canvas, tiles, floor)
    return canvas


def cloth(rng: np.random.Generator, width: int, height: int, colour: Colour) -> Field:
    """Return woven cloth with creases."""
    canvas = plain(width, height, colour)
    small_width, small_height = width // 4, height // 4
    folds = np.abs(fractal(rng, small_width, small_height, rng.uniform(2, 5), 3))
    folds = blurred(folds, 2) * np.float32(small_width)
    way = rng.uniform(0, np.pi)
    slope = np.cos(way) * cv2.Sobel(folds, cv2.CV_32F, 1, 0) / 8
    slope += np.sin(way) * cv2.Sobel(folds, cv2.CV_32F, 0, 1) / 8
    slope = cv2.resize(slope.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    canvas *= np.clip(1 + slope * np.float32(rng.uniform(0.02, 0.06)), 0.5, 1.5)
    canvas *= 1 - creases(rng, width, height, 120, 0.7) * np.float32(0.14)
    return canvas


def wood(rng: np.random.Generator, width: int, height: int, colour: Colour) -> Field:
    """Return boards of wood with their grain."""
    canvas = plain(width, height, colour)
    _, y = coordinates(width, height)
    along = cv2.resize(fractal(rng, max(2, width // 12), height, 14, 3), (width, height))
    rings = np.cos(y * np.float32(rng.uniform(0.12, 0.35)) + along * np.float32(rng.uniform(2, 6)))
    canvas *= 1 + rings * np.float32(0.08) + fractal(rng, width, height, 50, 2) * np.float32(0.03)
    fibres = cv2.resize(field(rng, max(2, width // 30), height, height / 2), (width, height))
    canvas *= 1 + fibres * np.float32(0.06)
    gaps = np.arange(rng.uniform(0, 0.3), 1.1, rng.uniform(0.2, 0.45)) * height
    lines = [np.array([(0, gap), (width, gap + rng.normal(0, 2))]) for gap in gaps]
    lay(canvas, np.asarray(colour) * 0.35, strokes(width, height, lines, 2))
    return canvas


def table_top(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return boards, a table cloth or something else to lie on."""
    kind = rng.random()
    if kind < 0.45:
        return wood(rng, width, height, shade(rng, WOODS))
    if kind < 0.75:
        return cloth(rng, width, height, shade(rng, CLOTHES))
    return backdrop(rng, width, height)
