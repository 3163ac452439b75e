"""Measures of quality: of a picture by itself, or of a picture beside its parent."""

import math
from collections.abc import Callable

import cv2
import numpy as np

from utils.quality.sizes import VIEW_SIDE, at_most, resize, shape_at

BLOCK = 8
IDENTICAL_DB = 100.0
"""PSNR of two equal pictures, instead of infinity."""

BLOWN = 250
CHANGED_SSIM = 0.88
"""Of the similarity that is left when a picture is made 224 pixels high and back."""

CHANGED_VALUE = 24
"""In 8-bit values: twice what a brightness of 5 % more changes."""

NETWORK_SIDE = 224
DEVIATION_OF_NOISE = math.sqrt(math.pi / 2) / 6
"""Standard deviation of normal noise, of the mean response of `NOISE_MASK` to it."""

NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def view(picture: np.ndarray) -> np.ndarray:
    """Return the picture at the size at which it is judged, if it is clearly larger than that."""
    return at_most(picture, VIEW_SIDE)


def luma(picture: np.ndarray) -> np.ndarray:
    """Return the grey values (uint8) of an RGB picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def sharpness(picture: np.ndarray) -> float:
    """Return the variance of the Laplacian of the grey values."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma(picture), cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def noise_level(picture: np.ndarray) -> float:
    """Estimate the standard deviation of the noise in grey values (Immerkaer 1996)."""
    return DEVIATION_OF_NOISE * float(noise_response(picture).mean())


def noise_response(picture: np.ndarray) -> np.ndarray:
    """Return how much each inner pixel (float32) differs from what its neighbours let expect."""
    response = cv2.filter2D(luma(picture), cv2.CV_32F, NOISE_MASK)[1:-1, 1:-1]
    size: np.ndarray = np.abs(response)
    return size


def brightness(picture: np.ndarray) -> float:
    """Return the mean grey value, 0 to 255."""
    return float(cv2.mean(luma(picture))[0])


def contrast(picture: np.ndarray) -> float:
    """Return the standard deviation of the grey values (root-mean-square contrast)."""
    return float(cv2.meanStdDev(luma(picture))[1][0, 0])


def blown_share(picture: np.ndarray) -> float:
    """Return the share of pixels of which a channel is (nearly) at its upper end."""
    return float((picture.max(axis=2) >= BLOWN).mean())


def psnr(picture: np.ndarray, parent: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB.

    >>> round(psnr(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 16, np.uint8)), 2)
    24.05
    """
    squared = cv2.norm(picture, parent, cv2.NORM_L2SQR) / picture.size
    return 10 * math.log10(255**2 / squared) if squared else IDENTICAL_DB


def ssim(picture: np.ndarray, parent: np.ndarray) -> float:
    """Return the mean structural similarity of the grey values (Wang et al. 2004), 1 if equal.

    The windows are squares of 8 x 8 pixels side by side instead of a sliding Gaussian: a tenth of
    the time, and the same ranking.
    """
    return float(ssim_of_blocks(picture, parent).mean())


def ssim_of_blocks(picture: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Return the structural similarity (float32) of each whole square of 8 x 8 pixels."""
    return _similarity(_moments(luma(picture)), _moments(luma(parent)))


def _moments(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return grey values as float32, and mean and variance of each square."""
    values = grey.astype(np.float32)
    mean = block_means(values)
    return values, mean, np.maximum(block_means(values * values) - mean * mean, 0)


def _similarity(
    first: tuple[np.ndarray, np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    (x, mean_x, variance_x), (y, mean_y, variance_y) = first, second
    covariance = block_means(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity: np.ndarray = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return similarity


def changed_share(picture: np.ndarray, parent: np.ndarray, enough: float = 1.0) -> float:
    """Return the share of 8 x 8 squares in which more changed than training changes, 0 to 1.

    Either the values of a colour differ, or the structure of the grey values does: by more than it
    is changed when the parent is brought to the size of a network and back.

    Args:
        enough: A share at which to stop looking.
    """
    changed = block_means(cv2.absdiff(picture, parent)).max(axis=2) > CHANGED_VALUE
    if changed.mean() < enough:  # else the slower look at structure would change nothing
        grey = luma(parent)
        height, width = shape_at(parent.shape, NETWORK_SIDE)
        small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)
        before = _moments(grey)
        usual = _similarity(_moments(resize(small, grey.shape)), before)
        changed |= _similarity(_moments(luma(picture)), before) < CHANGED_SSIM * usual
    return float(changed.mean())


def colour_shift(picture: np.ndarray, parent: np.ndarray) -> float:
    """Return how far colours moved, blind to fine detail: mean absolute difference of the blocks.

    In 8-bit values, averaged over the three channels.
    """
    x, y = (block_means(side.astype(np.float32)) for side in (picture, parent))
    return float(np.abs(x - y).mean())


def block_means(values: np.ndarray) -> np.ndarray:
    """Return the mean, in the type of `values`, of each whole square of 8 x 8 pixels."""
    rows, columns = values.shape[0] // BLOCK, values.shape[1] // BLOCK
    whole = values[: rows * BLOCK, : columns * BLOCK]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "sharpness": lambda picture, parent: sharpness(picture),
    "noise_level": lambda picture, parent: noise_level(picture),
    "brightness": lambda picture, parent: brightness(picture),
    "contrast": lambda picture, parent: contrast(picture),
    "blown_share": lambda picture, parent: blown_share(picture),
    "psnr": psnr,
    "ssim": ssim,
    "colour_shift": colour_shift,
}
