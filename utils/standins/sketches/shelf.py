"""Draw a still life: bottles, mugs and books, or fruit on a plate."""

import numpy as np

from utils.standins.sketches.backdrop import WOODS, backdrop, shade, table_top, wood
from utils.standins.sketches.fields import (
    Field,
    coordinates,
    creases,
    dots,
    field,
    fractal,
    lay,
    mottled,
    plain,
    ramp,
    tint,
)
from utils.standins.sketches.pose import Pose
from utils.standins.sketches.solids import place, solid

FRUITS = (
    *((0.80, 0.12, 0.12), (0.95, 0.55, 0.10), (0.55, 0.72, 0.20), (0.95, 0.82, 0.25)),
    *((0.92, 0.62, 0.48), (0.35, 0.12, 0.30), (0.75, 0.50, 0.30)),
)
GLAZES = (
    *((0.20, 0.45, 0.30), (0.30, 0.18, 0.10), (0.85, 0.85, 0.88), (0.15, 0.30, 0.62)),
    *((0.80, 0.30, 0.20), (0.85, 0.70, 0.55), (0.90, 0.78, 0.25)),
)


def still_life(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw bottles, mugs and books that stand on a board before a wall."""
    canvas = backdrop(rng, width, height)
    _, y = coordinates(width, height)
    level = height * rng.uniform(0.62, 0.75)
    board = wood(rng, width, height, shade(rng, WOODS))
    lay(canvas, board, np.clip(np.broadcast_to(y, (height, width)) - np.float32(level), 0, 1))
    x = width * rng.uniform(0.05, 0.15)
    while x < width * 0.95:
        half = width * rng.uniform(0.04, 0.1)
        foot = np.array([x, level + height * rng.uniform(0.04, 0.18)])
        pose = Pose(width, height, foot, half, 0.0, float(rng.choice((-1, 1))))
        tall = height * rng.uniform(0.25, 0.6) / half
        thing = (_paint_books, _paint_bottle, _paint_mug)[rng.integers(3)]
        thing(rng, canvas, pose, tall)
        x += half * rng.uniform(2.0, 2.7)
    return canvas


def _paint_books(rng: np.random.Generator, canvas: Field, pose: Pose, tall: float) -> None:
    x = -1.0
    while x < 1:
        end, top = x + rng.uniform(0.25, 0.6), -tall * rng.uniform(0.85, 1)
        hue = shade(rng, GLAZES)
        cracks = creases(rng, pose.width, pose.height, 120, 0.5) * np.float32(-0.12)
        mottled(canvas, hue, cracks, pose.shape([(x, top), (end, top), (end, 0), (x, 0)]))
        bands = [[(x, top * share), (end, top * share)] for share in (0.9, 0.86, 0.2, 0.16)]
        lay(canvas, (0.85, 0.75, 0.45), pose.line(bands, 0.04))
        sides = [[(edge, top), (edge, 0)] for edge in (x, end)]
        lay(canvas, (0.05, 0.05, 0.05), pose.line(sides, 0.03) * np.float32(0.7))
        x = end


def _paint_bottle(rng: np.random.Generator, canvas: Field, pose: Pose, tall: float) -> None:
    glass = plain(pose.width, pose.height, shade(rng, GLAZES))
    glass *= 1 + field(rng, pose.width, pose.height, 80) * np.float32(0.03)
    neck = -tall * rng.uniform(0.5, 0.65)
    low, high = neck * 0.25, neck * 0.85
    lay(glass, (0.93, 0.90, 0.82), pose.shape([(-1, high), (1, high), (1, low), (-1, low)]))
    rows = np.linspace(high * 0.9, low * 1.2, 5)
    letters = [[(-0.5, y), (rng.uniform(-0.1, 0.5), y)] for y in rows]
    lay(glass, (0.2, 0.1, 0.1), pose.line(letters, 0.05))
    bones = pose.bones((0, -tall, 0.32), (0, neck - 0.8, 0.34), (0, neck + 0.3, 0.85))
    bones += pose.bones((0, neck + 0.3, 0.85), (0, -0.7, 0.85))
    place(rng, canvas, solid(rng, pose.width, pose.height, bones), glass)
    tint(canvas, pose.line([[(-0.4, neck), (-0.4, -0.8)]], 0.08, 0.03), (0.35, 0.35, 0.35))


def _paint_mug(rng: np.random.Generator, canvas: Field, pose: Pose, tall: float) -> None:
    height, width = pose.height, pose.width
    top = -min(tall, 2.6)
    x, y = coordinates(width, height)
    glaze = plain(width, height, shade(rng, GLAZES))
    if rng.random() < 0.5:
        bands = np.cos(np.broadcast_to(y * np.float32(rng.uniform(0.1, 0.4)), (height, width)))
        lay(glaze, shade(rng, GLAZES), ramp(bands, 0.5, 0.6))
    glaze *= 1 + field(rng, width, height, 90) * np.float32(0.04)
    turns = np.linspace(-np.pi / 2, np.pi / 2, 8)
    grip = [(0.85 + 0.5 * np.cos(a), top * (0.5 + 0.28 * np.sin(a)), 0.12) for a in turns]
    place(rng, canvas, solid(rng, width, height, pose.bones(*grip)), glaze)
    off_light = (x - np.float32(pose.origin[0] - 0.3 * pose.unit)) / np.float32(pose.unit)
    glaze *= np.clip(1.15 - 0.45 * off_light**2, 0.3, 1.2)
    lay(canvas, glaze, pose.shape([(-1, top), (1, top), (0.9, 0), (-0.9, 0)]))
    rim = np.minimum(1, glaze.mean((1, 2)) * 1.4)
    for size, brightness in ((1.0, 1.0), (0.86, 0.25)):
        lay(canvas, rim * brightness, pose.ring(0, top, (size, 0.28 * size)))


def fruit(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw fruit on a table, mostly on a plate."""
    canvas = table_top(rng, width, height)
    origin = np.array([width, height]) * rng.normal(0.5, 0.05, 2)
    unit = min(width, height) * rng.uniform(0.36, 0.5)
    plate = Pose(width, height, origin, unit, 0.0, 1.0)
    if rng.random() < 0.6:
        for size, grey in ((1.0, 0.92), (0.72, 0.82), (0.70, 0.95)):
            lay(canvas, shade(rng, ((grey,) * 3,)), plate.disc([(0, 0)], size))
    for _ in range(int(rng.integers(2, 8))):
        origin = np.array(plate.at(*rng.normal(0, 0.38, 2)))
        turn = float(rng.uniform(0, np.pi))
        pose = Pose(width, height, origin, unit * rng.uniform(0.18, 0.38), turn, 1.0)
        _paint_fruit(rng, canvas, pose)
    return canvas


def _paint_fruit(rng: np.random.Generator, canvas: Field, pose: Pose) -> None:
    height, width = pose.height, pose.width
    long = float(rng.choice((0, 0, 0.5, 1.3)))
    peel = plain(width, height, shade(rng, FRUITS))
    blush = ramp(fractal(rng, width, height, 5, 3), 0.2, 1.4)
    lay(peel, shade(rng, FRUITS), blush * np.float32(0.6))
    places = rng.uniform(0, 1, (400, 2)) * (width, height)
    peel *= 1 - dots(width, height, places, np.ones(400)) * np.float32(rng.uniform(0.1, 0.35))
    ends = 0.9 - 0.25 * long
    bones = pose.bones((-long, 0, ends), (0, 0.3 * long, 1.0), (long, 0, ends))
    place(rng, canvas, solid(rng, width, height, bones), peel)
    tint(canvas, pose.disc([(-0.3, -0.4)], 0.12, 0.06), (0.5, 0.5, 0.5))
    stem = [(long, -0.8 + 0.7 * long), (long + 0.1, -1.05), (long + 0.25, -1.3)]
    lay(canvas, (0.25, 0.20, 0.08), np.maximum(pose.line([stem], 0.06), pose.disc(stem[:1], 0.07)))
