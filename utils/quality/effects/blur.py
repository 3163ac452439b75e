"""Degrade sharpness: defocus, motion and partial defocus, computed in linear light."""

import math

import cv2
import numpy as np

from utils.quality.light import to_light, to_picture
from utils.quality.sizes import VIEW_SIDE, at_most, coordinates, resize, shape_at, shorter_side

MAP_SIDE = 64
"""Smooth maps are computed at this shorter side and enlarged."""

LONGEST_KERNEL = 11
"""In pixels. A wider disc works on a smaller picture: its detail is gone anyway, and OpenCV turns
to the Fourier transform, several times slower, from about 11 x 11."""


MOST_TURNS = 32
"""Turned copies of a picture that a roll is the mean of: two to three pixels apart at the worst."""


def disc_kernel(radius: float, aspect: float = 1.0, angle: float = 0.0) -> np.ndarray:
    """Return the image of a point out of focus: an evenly lit disc with anti-aliased edge.

    Args:
        radius: In pixels.
        aspect: Short over long axis; below 1 the disc is an ellipse (astigmatism, cat's eye).
        angle: Of the long axis, in degrees.
    """
    reach = max(1, math.ceil(radius))
    x, y = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    turn = math.radians(angle)
    along = x * math.cos(turn) + y * math.sin(turn)
    across = (y * math.cos(turn) - x * math.sin(turn)) / aspect
    kernel = np.clip(radius + 0.5 - np.hypot(along, across), 0, 1)
    normed: np.ndarray = (kernel / kernel.sum()).astype(np.float32)
    return normed


def path_kernel(length: float, angle: float, bend: float, pace: float) -> np.ndarray:
    """Return the image of a point under a moving camera: an anti-aliased arc.

    Args:
        length: Of the path, in pixels.
        angle: Direction in the middle of the path, in degrees.
        bend: How far the direction turns along the path, in degrees.
        pace: How uneven the movement is, from -1 to 1; 0 lights the path evenly.
    """
    count = max(8, math.ceil(3 * length))
    time = (np.arange(count) + 0.5) / count - 0.5
    turn = np.radians(angle + bend * time)
    x = np.cumsum(np.cos(turn)) * length / count
    y = np.cumsum(np.sin(turn)) * length / count
    light = 1 + pace * 2 * time
    x -= np.average(x, weights=light)  # else the whole picture would shift
    y -= np.average(y, weights=light)
    reach = max(1, math.ceil(max(np.abs(x).max(), np.abs(y).max())))
    size = 2 * reach + 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    kernel = np.zeros((size + 1) * (size + 1))
    for right in (0, 1):
        for below in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top))
            place = (top + below + reach) * (size + 1) + left + right + reach
            kernel += np.bincount(place, light * share, kernel.size)
    kernel = kernel.reshape(size + 1, size + 1)[:size, :size]
    normed: np.ndarray = (kernel / kernel.sum()).astype(np.float32)
    return normed


def convolve(light: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Blur with a kernel whose sum is 1; beyond its edges the picture is mirrored."""
    return cv2.filter2D(light, -1, cv2.flip(kernel, -1), borderType=cv2.BORDER_REFLECT)


def defocus_blur(
    picture: np.ndarray, *, radius: float, aspect: float = 1.0, angle: float = 0.0
) -> np.ndarray:
    """Put a picture out of focus.

    Args:
        radius: Of the disc that a point becomes, in shorter sides.
    """
    return to_picture(_defocused(to_light(picture), radius, aspect, angle))


def _defocused(
    light: np.ndarray, radius: float, aspect: float = 1.0, angle: float = 0.0
) -> np.ndarray:
    working_side = VIEW_SIDE
    while 2 * math.ceil(radius * working_side) + 1 > LONGEST_KERNEL:
        working_side //= 2
    small = at_most(light, working_side)
    kernel = disc_kernel(radius * shorter_side(small), aspect, angle)
    return resize(convolve(small, kernel), light.shape)


def motion_blur(
    picture: np.ndarray,
    *,
    length: float,
    angle: float,
    bend: float = 0.0,
    pace: float = 0.0,
    roll: float = 0.0,
) -> np.ndarray:
    """Move the camera, or the patient, while the shutter is open.

    Args:
        length: Of the path, in shorter sides.
        roll: Share of it by which the camera rolls about its optical axis instead of moving
            sideways: sharp in the middle, and `length * roll` long half a shorter side from there.
    """
    small = at_most(to_light(picture), VIEW_SIDE)  # never less: detail along the path stays
    kernel = path_kernel(length * (1 - roll) * shorter_side(small), angle, bend, pace)
    light = convolve(small, kernel)
    if roll:
        light = rolled(light, 2 * length * roll)
    return to_picture(resize(light, picture.shape))


def rolled(light: np.ndarray, turn: float) -> np.ndarray:
    """Blur along circles around the middle: the mean over turns from -turn/2 to turn/2.

    Each copy is turned from the picture itself: turned ones turned again would blur across, too.

    Args:
        turn: In radians.
    """
    height, width = light.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    farthest = math.hypot(height, width) / 2
    count = min(max(1, math.ceil(turn * farthest)), MOST_TURNS)  # a pixel apart in the corners
    total = np.zeros_like(light)
    for number in range(count):
        angle = math.degrees(turn * ((number + 0.5) / count - 0.5))
        total += cv2.warpAffine(
            light,
            cv2.getRotationMatrix2D(centre, angle, 1),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
    return total / count


def partial_defocus(
    picture: np.ndarray,
    *,
    radius: float,
    focus: float,
    depth: float,
    ramp: float,
    angle: float,
    curve: float = 0.0,
) -> np.ndarray:
    """Focus on the wrong plane: what lies in front of it or behind it is blurred.

    The disc that a point becomes grows with its distance from the plane of focus, up to `radius`
    (thin lens). Three pictures are mixed: sharp, half and fully out of focus.

    Args:
        radius: Of the largest disc, in shorter sides.
        focus: Where the line that is in focus lies, in shorter sides from the middle.
        depth: Depth of field: so far on either side of it all is sharp.
        ramp: Distance beyond the depth of field at which the disc is as large as `radius`.
        angle: The direction across that line, in degrees.
        curve: By how much the surface bends away at one shorter side from the middle.
    """
    small = shape_at(picture.shape, min(MAP_SIDE, shorter_side(picture)))
    columns, rows = coordinates(small)
    turn = math.radians(angle)
    place = columns * math.cos(turn) + rows * math.sin(turn) + curve * (columns**2 + rows**2)
    blurred = np.clip((np.abs(place - focus) - depth) / ramp, 0, 1).astype(np.float32)
    light = to_light(picture)
    half, full = (_defocused(light, radius * share) for share in (0.5, 1))
    mixed = np.zeros_like(light)
    for layer, weight in (
        (light, np.maximum(1 - 2 * blurred, 0)),
        (half, 1 - np.abs(2 * blurred - 1)),
        (full, np.maximum(2 * blurred - 1, 0)),
    ):
        layer *= resize(cv2.merge([weight, weight, weight]), picture.shape)
        mixed += layer
    return to_picture(mixed)
