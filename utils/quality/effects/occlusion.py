"""Degrade framing: a finger or a strap before the lens, blended in linear light."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from utils.quality.light import decode_srgb, to_light, to_picture
from utils.quality.sizes import coordinates, resize, shape_at, shorter_side

MAP_SIDE = 64

FINGERS = ((236, 188, 160), (198, 134, 104), (141, 85, 60), (92, 56, 42), (176, 70, 52))
"""sRGB of fingertips from pale to dark skin, and of one that the flash shines through."""

STRAPS = ((24, 24, 26), (60, 62, 70), (150, 150, 150), (40, 60, 110), (120, 96, 70))
"""sRGB of straps, cases, cuffs and rulers."""


def _distance_to_finger(
    columns: np.ndarray, rows: np.ndarray, start: np.ndarray, turn: float
) -> np.ndarray:
    """Return the distance to a half-line that starts at the border; its tip is an oval."""
    dx, dy = columns - start[0], rows - start[1]
    along = np.minimum(dx * math.cos(turn) + dy * math.sin(turn), 0)
    across = dy * math.cos(turn) - dx * math.sin(turn)
    distance: np.ndarray = np.hypot(along, 1.7 * across)
    return distance


def _distance_to_strap(
    columns: np.ndarray, rows: np.ndarray, start: np.ndarray, turn: float
) -> np.ndarray:
    """Return the distance to a line that runs along the border."""
    distance: np.ndarray = np.abs(
        (columns - start[0]) * math.cos(turn) + (rows - start[1]) * math.sin(turn)
    )
    return distance


def occlusion(
    picture: np.ndarray,
    *,
    covered: float,
    thing: str,
    colour: Sequence[int],
    place: float,
    lean: float,
    softness: float,
    shade: float,
) -> np.ndarray:
    """Let something that is too close to be sharp reach into the picture from its border.

    Args:
        covered: Share of the picture that it covers.
        thing: "finger" or "strap".
        colour: Its 8-bit sRGB colour.
        place: Where on the border it comes in, in degrees seen from the middle.
        lean: How far it leans away from the middle, in degrees.
        softness: Width of its blurred edge, in shorter sides.
        shade: How much darker one end of it is, from 0 to 1.
    """
    height, width = picture.shape[:2]
    side = shorter_side(picture)
    small = shape_at(picture.shape, min(MAP_SIDE, side))
    columns, rows = coordinates(small)
    outwards = np.array([math.cos(math.radians(place)), math.sin(math.radians(place))])
    half = np.array([width, height]) / side / 2
    border = outwards / np.abs(outwards / half).max()
    turn = math.radians(place + lean)
    measure = _distance_to_finger if thing == "finger" else _distance_to_strap
    distance = measure(columns, rows, border, turn).astype(np.float32)
    edge = np.sort(distance, axis=None)[min(distance.size - 1, round(covered * distance.size))]
    opacity = np.clip((edge - distance) / softness + 0.5, 0, 1)
    opacity *= opacity * (3 - 2 * opacity)
    fade = 1 - shade * np.clip(distance / max(float(edge), 0.05), 0, 1)
    light = decode_srgb(np.array(colour) / 255).astype(np.float32)
    blend = to_light(picture)
    clear = 1 - opacity
    blend *= resize(cv2.merge([clear, clear, clear]), picture.shape)
    blend += resize(cv2.merge([opacity * fade * channel for channel in light]), picture.shape)
    return to_picture(blend)
