"""Measures of quality that need no parent beside the picture: is it poor by itself."""

import math
from collections.abc import Callable

import cv2
import numpy as np

from utils.quality.measures import (
    DEVIATION_OF_NOISE,
    block_means,
    brightness,
    contrast,
    luma,
    noise_response,
)

SECOND_DERIVATIVES = np.array(
    [
        [[0, 0, 0], [1, -2, 1], [0, 0, 0]],
        [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
        [[1, 0, 0], [0, -2, 0], [0, 0, 1]],
        [[0, 0, 1], [0, -2, 0], [1, 0, 0]],
    ],
    np.float32,
)
ROUNDING = 0.02
"""Mean square of a second derivative below which it is mostly the rounding to 8 bit."""

FLAT_QUANTILE = 0.2
HIGHLIGHT_QUANTILE = 0.95
UPPER_QUARTILE = 0.75
COLOURS_OF_GOOD = (
    ((20.3, 7.9), ((114.9, 57.7), (57.7, 78.8)), 2.24),
    ((12.2, 15.4), ((45.0, 31.6), (31.6, 65.2)), 1.94),
    ((1.8, 8.4), ((52.4, 11.5), (11.5, 132.7)), 3.40),
    ((12.2, 11.4), ((45.3, 19.1), (19.1, 61.3)), 2.62),
)
"""Of the good pictures of DERM, DERM_CLINIC, OTHER and PAN: mean and covariance of their mean a*
and b*, and the Mahalanobis distance that 95 % of them stay below (by
`benchmarks/quality/good_range.py`)."""

_INVERSES = [np.linalg.inv(covariance) for _, covariance, _ in COLOURS_OF_GOOD]


def acuity(picture: np.ndarray) -> float:
    """Return how much finer the finest detail is than what is twice as coarse, across any blur.

    Second derivatives after a Gaussian of 1 pixel, as a share of those after one of 2 pixels: what
    is shown, and its contrast, cancel out. Of four directions the weakest counts, so that blur
    along one of them shows, too. About 4 for a sharp edge alone; 0 for a plain wall.
    """
    grey = luma(picture).astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (1, 2))
    return min(
        _energy(fine, kernel) / (_energy(coarse, kernel) + ROUNDING)
        for kernel in SECOND_DERIVATIVES
    )


def _energy(values: np.ndarray, kernel: np.ndarray) -> float:
    return float(cv2.norm(cv2.filter2D(values, -1, kernel), cv2.NORM_L2SQR)) / values.size


def flat_noise(picture: np.ndarray) -> float:
    """Estimate the noise (standard deviation, grey values) where a picture is flattest.

    The estimate of Immerkaer (1996) for each square of 8 x 8 pixels, and of these the 20 %
    quantile, so that texture does not count as noise.
    """
    levels = np.sort(block_means(noise_response(picture)), axis=None)
    return DEVIATION_OF_NOISE * float(levels[int(FLAT_QUANTILE * levels.size)])


def fringe(picture: np.ndarray) -> float:
    """Return 1 minus the correlation of the edges of red with those of blue: 0 where they agree."""
    edges = [
        cv2.Laplacian(cv2.GaussianBlur(channel, (3, 3), 1), cv2.CV_32F)
        for channel in (picture[:, :, 0], picture[:, :, 2])
    ]
    red, blue = (edge - cv2.mean(edge)[0] for edge in edges)
    size = cv2.norm(red) * cv2.norm(blue)
    return 1 - float(cv2.sumElems(red * blue)[0]) / size if size else 0.0


def colour_distance(picture: np.ndarray) -> float:
    """Return how far the mean colour is from that of good pictures; above 1 it is a cast.

    Of the Mahalanobis distances in the plane of a* and b* to each class's good pictures, as shares
    of those that 95 % of them stay below, the least.
    """
    _, a, b, _ = cv2.mean(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB))
    found = []
    for (centre, _, limit), inverse in zip(COLOURS_OF_GOOD, _INVERSES, strict=True):
        away = np.array([a, b]) - 128 - centre
        found.append(math.sqrt(away @ inverse @ away) / limit)
    return min(found)


def dead_share(picture: np.ndarray) -> float:
    """Return the share of pixels without any texture: coarse steps of the cosine transform."""
    return float((np.abs(cv2.Laplacian(luma(picture), cv2.CV_16S)) <= 1).mean())


def highlights(grey: np.ndarray) -> float:
    """Return the grey value that 95 % of the pixels stay below: low only where all is dark."""
    return _quantile(grey, HIGHLIGHT_QUANTILE)


def upper_quartile(grey: np.ndarray) -> float:
    """Return the grey value that three quarters of the pixels stay below: lamps hardly count."""
    return _quantile(grey, UPPER_QUARTILE)


def _quantile(grey: np.ndarray, share: float) -> float:
    counts = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    return float(np.searchsorted(counts, share * grey.size))


ALONE: dict[str, Callable[[np.ndarray], float]] = {
    "contrast": contrast,
    "brightness": brightness,
    "highlights": lambda picture: highlights(luma(picture)),
    "upper_quartile": lambda picture: upper_quartile(luma(picture)),
    "colour_distance": colour_distance,
    "acuity": acuity,
    "fringe": fringe,
    "flat_noise": flat_noise,
    "dead_share": dead_share,
}
