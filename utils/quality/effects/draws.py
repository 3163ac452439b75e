"""Draw those parameters of each kind that do not depend on the severity."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from utils.quality.effects.occlusion import FINGERS, STRAPS
from utils.quality.kind import Parameters


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number evenly; three decimals, so that it is short in the manifest."""
    return round(float(rng.uniform(low, high)), 3)


def one_of(rng: np.random.Generator, choices: Iterable[Any]) -> Any:
    """Draw one of several, all equally likely."""
    choices = list(choices)
    return choices[int(rng.integers(len(choices)))]


def noise_seed(rng: np.random.Generator) -> int:
    """Draw the seed of a random field."""
    return int(rng.integers(2**32))


def draw_haze(rng: np.random.Generator) -> Parameters:
    """Draw the colour of the veil and how it grows with the distance."""
    return {
        "airlight": between(rng, 0.2, 0.8),
        "tint": between(rng, -1, 1),
        "slope": between(rng, 0, 1),
        "angle": between(rng, 0, 360),
    }


def draw_spots(
    rng: np.random.Generator,
    count: int,
    farthest: float,
    sizes: tuple[float, float],
    flattest: float,
) -> list[list[float]]:
    """Draw `lamps.Spots`, the smaller the more there are.

    Args:
        farthest: From the middle in each direction, in half sides.
        sizes: Least and largest size of a single spot.
        flattest: Least aspect, short over long axis.
    """
    smallest, largest = (size / count**0.5 for size in sizes)
    return [
        [
            between(rng, -farthest, farthest),
            between(rng, -farthest, farthest),
            between(rng, smallest, largest),
            between(rng, flattest, 1),
            between(rng, 0, 180),
        ]
        for _ in range(count)
    ]


def draw_glare(rng: np.random.Generator) -> Parameters:
    """Draw one to three spots, the smaller the more there are."""
    count = int(rng.integers(1, 4))
    spots = draw_spots(rng, count, farthest=0.7, sizes=(0.8, 1.1), flattest=0.4)
    return {"spots": spots, "tint": between(rng, -1, 1), "halo": between(rng, 0.2, 1)}


def draw_cast_shadow(rng: np.random.Generator) -> Parameters:
    """Draw the thing in the light, from where its shadow comes, and the light that is left."""
    return {
        "covered": between(rng, 0.3, 0.7),
        "thing": one_of(rng, ("phone", "head")),
        "place": between(rng, 0, 360),
        "lean": between(rng, -40, 40),
        "softness": between(rng, 0.03, 0.25),
        "tint": between(rng, -1, 1),
        "lift": between(rng, 0, 0.8),
    }


def draw_lamp_banding(rng: np.random.Generator) -> Parameters:
    """Draw the bands: their distance follows from shutter and mains, their edge from the lamp."""
    return {
        "period": between(rng, 0.08, 0.45),
        "phase": between(rng, 0, 1),
        "edge": between(rng, 0, 0.7),
        "is_upright": one_of(rng, (False, True)),
        "tint": between(rng, -1, 1),
    }


def draw_gel_bubbles(rng: np.random.Generator) -> Parameters:
    """Draw where bubbles lie, and how they bend and scatter light."""
    return {
        "bubble_seed": noise_seed(rng),
        "power": between(rng, 0.1, 0.6),
        "rim": between(rng, 0.4, 1.2),
        "size": between(rng, 0.07, 0.2),
        "angle": between(rng, 0, 360),
        "around": between(rng, 0, 1),
        "dark": between(rng, 0.3, 0.8),
    }


def draw_partial_defocus(rng: np.random.Generator) -> Parameters:
    """Draw the plane in focus, towards one side, and how fast blur grows beyond it."""
    return {
        "focus": between(rng, -0.6, -0.15),
        "depth": between(rng, 0.03, 0.12),
        "ramp": between(rng, 0.12, 0.4),
        "angle": between(rng, 0, 360),
        "curve": between(rng, -0.3, 0.3),
    }


def draw_smear(rng: np.random.Generator) -> Parameters:
    """Draw the noise that is cleaned up, and how edges are sharpened afterwards."""
    return {
        "noise_seed": noise_seed(rng),
        "noise": between(rng, 0.05, 0.35),
        "sharpening": between(rng, 0.3, 1.2),
        "reach": between(rng, 0.01, 0.025),
    }


def draw_messenger(rng: np.random.Generator) -> Parameters:
    """Draw both compressions and the size in between."""
    return {
        "first_quality": int(rng.integers(20, 61)),
        "last_quality": int(rng.integers(12, 41)),
        "share": between(rng, 0.3, 1),
    }


def draw_occlusion(rng: np.random.Generator) -> Parameters:
    """Draw a finger or a strap and where it comes in."""
    thing = one_of(rng, ("finger", "strap"))
    return {
        "thing": thing,
        "colour": list(one_of(rng, FINGERS if thing == "finger" else STRAPS)),
        "place": between(rng, 0, 360),
        "lean": between(rng, -30, 30),
        "softness": between(rng, 0.03, 0.2),
        "shade": between(rng, 0, 0.6),
    }


def draw_under_exposure(rng: np.random.Generator) -> Parameters:
    """Draw the lamp that is left, and the noise."""
    return {
        "noise_seed": noise_seed(rng),
        "warmth": between(rng, -0.1, 0.4),
        "depth": between(rng, 0, 0.8),
        "x": between(rng, -0.6, 0.6),
        "y": between(rng, -0.6, 0.6),
        "noise": between(rng, 0, 0.009),
    }


def draw_against_light(rng: np.random.Generator) -> Parameters:
    """Draw one to six lamps, the smaller the more there are, and what they light."""
    count = int(rng.integers(1, 7))
    spots = draw_spots(rng, count, farthest=0.95, sizes=(0.4, 1.2), flattest=0.3)
    return {
        "spots": spots,
        "reach": between(rng, 0.02, 0.12),
        "spill": between(rng, 1, 5),
        "is_in_view": one_of(rng, (True, True, False)),
        "tint": between(rng, -1, 1),
        "halo": between(rng, 0, 0.12),
        "noise_seed": noise_seed(rng),
        "noise": between(rng, 0, 0.006),
    }


def draw_defocus_blur(rng: np.random.Generator) -> Parameters:
    """Draw the shape of the disc."""
    return {"aspect": between(rng, 0.75, 1), "angle": between(rng, 0, 180)}


def draw_motion_blur(rng: np.random.Generator) -> Parameters:
    """Draw the path: its direction and turn, how evenly it is run, and half the time a roll."""
    return {
        "angle": between(rng, 0, 180),
        "bend": between(rng, -120, 120),
        "pace": between(rng, -0.8, 0.8),
        "roll": max(0.0, between(rng, -0.7, 0.7)),
    }


def draw_chromatic_aberration(rng: np.random.Generator) -> Parameters:
    """Draw the direction of the shift and its share that grows outwards."""
    return {"angle": between(rng, 0, 360), "lateral": between(rng, 0.2, 0.8)}


def draw_sensor_noise(rng: np.random.Generator) -> Parameters:
    """Draw the kind of grain."""
    return {
        "noise_seed": noise_seed(rng),
        "clump": between(rng, 0, 1),
        "colour": between(rng, 0, 1),
    }
