"""Augment a picture mildly for one epoch of training."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Preprocessing
from utils.common.seeds import generator

MIN_SCALE = 0.875
"""Side of the smallest training crop, as a share of the largest that fits. At 256 pixels a crop for
an input of 224 is then never enlarged; enlarging blurs, and blur is what LOW_QUALITY means."""

MAX_STRETCH = 1.05
MAX_BRIGHTENING = 0.05
MIRRORS = {1: 0, 2: 1, 3: -1}
"""OpenCV's codes for upside down, left to right, and both."""


def training_sample(
    pixels: NDArray[np.uint8], file: str, preprocessing: Preprocessing, seed: int, epoch: int
) -> NDArray[np.uint8]:
    """Return a mildly augmented view of a picture, uint8, 3 x height x width.

    It depends on the pixels and on (seed, epoch, file) alone. Position, scale, aspect ratio,
    mirroring and, slightly, brightness vary, but nothing that could make a good picture a poor
    one: no blur, no noise, no strong change of colour.
    """
    rng = generator(seed, epoch, file)
    scale, stretch, across, down, brightening = rng.uniform(size=5)
    flips = int(rng.integers(4))
    height, width = preprocessing.largest_window(*pixels.shape[:2])
    side = MIN_SCALE + (1 - MIN_SCALE) * scale
    aspect = MAX_STRETCH ** (2 * stretch - 1)
    window_height = min(pixels.shape[0], round(height * side * min(1, aspect)))
    window_width = min(pixels.shape[1], round(width * side * min(1, 1 / aspect)))
    top = round(down * (pixels.shape[0] - window_height))
    left = round(across * (pixels.shape[1] - window_width))
    window = pixels[top : top + window_height, left : left + window_width]
    resized = preprocessing.resize(window).transpose(1, 2, 0)
    gain = 1 + MAX_BRIGHTENING * (2 * brightening - 1)
    brightened = cv2.convertScaleAbs(resized, alpha=gain)
    if flips:  # copying a reversed view takes numpy twenty times as long
        brightened = cv2.flip(brightened, MIRRORS[flips])
    return np.asarray(brightened, np.uint8).transpose(2, 0, 1)
