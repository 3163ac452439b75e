"""Degrade colours: haze, colour casts and chromatic aberration."""

import math

import cv2
import numpy as np

from utils.quality.alone import colour_distance
from utils.quality.light import LIGHT_OF_VALUE, tabulate, to_light, to_picture
from utils.quality.measures import contrast as contrast_of
from utils.quality.sizes import coordinates, resize, sample, shape_at, shorter_side
from utils.quality.solve import least

MAP_SIDE = 32
MOST_DENSITY = 8.0
MOST_STOPS = 8.0
SURELY_STRANGE = 1.1
"""`colour_distance` from which on a colour is a cast in each of the collections."""

FLAT = 20.0
"""Contrast of a picture, in grey values, below which a veil leaves a share of it instead."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear red, green and blue (IEC 61966-2-1)."""


def haze(
    picture: np.ndarray,
    *,
    contrast: float,
    airlight: float,
    tint: float = 0.0,
    slope: float = 0.0,
    angle: float = 0.0,
) -> np.ndarray:
    """Look through fog, steam or a greasy lens: contrast falls and everything turns grey.

    Koschmieder's law: light * t + airlight * (1 - t) with t = exp(-density * distance), as dense
    as it takes to leave so much contrast.

    Args:
        contrast: What is left, as the standard deviation of the grey values; in proportion less
            where the picture has less than `FLAT`.
        airlight: Linear light of the veil.
        tint: How warm (above 0) or cold the veil is.
        slope: How much the distance grows per shorter side, from 0 to 1.
        angle: The direction in which it grows, in degrees.
    """
    air = airlight * np.array([1 + 0.15 * tint, 1, 1 - 0.15 * tint], np.float32)
    few = sample(picture, MAP_SIDE)
    few_light, few_distances = to_light(few), _distances(few.shape, slope, angle)
    wanted = contrast * min(1.0, contrast_of(few) / FLAT)

    def is_dense(density: float) -> bool:
        passed = np.exp(-density * few_distances)[:, :, None]
        return contrast_of(to_picture(few_light * passed + (1 - passed) * air)) <= wanted

    density = least(is_dense, 0, MOST_DENSITY)
    small = shape_at(picture.shape, min(MAP_SIDE, shorter_side(picture)))
    passed = np.exp(-density * _distances(small, slope, angle))
    light = to_light(picture)
    light *= resize(cv2.merge([passed, passed, passed]), picture.shape)
    light += resize(cv2.merge([(1 - passed) * channel for channel in air]), picture.shape)
    return to_picture(light)


def _distances(shape: tuple[int, ...], slope: float, angle: float) -> np.ndarray:
    """Return how far away each pixel is (float32), 1 in the middle."""
    columns, rows = coordinates(shape)
    turn = math.radians(angle)
    distances = 1 + slope * (columns * math.cos(turn) + rows * math.sin(turn))
    return np.maximum(distances, 0.3).astype(np.float32)


def colour_cast(picture: np.ndarray, *, stops: float, hue: float) -> np.ndarray:
    """Balance white for the wrong lamp: each channel of the linear light has a gain of its own.

    Args:
        stops: Between the strongest and the weakest channel, about, beyond those at which the mean
            colour is no longer that of good pictures (`colour_distance`).
        hue: Of the cast, in degrees (0 red, 120 green, 240 blue).
    """
    turns = np.cos(np.radians(hue - np.array([0, 120, 240]))) / 1.73
    few_light = to_light(sample(picture, MAP_SIDE))

    def is_strange(bare: float) -> bool:
        return colour_distance(to_picture(few_light * _gains(turns * bare))) > SURELY_STRANGE

    bare = least(is_strange, 0, MOST_STOPS)
    curve = LIGHT_OF_VALUE[:, None] * _gains(turns * (bare + stops))
    return cv2.LUT(picture, tabulate(curve).reshape(1, 256, 3))


def _gains(stops: np.ndarray) -> np.ndarray:
    """Return the gains (float32) of channels that are so many stops brighter, luminance kept."""
    gains = np.exp2(stops)
    normed: np.ndarray = (gains / (gains * LUMINANCE).sum()).astype(np.float32)
    return normed


def chromatic_aberration(
    picture: np.ndarray, *, spread: float, angle: float, lateral: float = 0.5
) -> np.ndarray:
    """Use a poor or tilted lens: red and blue are shifted, magnified and out of focus.

    Args:
        spread: Shift of red against blue at the corners, in shorter sides.
        angle: Direction of the part of the shift that is the same everywhere, in degrees.
        lateral: Share of the shift that grows with the distance from the middle, from 0 to 1.
    """
    height, width = picture.shape[:2]
    side = shorter_side(picture)
    turn = math.radians(angle)
    even = spread * side * (1 - lateral) / 2
    shift = np.array([math.cos(turn), math.sin(turn)]) * even
    zoom = spread * lateral / math.hypot(height / side, width / side)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    red, green, blue = cv2.split(picture)
    sigma = spread * side / 3
    moved = []
    for channel, sign in ((red, 1), (blue, -1)):
        scale = 1 + sign * zoom
        offset = middle - scale * middle + sign * shift
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        warped = cv2.warpAffine(
            channel, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        moved.append(_soften(warped, sigma))
    return cv2.merge([moved[0], green, moved[1]])


def _soften(channel: np.ndarray, sigma: float) -> np.ndarray:
    """Blur about as much as a Gaussian of `sigma` pixels does, by two box filters."""
    width = 2 * round(math.sqrt(6 * sigma**2 + 1) / 2 - 0.5) + 1
    for _ in range(2):
        channel = cv2.blur(channel, (width, width), borderType=cv2.BORDER_REFLECT)
    return channel
