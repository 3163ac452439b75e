"""Degrade exposure: too little, too much or stray light, computed in linear light."""

import math

import cv2
import numpy as np

from utils.quality.alone import highlights
from utils.quality.effects.noise import grain, noise_of_value
from utils.quality.light import LIGHT_OF_VALUE, tabulate, to_light, to_picture
from utils.quality.measures import luma
from utils.quality.sizes import coordinates, resize, sample, shape_at
from utils.quality.solve import least

MAP_SIDE = 64
"""Smooth maps of light are computed at this shorter side and enlarged."""

SAMPLE_SIDE = 32
"""Of the few pixels by which a picture's light is judged."""

DARKEST = 0.004
"""Linear light below which a pixel counts as frame or background, not as subject."""

DIM = 90.0
"""Mean grey value of a subject below which dim light leaves a share of it instead."""

BRIGHTEST = 1.9
PALE = 215.0
"""Mean grey value of a subject that hardly any good picture has."""

MOST_STOPS = 12.0
MOST_GAIN = 40.0


def subject(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a few pixels of a picture, and which of them (bool) show its subject.

    Dark surrounds, such as the frame of a dermatoscope, do not.
    """
    few = sample(picture, SAMPLE_SIDE)
    shown = LIGHT_OF_VALUE[luma(few)] >= DARKEST
    return few, shown if shown.mean() >= 0.02 else np.ones_like(shown)


def subject_light(picture: np.ndarray, share: float) -> float:
    """Return the linear light that a `share` of the subject's pixels stays below."""
    few, shown = subject(picture)
    light = np.sort(LIGHT_OF_VALUE[luma(few)[shown]])
    return float(light[min(len(light) - 1, int(share * len(light)))])


def full_light(picture: np.ndarray) -> float:
    """Return the gain at which dim light is counted from: hardly any of the subject is blown."""
    return min(0.85, 1 / max(subject_light(picture, 0.9), 0.01))


def fall_off(shape: tuple[int, ...], x: float, y: float, depth: float) -> np.ndarray:
    """Return a map (float32, height x width x 3) of light that is 1 at a point and falls around it.

    Args:
        x: Of the brightest point, in shorter sides from the middle.
        y: Likewise.
        depth: Stops of light lost at one shorter side from that point.
    """
    small = shape_at(shape, min(MAP_SIDE, min(shape[:2])))
    light = np.exp2(-depth * _squared_distances(small, x, y)).astype(np.float32)
    return resize(cv2.merge([light, light, light]), shape)


def _squared_distances(shape: tuple[int, ...], x: float, y: float) -> np.ndarray:
    columns, rows = coordinates(shape)
    return (columns - x) ** 2 + (rows - y) ** 2


def under_exposure(
    picture: np.ndarray,
    *,
    brightness: float,
    noise_seed: int,
    warmth: float = 0.0,
    depth: float = 0.0,
    x: float = 0.0,
    y: float = 0.0,
    noise: float = 0.01,
) -> np.ndarray:
    """Photograph in dim light: dark, noisy, and often lit by a warm lamp from one side.

    By how many stops the light falls follows from the brightness; the other effects grow with them:
    the darker the room, the more they count.

    Args:
        brightness: Mean grey value of the subject that is left; in proportion less where the
            picture has less than `DIM`. Its brightest parts get at most `BRIGHTEST` times that.
        warmth: By how many stops blue is weaker than red, as under a light bulb, per stop.
        depth: Of the lamp's fall-off around (x, y) per stop, see `fall_off`.
        noise: Photon noise at full light, after the camera has raised its gain, per stop.
    """
    few, shown = subject(picture)
    few_light = to_light(few)
    wanted = brightness * min(1.0, float(luma(few)[shown].mean()) / DIM)
    bulb = np.array([0, -0.4, -1], np.float32) * warmth
    full = full_light(picture)

    lost = (1 - bulb) + (depth * _squared_distances(few.shape, x, y))[:, :, None]

    def is_dark(stops: float) -> bool:
        light = few_light * (full * np.exp2(-stops * lost))
        grey = luma(to_picture(light))[shown]
        return float(grey.mean()) <= wanted and highlights(grey) <= BRIGHTEST * wanted

    stops = least(is_dark, 0, MOST_STOPS)
    gain = full * 2.0**-stops
    noise *= stops
    field = grain(picture.shape, noise_seed, 0.5, 0.6)
    field *= cv2.LUT(picture, noise_of_value(noise, 0.3 * noise * math.sqrt(gain), gain))
    tint = np.diag(np.exp2(bulb * stops) * gain).astype(np.float32)
    light = cv2.transform(to_light(picture), tint)
    if depth:
        light *= fall_off(picture.shape, x, y, depth * stops)
    light += field
    return to_picture(light)


def over_exposure(picture: np.ndarray, *, blown: float, veil: float = 0.0) -> np.ndarray:
    """Let in too much light: a share of the subject is blown out to white, and all of it is pale.

    Args:
        blown: Share of the subject that reaches full light.
        veil: Stray light in the lens, in linear light, that greys the shadows.
    """
    few, shown = subject(picture)
    grey = luma(few)[shown]
    pale = PALE + (255 - PALE) * blown

    def is_pale(stops: float) -> bool:
        table = tabulate(LIGHT_OF_VALUE * 2.0**stops + veil * blown)
        return float(table[grey].mean()) >= pale

    blowing = max(1 / max(subject_light(picture, 1 - blown), 0.01), 1.2 + blown)
    gain = max(min(blowing, MOST_GAIN), 2.0 ** least(is_pale, 0, math.log2(MOST_GAIN)))
    return cv2.LUT(picture, tabulate(LIGHT_OF_VALUE * gain + veil * blown))
