"""Draw a car, a van or a bus on a road."""

import itertools

import numpy as np

from utils.standins.sketches.backdrop import shade
from utils.standins.sketches.fields import (
    Field,
    blurred,
    coordinates,
    field,
    fractal,
    lay,
    plain,
    ramp,
    tint,
)
from utils.standins.sketches.places import building, landscape
from utils.standins.sketches.pose import Pose

PAINTS = (
    *((0.75, 0.10, 0.12), (0.12, 0.25, 0.60), (0.92, 0.92, 0.94), (0.10, 0.10, 0.12)),
    *((0.95, 0.75, 0.15), (0.15, 0.45, 0.30), (0.80, 0.62, 0.52), (0.55, 0.58, 0.62)),
)
ROADS = ((0.32, 0.32, 0.34), (0.55, 0.52, 0.48))
PANES = ((0.16, 0.22, 0.28), (0.45, 0.56, 0.64))

KINDS = ((0.26, 0.24, 0.52, 3), (0.32, 0.12, 0.88, 3), (0.40, 0.02, 0.96, 7))
"""Height of the roof, where the cabin begins and ends, and most windows: car, van and bus."""


def vehicle(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw a car, a van or a bus from the side on a road."""
    canvas = landscape(rng, width, height) if rng.random() < 0.5 else building(rng, width, height)
    road = plain(width, height, shade(rng, ROADS))
    road *= 1 + field(rng, width, height, 150) * np.float32(0.10)
    _, y = coordinates(width, height)
    level = np.broadcast_to(y, (height, width)) - np.float32(height * rng.uniform(0.62, 0.72))
    lay(canvas, road, np.clip(level, 0, 1))
    long, foot = width * rng.uniform(0.5, 0.85), height * rng.uniform(0.76, 0.9)
    origin = np.array([width * rng.uniform(0.25, 0.75), foot])
    pose = Pose(width, height, origin, long, 0.0, float(rng.choice((-1, 1))))
    roof, start, end, most_windows = KINDS[rng.integers(len(KINDS))]
    start, end = start - 0.5, end - 0.5
    shadow = pose.shape([(-0.53, 0.07), (0.53, 0.07), (0.5, -0.02), (-0.5, -0.02)])
    canvas *= 1 - blurred(shadow, 5) * np.float32(0.6)
    paint = plain(width, height, shade(rng, PAINTS))
    paint *= 1.1 - 0.35 * ramp(np.broadcast_to(y, (height, width)), foot - 0.3 * long, foot)
    tint(paint, ramp(fractal(rng, width, height, 4, 2), 0.6, 1.6), (0.16, 0.17, 0.18))
    front = [(-0.5, 0.0), (-0.5, -0.11), (-0.47, -0.15), (start - 0.02, -0.17)]
    top = [(start + 0.1, -roof), (end + 0.02, -roof), (min(end + 0.16, 0.5), -0.17)]
    lay(canvas, paint, pose.shape([*front, *top, (0.49, -0.15), (0.5, -0.09), (0.5, 0.0)]))
    edges = np.linspace(start + 0.08, end + 0.02, int(rng.integers(2, most_windows + 1)) + 1)
    glass = shade(rng, PANES)
    for low, high in itertools.pairwise(edges):
        pane = [(low + 0.012, -0.18), (low + 0.02, 0.02 - roof)]
        pane += [(high - 0.012, 0.02 - roof), (high - 0.006, -0.18)]
        lay(canvas, glass * rng.uniform(0.8, 1.2), pose.shape(pane))
    seams = [[(x, -0.015), (x, -0.17)] for x in edges]
    lay(canvas, (0.08, 0.08, 0.09), pose.line(seams, 0.003) * np.float32(0.7))
    wheels = [(-0.3, 0.0), (0.3, 0.0)]
    for radius, grey in ((0.085, 0.05), (0.05, 0.65), (0.042, 0.5), (0.015, 0.1)):
        lay(canvas, (grey,) * 3, pose.disc(wheels, radius))
    lay(canvas, (1.0, 0.92, 0.65), pose.disc([(-0.48, -0.11), (0.48, -0.11)], 0.018))
    return canvas
