"""Draw living things: animals from the side, flowers from above."""

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import backdrop, shade
from utils.standins.sketches.fields import (
    Field,
    coordinates,
    dots,
    field,
    fractal,
    lay,
    plain,
    polygon,
    ramp,
    strokes,
)
from utils.standins.sketches.places import landscape
from utils.standins.sketches.pose import Pose
from utils.standins.sketches.solids import place, solid

FURS = (
    *((0.62, 0.42, 0.26), (0.85, 0.72, 0.58), (0.12, 0.10, 0.10), (0.90, 0.88, 0.84)),
    *((0.88, 0.64, 0.58), (0.70, 0.38, 0.18), (0.50, 0.48, 0.46)),
)
PETALS = (
    *((0.92, 0.30, 0.45), (0.98, 0.85, 0.20), (0.95, 0.93, 0.92), (0.60, 0.30, 0.75)),
    *((0.95, 0.60, 0.50), (0.85, 0.12, 0.12)),
)
LEAVES = ((0.25, 0.45, 0.15), (0.40, 0.55, 0.25))
SHADES = ((0.16, 0.30, 0.12), (0.30, 0.42, 0.18), (0.10, 0.16, 0.10))
HEARTS = ((0.90, 0.70, 0.15), (0.35, 0.20, 0.08))


def animal(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw a four-legged animal from the side, outdoors or before a wall."""
    canvas = landscape(rng, width, height) if rng.random() < 0.6 else backdrop(rng, width, height)
    origin = np.array([width * rng.uniform(0.4, 0.6), height * rng.uniform(0.45, 0.6)])
    unit = min(width, height) * rng.uniform(0.2, 0.32)
    pose = Pose(width, height, origin, unit, 0.0, float(rng.choice((-1, 1))))
    coat = _coat(rng, width, height)
    leg, girth, neck = rng.uniform(0.6, 1.5), rng.uniform(0.38, 0.6), rng.uniform(0.35, 1.3)
    thick = rng.uniform(0.1, 0.2)
    for far_or_near in (0.6, 1.0):
        lit_coat = coat * np.float32(far_or_near)
        for x in (-0.85, 0.75):
            to = x + rng.normal(0, 0.18)
            bones = pose.bones((x, 0.15, girth * 0.6), ((x + to) / 2, 0.2 + leg / 2, thick * 1.2))
            bones += pose.bones(((x + to) / 2, 0.2 + leg / 2, thick * 1.2), (to, 0.25 + leg, thick))
            bones += pose.bones((to, 0.25 + leg, thick), (to + 0.12, 0.3 + leg, thick))
            place(rng, canvas, solid(rng, width, height, bones), lit_coat)
    head = (1.15 + 0.45 * neck, -0.45 - 0.7 * neck)
    tail = ((-1.4, rng.uniform(-0.9, 0.3), 0.07), (-1.7, rng.uniform(-1, 0.7), 0.05))
    bones = pose.bones((-1.0, -0.2, 0.12), *tail)
    bones += pose.bones((-0.85, 0, girth), (0, 0.05, girth * 0.95), (0.8, 0, girth))
    bones += pose.bones((0.8, -0.1, girth * 0.8), (*head, 0.27))
    place(rng, canvas, solid(rng, width, height, bones), coat)
    _paint_head(rng, canvas, pose, head, coat)
    return canvas


def _paint_head(
    rng: np.random.Generator, canvas: Field, pose: Pose, head: tuple[float, float], coat: Field
) -> None:
    x, y = head
    snout = rng.uniform(0.25, 0.75)
    ear = (x - rng.uniform(0, 0.4), y + rng.uniform(-0.75, 0.2), 0.06)
    bones = pose.bones((x, y, 0.34), (x + snout, y + 0.18, 0.17 + 0.1 * rng.random()))
    bones += pose.bones((x - 0.12, y - 0.25, 0.12), ear)
    place(rng, canvas, solid(rng, pose.width, pose.height, bones), coat)
    lay(canvas, (0.08, 0.07, 0.07), pose.disc([(x + snout + 0.12, y + 0.12)], 0.08))
    lay(canvas, (0.03, 0.02, 0.02), pose.disc([(x + 0.14, y - 0.08)], 0.07))
    lay(canvas, (1.0, 1.0, 1.0), pose.disc([(x + 0.16, y - 0.1)], 0.02))


def _coat(rng: np.random.Generator, width: int, height: int) -> Field:
    """Return fur, plain or with spots or stripes."""
    coat = plain(width, height, shade(rng, FURS))
    kind = rng.random()
    if kind < 0.3:
        spots = field(rng, width, height, rng.uniform(8, 22))
        lay(coat, shade(rng, FURS), ramp(spots, 0.5, 0.6))
    elif kind < 0.5:
        x, _ = coordinates(width, height)
        bands = np.cos(x * np.float32(rng.uniform(0.1, 0.25)) + fractal(rng, width, height, 5) * 2)
        lay(coat, shade(rng, FURS), ramp(bands, 0.2, 0.4))
    starts = rng.uniform(0, 1, (1000, 2)) * (width, height)
    ways = rng.uniform(0, np.pi) + rng.normal(0, 0.4, 1000)
    ends = starts + 9 * np.stack([np.cos(ways), np.sin(ways)], axis=1)
    coat *= 1 - strokes(width, height, np.stack([starts, ends], axis=1)) * np.float32(0.3)
    coat *= 1 + field(rng, width, height, width / 3) * np.float32(0.08)
    return coat


def flowers(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw flowers before leaves."""
    canvas = plain(width, height, shade(rng, SHADES))
    canvas *= 1 + fractal(rng, width, height, 8, 4) * np.float32(0.3)
    for _ in range(int(rng.integers(8, 26))):
        at, way = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0, 2 * np.pi)
        leaf = _petal(at, way, rng.uniform(0.1, 0.25) * width, 0.3)
        lay(canvas, shade(rng, LEAVES), polygon(width, height, leaf))
        lay(canvas, (0.15, 0.28, 0.10), strokes(width, height, [leaf[[0, 6]]]))
    colour, heart = shade(rng, PETALS), shade(rng, HEARTS)
    number, slim = int(rng.integers(5, 13)), rng.uniform(0.25, 0.5)
    for _ in range(int(rng.integers(1, 6))):
        at = rng.uniform(0.1, 0.9, 2) * (width, height)
        size = min(width, height) * rng.uniform(0.14, 0.4)
        for petal in range(number):
            leaf = _petal(at, rng.normal(0, 0.05) + petal * 2 * np.pi / number, size, slim)
            hue = np.clip(colour * rng.uniform(0.8, 1.1), 0, 1)
            lay(canvas, hue, polygon(width, height, leaf))
            veins = strokes(width, height, [leaf[[0, end]] for end in (4, 6, 8)])
            lay(canvas, hue * 0.7, veins * np.float32(0.8))
        lay(canvas, heart, dots(width, height, at[None], np.array([size * 0.24])))
        seeds = at + rng.normal(0, size * 0.12, (60, 2))
        lay(canvas, heart * 0.5, dots(width, height, seeds, np.full(60, 1.5)))
    return canvas


def _petal(at: NDArray[np.float64], way: float, length: float, slim: float) -> NDArray[np.float64]:
    along = np.linspace(0, np.pi, 7)
    half = np.stack([(1 - np.cos(along)) / 2, slim * np.sin(along) ** 0.8 / 2], axis=1)
    shape = np.vstack([half, half[-2:0:-1] * (1, -1)]) * length
    turn = np.array([(np.cos(way), np.sin(way)), (-np.sin(way), np.cos(way))])
    return np.asarray(shape @ turn + at)
