"""Draw the outdoors: landscapes and streets of houses."""

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import shade
from utils.standins.sketches.fields import (
    Field,
    coordinates,
    dots,
    field,
    fractal,
    lay,
    mottled,
    plain,
    polygon,
    ramp,
    strokes,
)

SKIES = ((0.36, 0.60, 0.88), (0.62, 0.74, 0.84), (0.90, 0.62, 0.45), (0.55, 0.57, 0.62))
GROUNDS = (
    *((0.28, 0.45, 0.16), (0.42, 0.52, 0.22), (0.82, 0.64, 0.46), (0.70, 0.50, 0.36)),
    *((0.86, 0.88, 0.92), (0.36, 0.32, 0.26)),
)
WALLS = (
    *((0.72, 0.45, 0.36), (0.85, 0.78, 0.66), (0.60, 0.62, 0.66), (0.88, 0.70, 0.58)),
    *((0.45, 0.30, 0.24), (0.75, 0.80, 0.82)),
)
ROOFS = ((0.50, 0.22, 0.16), (0.25, 0.25, 0.28))
FRAMES = ((0.92, 0.91, 0.88), (0.30, 0.24, 0.20))
GLASSES = ((0.20, 0.28, 0.36), (0.55, 0.68, 0.78), (0.95, 0.85, 0.55))


