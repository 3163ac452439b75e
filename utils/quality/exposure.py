"""A well-lit picture in, one with too little, too much or stray light out; in linear light."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from utils.quality.light import LIGHT_OF_VALUE, tabulate, to_light, to_picture
from utils.quality.noise import grain, noise_of_value
from utils.quality.sizes import coordinates, resize, shape_at

MAP_SIDE = 64
"""Smooth maps of light are computed at this shorter side and enlarged."""

DARKEST = 0.02
"""Linear light below which a pixel counts as frame or background, not as subject."""


def subject_light(picture: np.ndarray, share: float) -> float:
    """Return the linear light that a `share` of the subject's pixels stays below.

    Dark surrounds, such as the frame of a dermatoscope, do not count.
    """
    step = max(1, min(picture.shape[:2]) // MAP_SIDE)
    sample = np.ascontiguousarray(picture[::step, ::step])
    light = np.sort(LIGHT_OF_VALUE[cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)], axis=None)
    subject = light[np.searchsorted(light, DARKEST) :]
    if len(subject) < 0.02 * light.size:
        subject = light
    return float(subject[min(len(subject) - 1, int(share * len(subject)))])


def fall_off(shape: tuple[int, ...], x: float, y: float, depth: float) -> np.ndarray:
    """Return a map (float32, height x width x 3) of light that is 1 at a point and falls around it.

    Args:
        x: Of the brightest point, in shorter sides from the middle.
        y: Likewise.
        depth: Stops of light lost at one shorter side from that point.
    """
    small = shape_at(shape, min(MAP_SIDE, min(shape[:2])))
    columns, rows = coordinates(small)
    squared = (columns - x) ** 2 + (rows - y) ** 2
    light = np.exp2(-depth * squared).astype(np.float32)
    return resize(cv2.merge([light, light, light]), shape)


def under_exposure(
    picture: np.ndarray,
    *,
    stops: float,
    noise_seed: int,
    warmth: float = 0.0,
    depth: float = 0.0,
    x: float = 0.0,
    y: float = 0.0,
    noise: float = 0.01,
) -> np.ndarray:
    """Photograph in dim light: dark, noisy, and often lit by a warm lamp from one side.

    Args:
        stops: How far the bright parts (the 90th percentile) lie below full light. The other
            effects grow with it, too: the darker the room, the more they count.
        warmth: By how many stops blue is weaker than red, as under a light bulb, per stop.
        depth: Of the lamp's fall-off around (x, y) per stop, see `fall_off`.
        noise: Photon noise at full light, after the camera has raised its gain, per stop.
    """
    gain = min(0.85, 1 / max(subject_light(picture, 0.9), 0.01)) * 2.0**-stops
    noise *= stops
    tint = np.exp2(np.float32([0, -0.4, -1]) * warmth * stops)
    field = grain(picture.shape, noise_seed, 0.5, 0.6)
    field *= cv2.LUT(picture, noise_of_value(noise, 0.3 * noise * math.sqrt(gain), gain))
    light = cv2.transform(to_light(picture), np.diag(tint * gain).astype(np.float32))
    if depth:
        light *= fall_off(picture.shape, x, y, depth * stops)
    light += field
    return to_picture(light)


def over_exposure(picture: np.ndarray, *, blown: float, veil: float = 0.0) -> np.ndarray:
    """Let in too much light: a share of the subject is blown out to white.

    Args:
        blown: Share of the subject that reaches full light.
        veil: Stray light in the lens, in linear light, that greys the shadows.
    """
    gain = min(max(1 / max(subject_light(picture, 1 - blown), 0.01), 1.2 + blown), 40.0)
    curve = LIGHT_OF_VALUE * gain + veil * blown
    return cv2.LUT(picture, tabulate(curve))


def glare(
    picture: np.ndarray,
    *,
    reach: float,
    spots: Sequence[Sequence[float]],
    tint: float = 0.0,
    halo: float = 0.5,
) -> np.ndarray:
    """Reflect a lamp or flash in skin, glass or gel: blown-out spots, each with a veil around it.

    Args:
        reach: Radius of the blown-out part of a spot of size 1, in shorter sides.
        spots: For each spot x, y (in half sides from the middle), size, aspect, angle (degrees).
        tint: How warm (above 0) or cold the lamp is.
        halo: Linear light of the veil at the middle of a spot.
    """
    height, width = picture.shape[:2]
    small = shape_at(picture.shape, min(MAP_SIDE, height, width))
    columns, rows = coordinates(small)
    side = min(height, width)
    total = np.zeros(small, np.float32)
    for x, y, size, aspect, angle in spots:
        turn = math.radians(angle)
        dx, dy = columns - x * width / side / 2, rows - y * height / side / 2
        along = dx * math.cos(turn) + dy * math.sin(turn)
        across = (dy * math.cos(turn) - dx * math.sin(turn)) / aspect
        distance = np.sqrt(along**2 + across**2) / (reach * size)
        total += 1.5 * np.exp(-0.4 * distance**3) + halo * np.exp(-0.7 * distance)
    colour = np.float32([1 + 0.2 * tint, 1, 1 - 0.2 * tint])
    light = resize(cv2.merge([total * channel for channel in colour]), picture.shape)
    light += to_light(picture)
    return to_picture(light)
