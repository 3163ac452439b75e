"""Round bodies made of tapered bones in, a shaded picture of them on a background out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.sources.sketches.fields import Field, blurred, coordinates, lay, ramp

Bone = tuple[float, float, float, float, float, float]
"""x, y and radius at one end, then at the other, in pixels."""

SCALE = 2
"""The shape is worked out on every second pixel: it is smooth, and its edge is found after."""


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
    x, y = coordinates(-(-width // SCALE), -(-height // SCALE))
    depth = np.full((y.size, x.size), -1e6, np.float32)
    bulge = np.zeros_like(depth)
    for start_x, start_y, start_radius, end_x, end_y, end_radius in np.asarray(bones) / SCALE:
        run_x, run_y = np.float32(end_x - start_x), np.float32(end_y - start_y)
        off_x, off_y = x - np.float32(start_x), y - np.float32(start_y)
        length = np.float32(max(float(run_x) ** 2 + float(run_y) ** 2, 1e-3))
        place = np.clip((off_x * (run_x / length) + off_y * (run_y / length)), 0, 1)
        away = (off_x - place * run_x) ** 2 + (off_y - place * run_y) ** 2
        radius = np.float32(start_radius) + place * np.float32(end_radius - start_radius)
        np.maximum(bulge, radius * radius - away, out=bulge)
        np.maximum(depth, radius - np.sqrt(away), out=depth)
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


def place(rng: np.random.Generator, canvas: Field, body: Solid, surface: Field) -> None:
    """Paint a body with this surface on `canvas`, with the shadow that it throws."""
    offset = rng.normal(0, 0.02, 2) * body.mask.shape[::-1]
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
    shadow = cv2.warpAffine(body.depth, move, body.mask.shape[::-1], borderValue=-99.0)
    canvas *= 1 - np.float32(0.45) * ramp(np.asarray(shadow), -0.04 * body.mask.shape[1], 4)
    lay(canvas, surface * body.light, body.mask)


def chain(points: Sequence[tuple[float, float, float]]) -> list[Bone]:
    """Join points (x, y, radius) to a row of bones."""
    return [(*first, *second) for first, second in itertools.pairwise(points)]
