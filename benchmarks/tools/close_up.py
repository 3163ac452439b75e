"""Find the part of a picture of a body that would be photographed next: a close-up of its skin.

Skin is told by its colour alone, whatever its tone: neither dark nor greenish nor blue. (Rules of
this kind are compared in Phung, Bouzerdoum and Chai, "Skin Segmentation Using Color Pixel
Classification: Analysis and Comparison", IEEE TPAMI 27(1), 2005.)
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.common.pictures import read_picture
from utils.quality.poor import why_poor
from utils.quality.sizes import VIEW_SIDE, resize, shape_at, shorter_side

SHARE = 0.45
"""Side of a close-up as a share of the shorter side of the picture that it is cut from."""

LEAST_SKIN = 0.99
"""Share of a close-up that is skin at least: hardly anything behind a body part is in view."""

LEAST_LIGHTNESS, LEAST_REDNESS, LEAST_YELLOWNESS = 45, 133, 126
"""Lightness, a* and b* of skin as OpenCV tells them in 8 bits: a sixth of white, 5 more red than
green, and at most 2 more blue than yellow, where it is livid."""

MARK_WIDTH, MARK_LIGHTNESS = 9, 30
"""Lines up to so many pixels wide (of 256) that are so much lighter than what is around them are a
mark, such as an atlas's name, or glare."""

BLUR = 2.0
"""Standard deviation in pixels, of 256, of what is blurred away before contrast is told: hairs,
pores and noise."""

STEP = 8
"""Pixels from one position that is tried to the next, of 256."""

LEAST_SIDE = 192
"""Pixels that a close-up has in the original at least: enlarged by more than a third, it would be
blurred, which is what LOW_QUALITY means."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square part of a picture, in pixels."""

    left: int
    top: int
    side: int

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of a picture, side x side x channels."""
        return picture[self.top : self.top + self.side, self.left : self.left + self.side]


def find_close_up(picture: NDArray[np.uint8]) -> Window | None:
    """Return the square of skin with the strongest contrast of colour; None where there is none.

    A rash or a lesion differs in colour from the skin around it, while shadows and folds are mostly
    darker, so contrast is told by a* and b* alone: the sum of their standard deviations.

    Args:
        picture: RGB, uint8, height x width x 3.
    """
    view = resize(picture, shape_at(picture.shape, VIEW_SIDE))
    side = round(SHARE * VIEW_SIDE)
    skin = _window_means(skin_mask(view).astype(np.float64), side)
    blurred = cv2.GaussianBlur(cv2.cvtColor(view, cv2.COLOR_RGB2LAB), (0, 0), BLUR)
    colours = blurred[..., 1:].astype(np.float64)
    means, squares = _window_means(colours, side), _window_means(colours**2, side)
    contrast = np.sqrt(np.maximum(squares - means**2, 0)).sum(axis=2)
    contrast[skin < LEAST_SKIN] = -1
    some = contrast[::STEP, ::STEP]
    if some.max() < 0:
        return None
    top, left = np.multiply(np.unravel_index(some.argmax(), some.shape), STEP)
    height, width = picture.shape[:2]
    real_side = round(SHARE * shorter_side(picture))
    scale = shorter_side(picture) / VIEW_SIDE
    return Window(
        min(round(left * scale), width - real_side),
        min(round(top * scale), height - real_side),
        real_side,
    )


def cut_close_up(content: bytes) -> NDArray[np.uint8] | None:
    """Return a close-up, RGB, uint8, `VIEW_SIDE` pixels high and wide, None where there is none.

    It is cut before the picture is brought to that size, so that it is as sharp as the original is.

    Args:
        content: Bytes of the original of a panoramic picture.
    """
    picture, original = read_picture(content, round(VIEW_SIDE / SHARE))
    if SHARE * min(original.width, original.height) < LEAST_SIDE:
        return None
    pixels = np.asarray(picture)
    window = find_close_up(pixels)
    close_up = None if window is None else window.cut(pixels)
    return None if close_up is None or any(why_poor(close_up)) else close_up


def skin_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels of an RGB picture have a colour that skin has, height x width.

    A mark that is printed on skin has its colour, too, once a JPEG has stored colours at half the
    size, but is lighter.
    """
    lightness, redness, yellowness = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB))
    kernel = np.ones((MARK_WIDTH, MARK_WIDTH), np.uint8)
    marks = cv2.morphologyEx(lightness, cv2.MORPH_TOPHAT, kernel)
    return np.asarray(
        (lightness >= LEAST_LIGHTNESS)
        & (redness >= LEAST_REDNESS)
        & (yellowness >= LEAST_YELLOWNESS)
        & (marks < MARK_LIGHTNESS)
    )


def _window_means(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the mean over each square, by the position of its upper left pixel."""
    sums = cv2.integral(values)
    return np.asarray(
        (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side])
        / side**2
    )
