"""Degrade lighting: cast shadows, and the dark bands of a flickering lamp."""

import math

import cv2
import numpy as np

from utils.quality.light import to_light, to_picture
from utils.quality.sizes import coordinates, resize, shape_at, shorter_side

MAP_SIDE = 64


def cast_shadow(
    picture: np.ndarray,
    *,
    stops: float,
    covered: float,
    thing: str,
    place: float,
    lean: float,
    softness: float,
    tint: float = 0.0,
    lift: float = 0.0,
) -> np.ndarray:
    """Stand in one's own light: the shadow of phone, hand or head falls on the subject.

    Inside it only the light of the surroundings is left; its edge is soft, for lamps are large.

    Args:
        stops: By how much the lamp's light is stronger than that of the surroundings, together.
        covered: Share of the picture that lies in the shadow.
        thing: "phone" (a rounded rectangle) or "head" (an oval).
        place: From where the shadow comes in, in degrees seen from the middle.
        lean: By how much the thing is turned away from that direction, in degrees.
        softness: Width of the shadow's edge (penumbra), in shorter sides.
        tint: How cold (above 0) or warm the light of the surroundings is.
        lift: Share of the lost light that the camera makes up for by exposing longer.
    """
    small = shape_at(picture.shape, min(MAP_SIDE, shorter_side(picture)))
    columns, rows = coordinates(small)
    turn = math.radians(place)
    dx, dy = columns - 0.6 * math.cos(turn), rows - 0.6 * math.sin(turn)
    turn += math.radians(lean)
    along = np.abs(dx * math.cos(turn) + dy * math.sin(turn))
    across = np.abs(dy * math.cos(turn) - dx * math.sin(turn)) * 1.4
    distance = np.hypot(along, across)
    if thing == "phone":
        distance = (along**8 + across**8) ** 0.125
    distance = distance.astype(np.float32)
    edge = np.sort(distance, axis=None)[min(distance.size - 1, round(covered * distance.size))]
    shade = np.clip((edge - distance) / softness + 0.5, 0, 1)
    shade *= shade * (3 - 2 * shade)
    left = 2.0**-stops * np.array([1 - 0.12 * tint, 1, 1 + 0.12 * tint], np.float32)
    gain = 1 / (1 - lift * covered * (1 - 2.0**-stops))
    kept = [gain * (1 - shade * (1 - channel)) for channel in left]
    light = to_light(picture)
    light *= resize(cv2.merge(kept), picture.shape)
    return to_picture(light)


def lamp_banding(
    picture: np.ndarray,
    *,
    depth: float,
    period: float,
    phase: float,
    edge: float,
    is_upright: bool,
    tint: float = 0.0,
) -> np.ndarray:
    """Read the sensor line by line under a flickering lamp: dark bands run across the picture.

    Args:
        depth: Share of the light that is missing in the middle of a band.
        period: Distance of the bands, in shorter sides.
        phase: Where they begin, in turns.
        edge: From 0, the light swells (long exposure), to 1, it is switched (dimmed LEDs).
        is_upright: Whether the bands run from top to bottom: the phone was held upright.
        tint: How much warmer (above 0) or colder the light is where it is weak (phosphors glow on).
    """
    height, width = picture.shape[:2]
    lines = np.arange(width if is_upright else height) / shorter_side(picture)
    wave = np.cos(2 * np.pi * (lines / period + phase))
    steepness = 1 / (1.001 - edge)
    wave = np.tanh(steepness * wave) / math.tanh(steepness)
    missing = depth * (1 + wave[:, None]) / 2
    passed = 1 - missing * np.array([1 - 0.1 * tint, 1, 1 + 0.1 * tint])
    passed = np.maximum(passed, 0.02).astype(np.float32)
    light = to_light(picture)
    light *= passed[None, :, :] if is_upright else passed[:, None, :]
    return to_picture(light)