def sky(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return a sky that pales towards the ground, with clouds or without."""
    canvas = plain(width, height, shade(rng, SKIES))
    _, y = coordinates(width, height)
    pale = ramp(np.broadcast_to(y / height, (height, width)), 0, rng.uniform(0.5, 1.2))
    lay(canvas, shade(rng, ((0.95, 0.93, 0.88), (0.98, 0.82, 0.66))), pale * np.float32(0.7))
    clouds = ramp(fractal(rng, width, height, rng.uniform(3, 6), 6), rng.uniform(0, 1), 1.6)
    lay(canvas, (0.97, 0.96, 0.95), clouds * np.float32(0.85))
    return canvas


def _ground(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return grass, sand, earth or snow."""
    canvas = plain(width, height, shade(rng, GROUNDS))
    canvas *= 1 + fractal(rng, width, height, 8, 5) * np.float32(0.13)
    blades = cv2.resize(field(rng, width, max(2, height // 8), width / 3), (width, height))
    canvas *= 1 + blades * np.float32(0.10)
    return canvas


def _skyline(rng: np.random.Generator, width: int, height: int, level: float, rise: float) -> Field:
    """Return the mask of all that lies below a ragged line."""
    heights = fractal(rng, width, 8, rng.uniform(2, 6), 5)[0]
    edge = height * (np.float32(level) - np.float32(rise) * heights)
    _, y = coordinates(width, height)
    return np.asarray(np.clip(y - edge[None, :], 0, 1))


def landscape(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw hills behind hills under a sky, with trees, or the sea before them."""
    canvas = sky(rng, width, height)
    if rng.random() < 0.3:
        place = np.array([[rng.uniform(0.1, 0.9) * width, rng.uniform(0.05, 0.35) * height]])
        lay(canvas, (1.0, 0.95, 0.75), dots(width, height, place, np.array([width * 0.035])))
    level, rock = rng.uniform(0.35, 0.6), shade(rng, WALLS) * 0.6
    for step in range(int(rng.integers(1, 4))):
        hills = plain(width, height, rock * (0.9 - 0.2 * step) + 0.12)
        folds = fractal(rng, width, height, 10, 5)
        hills *= 1 + cv2.Sobel(folds, cv2.CV_32F, 1, 0, ksize=3) * np.float32(0.5)
        lay(canvas, hills, _skyline(rng, width, height, level, rng.uniform(0.03, 0.12)))
        level += rng.uniform(0.05, 0.12)
    near = _skyline(rng, width, height, level + 0.08, 0.03)
    lay(canvas, _ground(rng, width, height), near)
    if rng.random() < 0.3:
        water = plain(width, height, shade(rng, ((0.15, 0.35, 0.48), (0.35, 0.52, 0.58))))
        waves = cv2.resize(fractal(rng, max(2, width // 6), height, 60, 2), (width, height))
        water *= 1 + waves * np.float32(0.22)
        _, y = coordinates(width, height)
        lay(canvas, water, np.clip(y - height * (level + 0.12), 0, 1) + np.zeros_like(near))
    for _ in range(int(rng.integers(0, 9))):
        _plant(
            rng, canvas, rng.uniform(0, width), height * rng.uniform(min(level, 0.85) + 0.06, 0.95)
        )
    return canvas


def _plant(rng: np.random.Generator, canvas: Field, x: float, foot: float) -> None:
    height, width = canvas.shape[1:]
    tall = (foot / height - 0.25) * height * rng.uniform(0.35, 0.8)
    trunk = strokes(width, height, [np.array([(x, foot), (x, foot - tall * 0.6)])], 3)
    lay(canvas, (0.25, 0.17, 0.10), trunk)
    offsets = rng.normal(0, 1, (60, 2)) * (tall * 0.17, tall * 0.2)
    crown = np.array([x, foot - tall * 0.75])
    leaves = dots(width, height, crown + offsets, np.full(60, tall * 0.07))
    hue = shade(rng, ((0.16, 0.34, 0.12), (0.32, 0.42, 0.14)))
    mottled(canvas, hue, fractal(rng, width, height, 60, 2) * np.float32(0.35), leaves)


def building(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw a street of houses with their windows."""
    canvas = sky(rng, width, height)
    street = height * rng.uniform(0.78, 0.93)
    left = -rng.uniform(0, 0.2) * width
    while left < width:
        right = left + width * rng.uniform(0.2, 0.55)
        _house(rng, canvas, left, right, height * rng.uniform(-0.1, 0.45), street)
        left = right + rng.choice((0, 0, 0.04 * width))
    road = plain(width, height, shade(rng, ((0.35, 0.35, 0.37), (0.62, 0.58, 0.54))))
    road *= 1 + field(rng, width, height, 150) * np.float32(0.08)
    corners = [(0, street), (width, street), (width, height), (0, height)]
    lay(canvas, road, polygon(width, height, corners))
    for x in rng.uniform(0, width, int(rng.integers(0, 4))):
        pole = np.array(
            [(x, street), (x, street - 0.45 * height), (x + 25, street - 0.48 * height)]
        )
        lay(canvas, (0.15, 0.15, 0.16), strokes(width, height, [pole], 3))
    return canvas


def _house(
    rng: np.random.Generator, canvas: Field, left: float, right: float, roof: float, street: float
) -> None:
    height, width = canvas.shape[1:]
    wall = plain(width, height, shade(rng, WALLS))
    wall *= 1 + fractal(rng, width, height, 30, 3) * np.float32(0.05)
    if rng.random() < 0.4:  # bricks
        rows = np.arange(max(roof, 0), street, height / 55)
        joints = [np.array([(left, row), (right, row)]) for row in rows]
        lay(wall, wall.mean((1, 2)) * 0.7 + 0.12, strokes(width, height, joints) * np.float32(0.6))
    corners = [(left, roof), (right, roof), (right, street), (left, street)]
    lay(canvas, wall, polygon(width, height, corners))
    if rng.random() < 0.4:
        top = [(left - 8, roof), ((left + right) / 2, roof - 0.14 * height), (right + 8, roof)]
        lay(canvas, shade(rng, ROOFS), polygon(width, height, top))
    _paint_windows(rng, canvas, np.array([left, roof]), np.array([right, street]))


def _paint_windows(
    rng: np.random.Generator, canvas: Field, low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    height, width = canvas.shape[1:]
    number = np.array([rng.integers(2, 6), rng.integers(3, 8)])
    step = (high - low) / number
    frames, panes = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for place in np.ndindex(*number):
        corner = np.rint(low + (place + np.array([0.25, 0.22])) * step).astype(int)
        end = np.rint(corner + step * (0.5, 0.58)).astype(int)
        cv2.rectangle(frames, (corner - 2).tolist(), (end + 2).tolist(), 255, cv2.FILLED)
        cv2.rectangle(panes, corner.tolist(), end.tolist(), 255, cv2.FILLED)
        middle = int(corner[0] + end[0]) // 2
        cv2.line(panes, (middle, int(corner[1])), (middle, int(end[1])), 0, 2)
    lay(canvas, shade(rng, FRAMES), frames / np.float32(255))
    hue = shade(rng, GLASSES)
    reflections = fractal(rng, width, height, 10, 3) * np.float32(0.25)
    mottled(canvas, hue, reflections, panes / np.float32(255))
