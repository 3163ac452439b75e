"""Shade round bodies made of tapered bones on a background."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import Field, blurred, coordinates, extent, lay, ramp

Bone = tuple[float, float, float, float, float, float]
"""x, y and radius at one end, then at the other, in pixels."""

SCALE = 2
"""The shape is worked out on every second pixel: it is smooth, and its edge is found after."""

SHADOW = 0.04
"""How far a shadow reaches beyond a body, as a part of the picture's width."""

FAR = -1e6
"""Depth of what is so far outside of a body that not even its shadow gets there."""


@dataclass(frozen=True)
class Solid:
    """What a body looks like from the front.

    Attributes:
        mask: 1 inside its outline, 0 outside.
        light: By how much its colour brightens or darkens, about 1.
        depth: How far inside the outline each pixel is, in pixels; negative outside.
    """

    mask: Field
    light: Field
    depth: Field


def solid(
    rng: np.random.Generator,
    width: int,
    height: int,
    bones: Sequence[Bone],
    flatness: float = 1.0,
    contrast: float = 0.55,
) -> Solid:
    """Join bones, each a thick line with round ends, to one body lit from the side.

    Args:
        rng: Decides where the light comes from.
        width: Width of the picture in pixels.
        height: Its height.
        bones: What the body is made of.
        flatness: Above 1 the body is flat in the middle and bends at its edges only.
        contrast: How dark the side away from the light is, from 0 to 1.
    """
    depth, bulge = _join(-(-width // SCALE), -(-height // SCALE), np.asarray(bones) / SCALE)
    relief = blurred(bulge ** np.float32(0.5 / flatness), 1.5)
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    way, up = rng.uniform(-np.pi, 0), rng.uniform(0.6, 1.4)
    towards = -(np.cos(way) * slope_x + np.sin(way) * slope_y) + up
    facing = towards.astype(np.float32) / np.sqrt(slope_x**2 + slope_y**2 + 1)
    light = (1 - contrast) + contrast * np.clip(facing / np.float32(np.hypot(1, up)), 0, 1) * 1.25
    size = (width, height)
    light = cv2.resize(light.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    depth = cv2.resize(depth, size, interpolation=cv2.INTER_LINEAR) * np.float32(SCALE)
    return Solid(np.asarray(np.clip(depth + 0.5, 0, 1)), np.asarray(light), np.asarray(depth))


def _join(width: int, height: int, bones: NDArray[np.float64]) -> tuple[Field, Field]:
    """Return the depth of joined bones, and the square of their height above the background."""
    x, y = coordinates(width, height)
    depth = np.full((height, width), FAR, np.float32)
    bulge = np.zeros_like(depth)
    reach = SHADOW * width + 2
    for start_x, start_y, start_radius, end_x, end_y, end_radius in bones:
        margin = max(start_radius, end_radius) + reach
        columns = _between(min(start_x, end_x) - margin, max(start_x, end_x) + margin)
        rows = _between(min(start_y, end_y) - margin, max(start_y, end_y) + margin)
        run_x, run_y = np.float32(end_x - start_x), np.float32(end_y - start_y)
        off_x, off_y = x[:, columns] - np.float32(start_x), y[rows] - np.float32(start_y)
        length = np.float32(max(float(run_x) ** 2 + float(run_y) ** 2, 1e-3))
        place = off_x * (run_x / length) + off_y * (run_y / length)
        np.clip(place, 0, 1, out=place)
        away = off_x - place * run_x
        away *= away
        aside = off_y - place * run_y
        aside *= aside
        away += aside
        place *= np.float32(end_radius - start_radius)
        place += np.float32(start_radius)
        height_above = np.multiply(place, place, out=aside)
        height_above -= away
        np.maximum(bulge[rows, columns], height_above, out=bulge[rows, columns])
        place -= np.sqrt(away, out=away)
        np.maximum(depth[rows, columns], place, out=depth[rows, columns])
    return depth, bulge


def _between(low: float, high: float) -> slice:
    """Return the pixels from `low` to `high`, as far as they lie in the picture."""
    return slice(max(0, int(low)), max(0, int(high) + 1))


def place(rng: np.random.Generator, canvas: Field, body: Solid, surface: Field) -> None:
    """Paint a body with this surface on `canvas`, with the shadow that it throws."""
    offset = rng.normal(0, 0.02, 2) * body.mask.shape[::-1]
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
    shadow = cv2.warpAffine(body.depth, move, body.mask.shape[::-1], borderValue=-99.0)
    shade = ramp(np.asarray(shadow), -SHADOW * body.mask.shape[1], 4)
    rows, columns = extent(shade)
    canvas[:, rows, columns] *= 1 - np.float32(0.45) * shade[rows, columns]
    rows, columns = extent(body.mask)
    lit = surface[:, rows, columns] * body.light[rows, columns]
    lay(canvas[:, rows, columns], lit, body.mask[rows, columns])


def chain(points: Sequence[tuple[float, float, float]]) -> list[Bone]:
    """Join points (x, y, radius) to a row of bones."""
    return [(*first, *second) for first, second in itertools.pairwise(points)]
