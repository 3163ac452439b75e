"""Degrade by lamps: mirrored in what is photographed, or in view, so that the rest stays dark."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from utils.quality.alone import upper_quartile
from utils.quality.effects.exposure import MAP_SIDE, MOST_STOPS, full_light, subject
from utils.quality.effects.noise import grain, noise_of_value
from utils.quality.light import to_light, to_picture
from utils.quality.measures import luma
from utils.quality.sizes import coordinates, resize, shape_at
from utils.quality.solve import least

Spots = Sequence[Sequence[float]]
"""Of each x, y (in half sides from the middle), size, aspect and angle (degrees)."""

DIM = 110.0
"""Three quarters of a subject are below this grey value where dim light leaves a share of it."""


def distances(shape: tuple[int, ...], reach: float, spots: Spots) -> list[np.ndarray]:
    """Return for each spot a map (float32) of the distance from it, 1 at its edge.

    Args:
        shape: Height and width, in pixels.
        reach: Radius of a spot of size 1, in shorter sides.
    """
    height, width = shape[:2]
    columns, rows = coordinates(shape)
    side = min(height, width)
    found = []
    for x, y, size, aspect, angle in spots:
        turn = math.radians(angle)
        dx, dy = columns - x * width / side / 2, rows - y * height / side / 2
        along = dx * math.cos(turn) + dy * math.sin(turn)
        across = (dy * math.cos(turn) - dx * math.sin(turn)) / aspect
        found.append(np.sqrt(along**2 + across**2) / (reach * size))
    return found


def spot_light(
    shape: tuple[int, ...], reach: float, spots: Spots, tint: float, halo: float
) -> np.ndarray:
    """Return the light (float32, height x width x 3) of blown-out spots with a veil around each.

    Args:
        reach: Radius of the blown-out part of a spot of size 1, in shorter sides.
        tint: How warm (above 0) or cold the lamp is.
        halo: Linear light of the veil at the middle of a spot.
    """
    small = shape_at(shape, min(MAP_SIDE, *shape[:2]))
    total = np.zeros(small, np.float32)
    for distance in distances(small, reach, spots):
        total += 1.5 * np.exp(-0.4 * distance**3) + halo * np.exp(-0.7 * distance)
    colour = np.array([1 + 0.2 * tint, 1, 1 - 0.2 * tint], np.float32)
    return resize(cv2.merge([total * channel for channel in colour]), shape)


def glare(
    picture: np.ndarray, *, reach: float, spots: Spots, tint: float = 0.0, halo: float = 0.5
) -> np.ndarray:
    """Reflect a lamp or flash in skin, glass or gel: blown-out spots, each with a veil around it.

    Args:
        reach: Radius of the blown-out part of a spot of size 1, in shorter sides.
        spots: Where they are, see `Spots`.
        tint: How warm (above 0) or cold the lamp is.
        halo: Linear light of the veil at the middle of a spot.
    """
    light = spot_light(picture.shape, reach, spots, tint, halo)
    light += to_light(picture)
    return to_picture(light)


def against_light(
    picture: np.ndarray,
    *,
    brightness: float,
    reach: float,
    spots: Spots,
    noise_seed: int,
    spill: float = 3.0,
    is_in_view: bool = True,
    tint: float = 0.0,
    halo: float = 0.2,
    noise: float = 0.01,
) -> np.ndarray:
    """Expose for lamps, a screen or a window in view: they are bright, and all else is dark.

    What lies next to a lamp is lit by it. By how many stops the rest is too dark follows from the
    brightness.

    Args:
        brightness: Grey value that three quarters of the subject stay below; in proportion less
            where the subject has less than `DIM`.
        reach: Radius of a lamp of size 1, in shorter sides.
        spots: Where the lamps are, see `Spots`.
        spill: How far a lamp lights what is around it, in its own radii.
        is_in_view: Whether the lamps are seen, or only what they light, as with a flash.
        tint: How warm (above 0) or cold the lamps are.
        halo: Linear light of the veil at the middle of a lamp.
        noise: Photon noise at full light, after the camera has raised its gain, per stop.
    """
    few, shown = subject(picture)
    few_light, full = to_light(few), full_light(picture)
    wanted = brightness * min(1.0, upper_quartile(luma(few)[shown]) / DIM)
    lost = (1 - _lit(few.shape, reach * spill, spots))[:, :, None]

    def is_dark(stops: float) -> bool:
        grey = luma(to_picture(few_light * (full * np.exp2(-stops * lost))))
        return upper_quartile(grey[shown]) <= wanted

    stops = least(is_dark, 0, MOST_STOPS)
    gain = full * 2.0**-stops
    noise *= stops
    field = grain(picture.shape, noise_seed, 0.5, 0.6)
    field *= cv2.LUT(picture, noise_of_value(noise, 0.3 * noise * math.sqrt(gain), gain))
    small = shape_at(picture.shape, min(MAP_SIDE, *picture.shape[:2]))
    left = full * np.exp2(-stops * (1 - _lit(small, reach * spill, spots)))
    light = to_light(picture)
    light *= resize(cv2.merge([left.astype(np.float32)] * 3), picture.shape)
    if is_in_view:
        light += spot_light(picture.shape, reach, spots, tint, halo)
    light += field
    return to_picture(light)


def _lit(shape: tuple[int, ...], reach: float, spots: Spots) -> np.ndarray:
    """Return how much of the dark the lamps light up: 1 beside a lamp, 0 far from all."""
    dark = np.ones(shape[:2], np.float32)
    for distance in distances(shape, reach, spots):
        dark *= 1 - np.exp(-(distance**2))
    return 1 - dark
