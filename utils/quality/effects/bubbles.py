"""Degrade the view: air bubbles in the immersion gel, or drops on the lens."""

import math

import cv2
import numpy as np

from utils.quality.light import to_light, to_picture
from utils.quality.sizes import VIEW_SIDE, resize, shape_at, shorter_side

MOST_TRIES = 100
NUM_CLUSTERS = 4
SMALLEST = 0.02
"""Radius in shorter sides."""

RIM = 0.1
"""Width of the rim as a share of the radius."""


def gel_bubbles(
    picture: np.ndarray,
    *,
    covered: float,
    bubble_seed: int,
    power: float,
    rim: float,
    size: float,
    angle: float,
    around: float = 0.3,
    dark: float = 0.75,
) -> np.ndarray:
    """Look through air in the immersion gel: each bubble is a small lens that scatters light.

    Air refracts less than the gel around it, so a bubble shows what is behind it smaller; light is
    reflected totally at its edge, which is dark, and mirrored inside it on the side of the lamp.

    Args:
        covered: Share of the picture that bubbles cover, as far as there is room for them.
        bubble_seed: Of places and sizes; the more is covered, the more bubbles are added.
        power: By how much a bubble shrinks what is seen through it, from 0 to 1.
        rim: Light of the mirrored lamp, in the light of what is behind it.
        size: Radius of the largest bubbles, in shorter sides.
        angle: Where the lamp is, in degrees.
        around: Share of its light that comes from all sides.
        dark: Share of the light that is lost at the edge.
    """
    small = shape_at(picture.shape, min(VIEW_SIDE, shorter_side(picture)))
    bubbles = _places(small, covered, bubble_seed, size)
    number = np.zeros(small, np.uint8)
    for place, (column, row, radius) in enumerate(bubbles.tolist()):
        middle, reach = (round(column), round(row)), math.ceil(1.3 * radius)
        cv2.circle(number, middle, reach, place + 1, thickness=-1)
    where = np.flatnonzero(number)
    y, x = np.indices(small, dtype=np.float32)
    rows, columns = y.ravel()[where], x.ravel()[where]
    middle_x, middle_y, radius = bubbles.astype(np.float32).T.take(number.ravel()[where] - 1, 1)
    dx, dy = (columns - middle_x) / radius, (rows - middle_y) / radius
    distance = np.sqrt(dx * dx + dy * dy)
    inside = np.clip((1 - distance) * radius + 0.5, 0, 1)
    lamp_x, lamp_y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    towards = np.square(0.5 + 0.5 * (dx * lamp_x + dy * lamp_y))
    bright = np.exp(np.square((distance - 0.8) / RIM) * -1) * inside
    pull = (power * radius) * inside * distance * distance
    passed, glint = np.ones(small, np.float32), np.zeros(small, np.float32)
    x.ravel()[where] += pull * dx
    y.ravel()[where] += pull * dy
    passed.ravel()[where] = 1 - dark * np.exp(np.square((distance - 1) / RIM) * -1)
    glint.ravel()[where] = bright * (around + (1 - around) * towards)
    scale = picture.shape[1] / small[1]
    x, y, passed, glint = (resize(field, picture.shape) for field in (x, y, passed, glint))
    x, y = ((axis + 0.5) * scale - 0.5 for axis in (x, y))
    seen = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = to_light(seen)
    behind = np.array(cv2.mean(light)[:3]) * 0.7 + 0.1  # a lamp's light, tinted by the skin
    light *= cv2.merge([passed, passed, passed])
    light += cv2.merge([glint * np.float32(rim * channel) for channel in behind])
    return to_picture(light)


def _places(shape: tuple[int, int], covered: float, bubble_seed: int, size: float) -> np.ndarray:
    """Return column, row and radius, in pixels, of bubbles that cover a share of the picture.

    They lie in clusters, most of them are small, and they do not overlap. Shape (number, 3).
    """
    rng = np.random.default_rng(bubble_seed)
    clusters, large = rng.random((NUM_CLUSTERS, 2)), rng.random(MOST_TRIES)
    middles = clusters[rng.integers(NUM_CLUSTERS, size=MOST_TRIES)]
    middles = (middles + 0.22 * rng.standard_normal((MOST_TRIES, 2))) % 1 * shape
    radii = min(shape) * (SMALLEST + (size - SMALLEST) * large**2)
    away = np.hypot(*(middles[:, None] - middles).T)
    meets = away < radii[:, None] + radii
    kept: list[int] = []
    area = 0.0
    for number in range(MOST_TRIES):
        if meets[number, kept].any():
            continue
        kept.append(number)
        area += math.pi * radii[number] ** 2
        if area >= covered * shape[0] * shape[1]:
            break
    return np.column_stack([middles[kept, 1], middles[kept, 0], radii[kept]])
