"""Convert 8-bit sRGB to linear light and back, by lookup tables.

Light adds up in proportion to photons, and 8-bit values do not: blur, haze, noise and exposure are
computed between these two functions (curve of IEC 61966-2-1).
"""

import cv2
import numpy as np

STEPS = 65535
"""Linear light is rounded to 16 bit on its way back; the darkest 8-bit step is 20 of these."""


def decode_srgb(values: np.ndarray) -> np.ndarray:
    """Turn sRGB values from 0 to 1 into linear light from 0 to 1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: np.ndarray) -> np.ndarray:
    """Turn linear light from 0 to 1 into sRGB values from 0 to 1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


LIGHT_OF_VALUE = decode_srgb(np.arange(256) / 255).astype(np.float32)
WIDE_TABLES = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 13)
"""Whether `cv2.LUT` takes 16-bit indices; `np.take` gives the same in twice the time."""

VALUE_OF_LIGHT = np.rint(255 * encode_srgb(np.arange(STEPS + 1) / STEPS)).astype(np.uint8)


def to_light(picture: np.ndarray) -> np.ndarray:
    """Return the linear light (float32, 0 to 1) of an 8-bit sRGB picture of any shape."""
    return cv2.LUT(picture, LIGHT_OF_VALUE)


def to_picture(light: np.ndarray) -> np.ndarray:
    """Return the 8-bit sRGB picture of linear light (float32); what is above 1 is blown out.

    >>> to_picture(np.float32([[-0.5, 0.0, 0.2140411, 1.0, 7.0]])).tolist()
    [[0, 0, 127, 255, 255]]
    """
    # The one call that scales, rounds and clips; the second picture counts for nothing.
    steps: np.ndarray = cv2.addWeighted(light, STEPS, light, 0, 0, dtype=cv2.CV_16U)
    if WIDE_TABLES:
        return cv2.LUT(steps, VALUE_OF_LIGHT)
    values: np.ndarray = np.take(VALUE_OF_LIGHT, steps)
    return values


def tabulate(curve: np.ndarray) -> np.ndarray:
    """Return 8-bit values for the linear light that each 8-bit value turns into.

    Args:
        curve: Linear light for the values 0 to 255, shape (256,) or (256, channels).
    """
    values: np.ndarray = np.rint(255 * encode_srgb(np.clip(curve, 0, 1))).astype(np.uint8)
    return values
