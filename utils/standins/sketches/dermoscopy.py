"""Draw a lesion as a dermoscope shows it."""

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import (
    Field,
    coordinates,
    creases,
    dots,
    field,
    finished,
    fractal,
    lay,
    plain,
    ramp,
    strokes,
    tint,
)
from utils.standins.sketches.lesion import Lesion, lesion, outline
from utils.standins.sketches.skin import hairs, skin

CASTS = (
    *((1.06, 0.84, 0.84), (1.05, 0.78, 0.74), (1.0, 0.88, 0.98), (0.92, 0.90, 1.04)),
    *((1.05, 1.04, 1.06), (1.05, 0.95, 0.80), (1.0, 1.0, 1.0)),
)
"""Tints of a dermoscope's light on the skin: pink, orange, purple, blue, white, tan, none."""


def dermoscopy(
    rng: np.random.Generator, width: int, height: int, subject: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Draw a lesion that fills much of a dermoscope's view, 8-bit RGB."""
    shape = lesion(subject or rng)
    side = min(width, height)
    canvas = skin(rng, width, height, shape.tone * 0.5 + 0.42)
    cast = np.asarray(CASTS[rng.integers(len(CASTS))], np.float32)
    canvas *= 1 + (cast[:, None, None] - 1) * np.float32(rng.uniform(0.5, 1.1))
    lay(
        canvas,
        canvas.mean((1, 2)) * (0.8, 0.6, 0.55),
        _vessels(rng, width, height) * np.float32(0.3),
    )
    centre = (width * rng.uniform(0.36, 0.64), height * rng.uniform(0.36, 0.64))
    radius = side * rng.uniform(0.24, 0.46)
    distance, angle = outline(rng, width, height, shape, centre, radius, rng.uniform(0.05, 0.14))
    _paint_pigment(rng, canvas, shape, distance, angle, side)
    if rng.random() < 0.45:
        mask = hairs(
            rng, width, height, int(rng.integers(3, 26)), 0.7 * width, int(rng.integers(1, 3))
        )
        lay(canvas, (0.10, 0.07, 0.06), mask * np.float32(rng.uniform(0.6, 0.95)))
    if rng.random() < 0.35:
        _paint_bubbles(rng, canvas, side)
    if rng.random() < 0.15:
        _paint_ruler(rng, canvas)
    _paint_lens(rng, canvas)
    return finished(rng, canvas)


def _vessels(rng: np.random.Generator, width: int, height: int) -> Field:
    mesh = creases(rng, width, height, rng.uniform(10, 22), 0.10)
    return np.asarray(mesh * ramp(field(rng, width, height, 4), 0.2, 1.2))


def _paint_pigment(
    rng: np.random.Generator, canvas: Field, shape: Lesion, distance: Field, angle: Field, side: int
) -> None:
    height, width = distance.shape
    soft = rng.uniform(0.08, 0.45)
    inside = ramp(distance, 1 + soft / 2, 1 - soft)
    first, second, dark = shape.colours
    colour = plain(width, height, first)
    lay(colour, second, ramp(fractal(rng, width, height, rng.uniform(4, 9)), -0.2, 0.9))
    lay(colour, dark * 0.8, ramp(fractal(rng, width, height, 7), 0.4, 1.2))
    lay(canvas, colour, inside * np.float32(rng.uniform(0.7, 0.97)))
    fine = side / rng.uniform(32, 60)
    if shape.kind < 0.5:  # pigment network: dark lines around pale holes
        lines = _honeycomb(rng, width, height, fine) * ramp(field(rng, width, height, 5), -0.9, 0.6)
        rim = ramp(distance, 1.12, 0.85)
        lay(canvas, dark * 0.55, lines * rim * np.float32(rng.uniform(0.5, 0.9)))
    if shape.kind > 0.3:  # globules
        mask = _scattered(rng, distance, int(rng.integers(60, 240)), fine * 0.35, 1.0)
        lay(canvas, dark * 0.5, mask * np.float32(rng.uniform(0.4, 0.8)))
    if 0.42 < shape.kind < 0.6:  # streaks at the border
        waviness = fractal(rng, width, height, 9) * np.float32(2.5)
        rays = np.cos(angle * np.float32(rng.integers(14, 34)) + waviness)
        where = ramp(np.abs(distance - 1), 0.22, 0.02) * ramp(
            field(rng, width, height, 3), -0.4, 0.6
        )
        lay(canvas, dark * 0.7, ramp(rays, 0.0, 1.0) * where * np.float32(0.8))
    if shape.kind > 0.7:  # blue-white veil, or a pale scar
        veil = (0.55, 0.58, 0.70) if shape.kind < 0.88 else (0.88, 0.80, 0.80)
        patch = ramp(fractal(rng, width, height, 4, 3), 0.1, 1.1) * ramp(distance, 0.95, 0.6)
        lay(canvas, veil, patch * np.float32(0.65))
    if shape.kind > 0.82:  # milia
        lay(canvas, (0.95, 0.90, 0.82), 0.8 * _scattered(rng, distance, 40, fine * 0.3, 0.9))
    grainy = field(rng, width, height, width / 4) * inside
    canvas *= 1 + grainy * np.float32(0.07)


def _honeycomb(rng: np.random.Generator, width: int, height: int, cell: float) -> Field:
    x, y = coordinates(width, height)
    warp = np.float32(cell * 0.55)
    x = x + field(rng, width, height, width / cell / 3) * warp
    y = y + field(rng, width, height, width / cell / 3) * warp
    turn = rng.uniform(0, np.pi)
    total = np.zeros((height, width), np.float32)
    for way in turn + np.arange(3) * (np.pi / 3):
        across = x * np.float32(np.cos(way) / cell) + y * np.float32(np.sin(way) / cell)
        total += np.cos(across * np.float32(2 * np.pi))
    return ramp(total, 0.3, -1.0)


def _scattered(
    rng: np.random.Generator, distance: Field, number: int, size: float, limit: float
) -> Field:
    height, width = distance.shape
    centres = rng.uniform(0, 1, (number * 3, 2)) * (width, height)
    at = centres.astype(int)
    centres = centres[distance[at[:, 1], at[:, 0]] < limit][:number]
    return dots(width, height, centres, size * rng.uniform(0.5, 1.2, len(centres)))


def _paint_bubbles(rng: np.random.Generator, canvas: Field, side: int) -> None:
    height, width = canvas.shape[1:]
    number = int(rng.integers(2, 14))
    centres = rng.uniform(0, 1, (number, 2)) * (width, height)
    radii = side * 0.05 * rng.uniform(0.1, 1, number) ** 2 + 3
    disc, hole = dots(width, height, centres, radii), dots(width, height, centres, radii - 1.6)
    tint(canvas, disc - hole, (0.28, 0.28, 0.30))
    tint(canvas, hole, (0.04, 0.04, 0.05))
    tint(canvas, dots(width, height, centres - radii[:, None] * 0.35, radii * 0.22), (0.5,) * 3)


def _paint_ruler(rng: np.random.Generator, canvas: Field) -> None:
    height, width = canvas.shape[1:]
    step = width / rng.uniform(9, 16)
    level = height * rng.choice([0.06, 0.94])
    ticks = [
        np.array([(x, level), (x, level - np.sign(level - height / 2) * step * long)])
        for x, long in zip(np.arange(0, width, step / 2), [0.8, 0.45] * 40, strict=False)
    ]
    lay(canvas, (0.08, 0.08, 0.10), strokes(width, height, ticks, 2) * np.float32(0.85))


def _paint_lens(rng: np.random.Generator, canvas: Field) -> None:
    height, width = canvas.shape[1:]
    x, y = coordinates(width, height)
    centre_x, centre_y = width * rng.normal(0.5, 0.02), height * rng.normal(0.5, 0.02)
    off_x = (x - np.float32(centre_x)).astype(np.float64)
    off_y = (y - np.float32(centre_y)).astype(np.float64)
    away = np.sqrt(off_x**2 + off_y**2).astype(np.float32)  # hypot's value in a third of its time
    half = np.float32(np.hypot(width, height) / 2)
    canvas *= 1.05 - rng.uniform(0.03, 0.22) * (away / half) ** 2
    border = rng.random()
    if border < 0.25:
        canvas *= ramp(away / half, 1.12, rng.uniform(0.72, 0.92))
    elif border < 0.42:
        edge = max(width, height) * rng.uniform(0.47, 0.53)
        lay(canvas, (0.02, 0.02, 0.03), ramp(away, edge - 2, edge + 2))
