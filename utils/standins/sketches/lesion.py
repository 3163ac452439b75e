"""Draw up a lesion: what its pictures share, and its outline in one of them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import Field, coordinates, fractal
from utils.standins.sketches.skin import REDS, skin_tone

PIGMENTS = np.array(
    [
        (0.42, 0.25, 0.15),
        (0.30, 0.17, 0.11),
        (0.17, 0.11, 0.10),
        (0.55, 0.33, 0.20),
        (0.47, 0.20, 0.16),
        (0.30, 0.30, 0.38),
    ],
    np.float32,
)
"""Colours of pigmented lesions, from brown over black to red-brown and blue-grey."""


@dataclass(frozen=True)
class Lesion:
    """What several pictures of one lesion have in common.

    Attributes:
        tone: Colour of the skin around it.
        kind: A number from 0 to 1 that decides what sort of lesion it is.
        waves: Amplitudes and phases of its outline's waves.
        stretch: Its length by its breadth.
        colours: Its main, its second and its darkest colour.
    """

    tone: NDArray[np.float32]
    kind: float
    waves: NDArray[np.float64]
    stretch: float
    colours: NDArray[np.float32]


def lesion(rng: np.random.Generator) -> Lesion:
    """Return a lesion of any kind."""
    tone = skin_tone(rng)
    kind = float(rng.random())
    waves = rng.normal(0, 1, (2, 6))
    stretch = float(rng.uniform(1, 1.9))
    palette = PIGMENTS if rng.random() < 0.68 else REDS
    colours = palette[rng.permutation(len(palette))[:3]] * np.float32(rng.uniform(0.8, 1.15))
    share = np.float32(rng.uniform(0.05, 0.35))
    return Lesion(tone, kind, waves, stretch, colours * (1 - share) + tone * share)


def outline(
    rng: np.random.Generator,
    width: int,
    height: int,
    shape: Lesion,
    centre: tuple[float, float],
    radius: float,
    roughness: float,
) -> tuple[Field, Field]:
    """Return, for each pixel, how far out of the lesion it is and at which angle.

    The distance is 0 in the middle and 1 at the border; the angle is in radians.
    """
    scale = 4  # the outline is smooth: a quarter of the pixels will do
    x, y = coordinates(-(-width // scale), -(-height // scale))
    x, y = x * scale - np.float32(centre[0]), y * scale - np.float32(centre[1])
    turn = rng.uniform(0, np.pi)
    along = (np.cos(turn) * x + np.sin(turn) * y) / np.float32(radius * shape.stretch**0.5)
    across = (np.cos(turn) * y - np.sin(turn) * x) / np.float32(radius / shape.stretch**0.5)
    angle = np.arctan2(across, along).astype(np.float32)
    border = np.ones_like(angle)
    for number, (height_of_wave, phase) in enumerate(shape.waves.T, start=2):
        wave = np.cos(number * angle + np.float32(phase * 3))
        border += np.float32(0.20 * height_of_wave / number**1.3) * wave
    distance = np.hypot(along, across) / np.maximum(border, np.float32(0.4))
    size = (width, height)
    distance = np.asarray(cv2.resize(distance, size, interpolation=cv2.INTER_LINEAR))
    ragged = fractal(rng, width, height, 1.5 * max(width, height) / radius, 5)
    distance += ragged * np.float32(roughness)
    return distance, np.asarray(cv2.resize(angle, size, interpolation=cv2.INTER_NEAREST))
