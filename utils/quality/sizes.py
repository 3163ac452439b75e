"""Resize and sample pictures; all lengths are shares of the shorter side."""

import cv2
import numpy as np

VIEW_SIDE = 256
"""Shorter side, in pixels, at which strengths are judged: that of the written pictures."""


def shorter_side(picture: np.ndarray) -> int:
    """Return the length of the shorter side in pixels."""
    height, width = map(int, picture.shape[:2])
    return min(height, width)


def shape_at(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return (height, width) when the shorter side is scaled to `side`.

    >>> shape_at((300, 400, 3), 150)
    (150, 200)
    """
    scale = side / min(shape[:2])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resize(
    picture: np.ndarray, shape: tuple[int, ...], interpolation: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Resize to the height and width of `shape`: by pixel area where it shrinks.

    Args:
        interpolation: How to enlarge, one of OpenCV's INTER_ constants.
    """
    height, width = shape[:2]
    if picture.shape[:2] == (height, width):
        return picture
    if height <= picture.shape[0] and width <= picture.shape[1]:
        interpolation = cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=interpolation)


def at_most(picture: np.ndarray, side: int) -> np.ndarray:
    """Halve a picture until its shorter side is less than 1.5 times `side` pixels."""
    while shorter_side(picture) >= 1.5 * side:
        height, width = (-(-length // 2) for length in picture.shape[:2])
        # At half the size linear interpolation is the mean of 2 x 2 pixels, and faster than AREA.
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return picture


def coordinates(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the x and y of each pixel centre, float32, in shorter sides from the middle."""
    height, width = shape[:2]
    side = min(height, width)
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / side
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / side
    return x[None, :], y[:, None]


def sample(picture: np.ndarray, side: int) -> np.ndarray:
    """Return every n-th pixel of a picture, at least `side` of the shorter side if it has so many.

    Unlike in a thumbnail, dark and bright pixels keep their shares.
    """
    step = max(1, shorter_side(picture) // side)
    return np.ascontiguousarray(picture[::step, ::step])
