"""Draw a picture with detail at every scale, for tests and benchmarks."""

import cv2
import numpy as np

FINEST_SHARE = 1 / 128
"""Width of the finest blobs, in shorter sides."""


def draw_texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw blobs of every size, the larger the stronger, and one dark patch with a sharp edge.

    Like photographs it has a spectrum that falls with frequency, skin-like colours and an edge.

    Returns:
        uint8 RGB of shape (height, width, 3).
    """
    side = min(height, width)
    field = np.zeros((height, width, 3), np.float32)
    share = 1.0
    while share >= FINEST_SHARE and share * side >= 1:
        grid = (max(2, round(height / side / share)), max(2, round(width / side / share)))
        grey = rng.standard_normal((*grid, 1)).astype(np.float32)
        colour = 0.4 * rng.standard_normal((*grid, 3)).astype(np.float32)
        blobs = cv2.resize(grey + colour, (width, height), interpolation=cv2.INTER_CUBIC)
        field += 22 * share**0.35 * blobs
        share /= 2
    field += rng.uniform(-15, 15, 3).astype(np.float32) + np.array([185, 145, 125], np.float32)
    centre = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6)))
    axes = (int(side * rng.uniform(0.15, 0.3)), int(side * rng.uniform(0.1, 0.25)))
    patch = np.zeros((height, width), np.float32)
    cv2.ellipse(patch, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    field -= patch[:, :, None] * np.array([70, 75, 70], np.float32)
    return np.clip(field, 0, 255).astype(np.uint8)
