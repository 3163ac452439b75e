"""Degrade texture: the noise of a sensor, and what a denoiser leaves of it."""

from statistics import NormalDist

import cv2
import numpy as np

from utils.quality.light import LIGHT_OF_VALUE, to_light, to_picture
from utils.quality.sizes import VIEW_SIDE, resize, shape_at, shorter_side

GAUSSIAN_OF_BYTE = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
GAUSSIAN_OF_BYTE = (GAUSSIAN_OF_BYTE / GAUSSIAN_OF_BYTE.std()).astype(np.float32)
"""A random byte as a standard normal number: ten times faster than drawing normal numbers."""

READ_NOISE = 0.15
"""Read noise as a share of the photon noise at full light (standard deviations)."""


def grain(shape: tuple[int, ...], noise_seed: int, clump: float, colour: float) -> np.ndarray:
    """Return a field of noise of mean 0 and standard deviation 1, float32, of a picture's shape.

    It is drawn at the size at which pictures are judged and then resized, so that the grain looks
    the same whatever the picture's size; on smaller ones it averages out in part.

    Args:
        clump: How strongly neighbours resemble each other after demosaicing, from 0 to 1.
        colour: Share of the noise that differs between the channels, from 0 (grey) to 1.
    """
    height, width = shape_at(shape, min(VIEW_SIDE, round(1.5 * min(shape[:2]))))
    bits = np.random.PCG64(noise_seed)
    count = height * width * 3
    random_bytes = bits.random_raw(-(-count // 8)).astype("<u8", copy=False).view(np.uint8)
    field = cv2.LUT(random_bytes[:count].reshape(height, width, 3), GAUSSIAN_OF_BYTE)
    # Sides of the 3-tap kernel up to 1/4, where it is (1, 2, 1) / 4.
    taps = np.array([clump / 4, 1 - clump / 2, clump / 4], np.float32)
    field = cv2.sepFilter2D(field, -1, taps, taps, borderType=cv2.BORDER_REFLECT)
    grey = (1 - colour) / 3
    mix = np.full((3, 3), grey, np.float32) + np.eye(3, dtype=np.float32) * colour
    mix /= np.sqrt((mix[0] ** 2).sum()) * (taps**2).sum()
    return resize(cv2.transform(field, mix), shape, cv2.INTER_CUBIC)


def noise_of_value(photon: float, read: float, gain: float = 1.0) -> np.ndarray:
    """Return the noise (standard deviation in linear light) at each 8-bit value.

    The variance is linear in the light: the Poissonian-Gaussian model of Foi et al. 2008.

    Args:
        photon: Standard deviation of the photon noise at full light.
        read: Standard deviation that is there in the dark, too.
        gain: Factor on the light before it reaches the sensor.
    """
    variance = photon**2 * gain * LIGHT_OF_VALUE + read**2
    deviation: np.ndarray = np.sqrt(variance).astype(np.float32)
    return deviation


def sensor_noise(
    picture: np.ndarray, *, photon: float, noise_seed: int, clump: float = 0.5, colour: float = 0.7
) -> np.ndarray:
    """Take the picture with too little light at a high ISO setting: photon and read noise.

    Args:
        photon: Standard deviation of the photon noise at full light, in linear light.
        noise_seed: Of the random field, see `grain`.
    """
    field = grain(picture.shape, noise_seed, clump, colour)
    field *= cv2.LUT(picture, noise_of_value(photon, READ_NOISE * photon))
    field += to_light(picture)
    return to_picture(field)


def smear(
    picture: np.ndarray,
    *,
    texture: float,
    noise_seed: int,
    noise: float = 0.5,
    sharpening: float = 1.0,
    reach: float = 0.015,
) -> np.ndarray:
    """Let a phone clean up a noisy picture: it takes fine texture for noise, then sharpens edges.

    Noise, an edge-preserving smoother (the guided filter of He et al. 2013) and an unsharp mask, in
    8-bit values as a camera's processor does it: skin turns to wax, and edges get halos.

    Args:
        texture: Standard deviation, in grey values, of what is smoothed away.
        noise_seed: Of the noise, see `grain`.
        noise: Standard deviation of the noise as a share of `texture`.
        sharpening: Share of the difference from a blurred copy that is added.
        reach: Radius of the smoother's window, in shorter sides.
    """
    values = picture.astype(np.float32)
    field = grain(picture.shape, noise_seed, 0.5, 0.7)
    field *= noise * texture
    values += field
    radius = max(1, round(reach * shorter_side(picture)))
    smooth = _smoothed(values, radius, texture**2)
    halo = _mean(smooth, radius)
    return cv2.addWeighted(smooth, 1 + sharpening, halo, -sharpening, 0, dtype=cv2.CV_8U)


def _smoothed(values: np.ndarray, radius: int, variance: float) -> np.ndarray:
    """Smooth a picture where its grey values, the guide, vary less than that."""
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)
    spread = np.maximum(_mean(grey * grey, radius) - _mean(grey, radius) ** 2, 0)
    kept = _mean(spread / (spread + variance), radius)
    mean = _mean(values, radius)
    values -= mean
    values *= cv2.merge([kept, kept, kept])
    values += mean
    return values


def _mean(values: np.ndarray, radius: int) -> np.ndarray:
    window = (2 * radius + 1, 2 * radius + 1)
    return cv2.blur(values, window, borderType=cv2.BORDER_REFLECT)
