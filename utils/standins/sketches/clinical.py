"""Draw a lesion as a phone shows it, with the skin around it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import cloth
from utils.standins.sketches.fields import (
    Field,
    coordinates,
    creases,
    dots,
    field,
    finished,
    fractal,
    lay,
    ramp,
    strokes,
    tint,
)
from utils.standins.sketches.lesion import Lesion, lesion, outline
from utils.standins.sketches.skin import BLOOD, REDS, freckles, hairs, skin


def clinical(
    rng: np.random.Generator, width: int, height: int, subject: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Draw a phone's picture of a lesion with the skin around it, 8-bit RGB."""
    shape = lesion(subject or rng)
    side = min(width, height)
    canvas = skin(rng, width, height, shape.tone)
    relief = _relief(rng, width, height)
    if rng.random() < 0.5:
        spots = freckles(rng, width, height, int(rng.integers(4, 50)), side / 60)
        lay(canvas, canvas.mean((1, 2)) * (0.75, 0.62, 0.55), spots * np.float32(0.5))
    centre = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7))
    radius = side * rng.uniform(0.07, 0.21)
    distance, _ = outline(rng, width, height, shape, centre, radius, rng.uniform(0.08, 0.2))
    relief += _paint_lesion(rng, canvas, shape, distance, radius)
    if rng.random() < 0.6:
        mask = hairs(rng, width, height, int(rng.integers(15, 160)), 0.13 * width, 1)
        lay(canvas, shape.tone * rng.uniform(0.2, 0.5), mask * np.float32(rng.uniform(0.4, 0.8)))
    if rng.random() < 0.14:
        _paint_pen(rng, canvas, centre, radius)
    _light(rng, canvas, relief)
    if rng.random() < 0.35:
        _paint_beyond(rng, canvas)
    return finished(rng, canvas)


