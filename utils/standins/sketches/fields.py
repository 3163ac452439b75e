"""The raw material of a drawing: fields, masks and strokes from random numbers.

Canvases are float32 RGB from 0 to 1, 3 x height x width, for numpy works fastest along whole
planes; fields and masks are height x width.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Colour = Sequence[float] | NDArray[np.floating]

SHIFT = 4
"""Bits after the binary point in coordinates handed to OpenCV."""

DARKEST_MEAN = 0.28
"""Mean value that a camera exposes at least to, unless the brightest parts would burn out."""

BENDS = np.linspace(-0.5, 0.5, 12)
"""How far along its bend each step of a curve is."""


def field(rng: np.random.Generator, width: int, height: int, cells: float) -> Field:
    """Return smooth noise of about unit variance with `cells` bumps along the longer side."""
    step = max(width, height) / cells
    small = (max(2, round(height / step) + 1), max(2, round(width / step) + 1))
    noise = rng.standard_normal(small, dtype=np.float32)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def fractal(
    rng: np.random.Generator, width: int, height: int, cells: float, octaves: int = 4
) -> Field:
    """Return cloudy noise of about unit variance: fields of ever finer bumps, ever weaker."""
    # The finest bumps decide how many pixels are needed; the rest is enlarging.
    scale = max(1, int(max(width, height) / (cells * 2 ** (octaves - 1)) / 4))
    small_width, small_height = -(-width // scale), -(-height // scale)
    total = np.zeros((small_height, small_width), np.float32)
    for octave in range(octaves):
        bumps = field(rng, small_width, small_height, cells * 2**octave)
        total += bumps * np.float32(0.8 * 0.6**octave)
    if scale == 1:
        return total
    return np.asarray(cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC))


def creases(
    rng: np.random.Generator, width: int, height: int, cells: float, fineness: float = 0.25
) -> Field:
    """Return a mesh of thin lines, 1 on a line and 0 far from it."""
    bumps = field(rng, width, height, cells)
    np.abs(bumps, out=bumps)
    bumps /= np.float32(fineness)
    return np.asarray(np.clip(1 - bumps, 0, 1))


def coordinates(width: int, height: int) -> tuple[Field, Field]:
    """Return x (1 x width) and y (height x 1), in pixels."""
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    return x, y


def ramp(values: Field, low: float | np.floating, high: float | np.floating) -> Field:
    """Scale `values` to rise smoothly from 0 at `low` to 1 at `high`."""
    t = values * np.float32(1 / (high - low))
    t -= np.float32(low / (high - low))
    np.clip(t, 0, 1, out=t)
    slope = t * -2
    slope += 3
    t *= t
    t *= slope
    return np.asarray(t)


def plain(width: int, height: int, colour: Colour) -> Field:
    """Return a canvas of one colour."""
    canvas = np.empty((3, height, width), np.float32)
    canvas[:] = np.asarray(colour, np.float32)[:, None, None]
    return canvas


def extent(mask: NDArray[np.floating]) -> tuple[slice, slice]:
    """Return the rows and columns outside of which `mask` is 0; most masks are, nearly all over."""
    x, y, width, height = cv2.boundingRect((mask != 0).view(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def lay(canvas: Field, colour: Colour, mask: NDArray[np.floating]) -> None:
    """Paint `colour`, or another canvas, over `canvas` where `mask` is above 0."""
    rows, columns = extent(mask)
    mask = mask[rows, columns].astype(np.float32, copy=False)
    values = np.asarray(colour, np.float32)
    if values.ndim > 1:
        values = values[:, rows, columns]
    for plane, value in zip(canvas[:, rows, columns], values, strict=True):
        change = value - plane
        change *= mask
        plane += change


def mottled(canvas: Field, colour: Colour, change: Field, mask: NDArray[np.floating]) -> None:
    """Paint `colour`, made lighter and darker by the part `change`, where `mask` is above 0."""
    rows, columns = extent(mask)
    change, mask = change[rows, columns], mask[rows, columns]
    values = plain(mask.shape[1], mask.shape[0], colour)
    values *= 1 + change
    lay(canvas[:, rows, columns], values, mask)


def tint(canvas: Field, strength: Field, colour: Colour = (1, 1, 1)) -> None:
    """Add `strength` times `colour` to `canvas`."""
    for plane, value in zip(canvas, np.asarray(colour, np.float32), strict=True):
        plane += strength * value


def points(coordinates_in_pixels: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return coordinates as OpenCV wants them, with `SHIFT` bits after the binary point."""
    return np.asarray(np.rint(np.asarray(coordinates_in_pixels) * (1 << SHIFT)), np.int32)


def polygon(width: int, height: int, corners: NDArray[np.floating] | Sequence[object]) -> Field:
    """Return the mask of a filled polygon with smooth edges."""
    mask = np.zeros((height, width), np.uint8)
    corner_points = points(np.asarray(corners, np.float64)).reshape(-1, 1, 2)
    cv2.fillPoly(mask, [corner_points], 255, cv2.LINE_AA, SHIFT)
    return mask.astype(np.float32) / np.float32(255)


def strokes(
    width: int,
    height: int,
    lines: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    thickness: int = 1,
) -> Field:
    """Return the mask of smooth-edged curves, each a list of points."""
    mask = np.zeros((height, width), np.uint8)
    # Curves of as many points each come as one array, which is rounded at once.
    rounded = points(lines) if isinstance(lines, np.ndarray) else [points(line) for line in lines]
    curves = [line.reshape(-1, 1, 2) for line in rounded]
    cv2.polylines(mask, curves, False, 255, thickness, cv2.LINE_AA, SHIFT)
    return mask.astype(np.float32) / np.float32(255)


def dots(
    width: int, height: int, centres: NDArray[np.floating], radii: NDArray[np.floating]
) -> Field:
    """Return the mask of smooth-edged discs."""
    mask = np.zeros((height, width), np.uint8)
    for (x, y), radius in zip(points(centres).tolist(), points(radii).tolist(), strict=True):
        cv2.circle(mask, (x, y), max(4, radius), 255, cv2.FILLED, cv2.LINE_AA, SHIFT)
    return mask.astype(np.float32) / np.float32(255)


def blurred(mask: Field, sigma: float) -> Field:
    """Return a mask with soft edges, of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


def curve(
    rng: np.random.Generator, start: Sequence[float], length: float, angle: float, bend: float
) -> NDArray[np.float64]:
    """Return the points of a curved line, such as a hair; `bend` is its turn in radians."""
    turns = angle + bend * BENDS + rng.normal(0, 0.03, 12).cumsum()
    path = np.zeros((13, 2))
    np.cos(turns, out=path[1:, 0])
    np.sin(turns, out=path[1:, 1])
    path *= length / 12
    return np.asarray(start + path.cumsum(axis=0), np.float64)


def finished(rng: np.random.Generator, canvas: Field, grain: float = 0.006) -> NDArray[np.uint8]:
    """Expose what is too dark, add the camera's faint grain and return 8-bit pixels."""
    sample = canvas[:, ::8, ::8]
    headroom = 0.95 / float(np.quantile(sample, 0.98))
    exposure = np.float32(max(1.0, min(2.0, headroom, DARKEST_MEAN / float(sample.mean()))))
    noise = rng.standard_normal(canvas.shape[1:], dtype=np.float32)
    noise *= np.float32(grain * 255)
    planes = []
    for plane in canvas:
        plane *= exposure
        values = plane * np.float32(255)
        values += noise
        np.clip(values, 0, 255, out=values)
        planes.append(values.astype(np.uint8))
    return np.asarray(cv2.merge(planes), np.uint8)
