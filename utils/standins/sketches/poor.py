"""Draw a scene that is hard to recognise: blurred, dark or bright."""

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.scene import scene

BLUR = 0.03
"""Standard deviation of the Gaussian, as a share of the width."""


def poor(
    rng: np.random.Generator, width: int, height: int, subject: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Draw a scene as a shaking hand or a dark room would have it, 8-bit RGB."""
    fault = FAULTS[(subject or rng).integers(len(FAULTS))]
    sigma = (BLUR if fault == "BLR" else BLUR / 4) * width
    blurred = cv2.GaussianBlur(scene(rng, width, height).astype(np.float32), (0, 0), sigma)
    pixels = np.asarray(blurred, np.float32)
    if fault == "DRK":
        pixels = pixels * np.float32(rng.uniform(0.06, 0.12))
    elif fault == "BRT":
        pixels = 225 + pixels * np.float32(0.12)
    noisy = pixels + rng.normal(0, 1.5, pixels.shape).astype(np.float32)
    return noisy.clip(0, 255).astype(np.uint8)


FAULTS = ("BLR", "DRK", "BRT", "BLR")
"""The faults of VizWiz-QualityIssues, of which blur is by far the most frequent."""