def _relief(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return the height of the skin's surface in pixels: folds one way, small pores, unevenness."""
    size = max(width, height)
    relief = fractal(rng, width, height, 2, 3) * np.float32(size * 0.012)
    turn = rng.uniform(0, np.pi)
    x, y = coordinates(width, height)
    across = (x * np.cos(turn) + y * np.sin(turn)).astype(np.float32)
    folds = np.cos(
        across * np.float32(2 * np.pi * rng.uniform(14, 40) / size)
        + fractal(rng, width, height, 5) * np.float32(2.2)
    )
    depth = np.float32(rng.choice((0.0, 0.4, 1.0)))
    relief -= ramp(folds, 0.4, 1.0) * ramp(field(rng, width, height, 4), 0.1, 1.4) * depth
    relief -= creases(rng, width, height, rng.uniform(60, 110), 0.6) * np.float32(0.45)
    number = int(rng.integers(80, 420))
    pores = dots(
        width, height, rng.uniform(0, 1, (number, 2)) * (width, height), np.full(number, 1.2)
    )
    return np.asarray(relief - pores * np.float32(rng.uniform(0.2, 0.8)))


def _paint_lesion(
    rng: np.random.Generator, canvas: Field, shape: Lesion, distance: Field, radius: float
) -> Field:
    """Paint the lesion and return how far it stands out of the skin, in pixels."""
    height, width = distance.shape
    first, second, dark = shape.colours
    inside = ramp(distance, 1.12, 0.82)
    lay(canvas, shape.tone + 2 * BLOOD, ramp(distance, 2.0, 0.9) * np.float32(rng.uniform(0, 0.6)))
    patches = fractal(rng, width, height, rng.uniform(8, 20))
    cells = width / radius
    if shape.kind < 0.35:  # a mole
        lay(canvas, first, inside * np.float32(0.9))
        lay(canvas, dark * 0.8, inside * ramp(patches, 0, 1))
        bump = rng.uniform(0, 0.25) * radius
        return np.asarray(bump * ramp(distance, 1.1, 0.2))
    red = REDS[int(shape.kind * 997) % len(REDS)] * 0.6 + shape.tone * 0.4
    if shape.kind < 0.6:  # a red plaque with scales
        lay(canvas, red, inside * np.float32(0.85))
        scales = ramp(fractal(rng, width, height, cells * 4), 0.35, 0.9) * inside
        lay(canvas, np.minimum(1, shape.tone * 0.4 + 0.58), scales * np.float32(0.8))
        return np.asarray(scales * 1.5 + inside * (0.05 * radius))
    if shape.kind < 0.8:  # an ulcer with a crust
        lay(canvas, red, ramp(distance, 1.3, 0.9) * np.float32(0.9))
        lay(canvas, (0.42, 0.10, 0.09), ramp(distance, 0.85, 0.6))
        crust = ramp(fractal(rng, width, height, cells * 2.5), 0.0, 0.7) * ramp(distance, 0.8, 0.5)
        lay(canvas, (0.34, 0.22, 0.10) + 0.15 * rng.random(3), crust)
        return np.asarray(crust * 3 + ramp(np.abs(distance - 1), 0.35, 0) * (0.12 * radius))
    if shape.kind < 0.9:  # a warty, stuck-on plaque
        lay(canvas, second, inside * np.float32(0.9))
        warts = creases(rng, width, height, cells * 5, 0.5) * inside
        lay(canvas, dark * 0.7, warts * np.float32(0.7))
        return np.asarray(inside * (0.12 * radius) - warts * 2.5)
    lay(canvas, red * 0.7 + 0.2, inside * np.float32(0.6))  # a pearly nodule with vessels
    lay(canvas, (0.65, 0.15, 0.18), creases(rng, width, height, cells * 2, 0.12) * inside)
    return np.asarray(np.sqrt(np.clip(1.1 - distance, 0, 1)) * (0.7 * radius))


def _light(rng: np.random.Generator, canvas: Field, relief: Field) -> None:
    """Light the skin from one side; what looks towards the light shines where it is moist."""
    height, width = relief.shape
    way = rng.uniform(0, 2 * np.pi)
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    facing = -(np.cos(way) * slope_x + np.sin(way) * slope_y).astype(np.float32)
    x, y = coordinates(width, height)
    x, y = x / width - np.float32(0.5), y / height - np.float32(0.5)
    fall = (np.cos(way) * x + np.sin(way) * y).astype(np.float32)
    strength = np.float32(rng.uniform(0.1, 0.55))
    round_off = np.float32(rng.uniform(0, 0.4)) * (x * x * np.float32(rng.random()) + y * y)
    canvas *= np.clip(0.97 + fall * strength - round_off + 0.30 * facing, 0.3, 1.6)
    if rng.random() < 0.5:
        shine = ramp(facing + field(rng, width, height, width / 5) * np.float32(0.10), 0.25, 0.7)
        tint(canvas, shine * ramp(field(rng, width, height, 3), 0, 1.2), (0.45, 0.45, 0.45))


def _paint_pen(
    rng: np.random.Generator, canvas: Field, centre: tuple[float, float], radius: float
) -> None:
    height, width = canvas.shape[1:]
    turns = np.linspace(0, 2 * np.pi * rng.uniform(0.6, 1.05), 40) + rng.uniform(0, 6)
    around = radius * rng.uniform(1.5, 2.2) * (1 + 0.06 * rng.normal(0, 1, 40).cumsum() / 3)
    ring = np.stack([np.cos(turns), np.sin(turns)], axis=1) * around[:, None] + centre
    pieces = np.array_split(ring, 10)[::2] if rng.random() < 0.4 else [ring]
    mask = strokes(width, height, pieces, int(rng.integers(2, 6)))
    mask *= np.clip(0.75 + 0.3 * field(rng, width, height, 60), 0, 1)
    lay(canvas, ((0.15, 0.15, 0.45), (0.35, 0.12, 0.42), (0.1, 0.1, 0.12))[rng.integers(3)], mask)


def _paint_beyond(rng: np.random.Generator, canvas: Field) -> None:
    """Paint what lies behind the skin's edge: a shadow, then dark room, cloth or a blue sheet."""
    height, width = canvas.shape[1:]
    way = rng.uniform(0, 2 * np.pi)
    x, y = coordinates(width, height)
    x, y = x - np.float32(width / 2), y - np.float32(height / 2)
    out = (np.cos(way) * x + np.sin(way) * y).astype(np.float32)
    aside = (np.cos(way) * y - np.sin(way) * x).astype(np.float32)
    edge = np.float32(
        0.44 * (abs(np.cos(way)) * width + abs(np.sin(way)) * height) * rng.uniform(0.75, 1.05)
    )
    out += aside * aside * np.float32(rng.uniform(0, 0.8) / max(width, height))
    out += fractal(rng, width, height, 2, 2) * np.float32(0.01 * width)
    canvas *= 1 - 0.55 * ramp(out, edge - 0.25 * width, edge)
    colours = ((0.05, 0.05, 0.06), (0.30, 0.45, 0.62), (0.75, 0.75, 0.78), (0.25, 0.45, 0.38))
    behind = cloth(rng, width, height, np.asarray(colours[rng.integers(4)]) * rng.uniform(0.8, 1.1))
    lay(canvas, behind, ramp(out, edge - 1.5, edge + 1.5))
