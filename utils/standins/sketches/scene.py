"""Draw anything but medicine: papers, animals, places, things."""

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.creatures import animal, flowers
from utils.standins.sketches.fields import finished
from utils.standins.sketches.places import building, landscape
from utils.standins.sketches.shelf import fruit, still_life
from utils.standins.sketches.surfaces import page, pattern
from utils.standins.sketches.vehicle import vehicle


def scene(
    rng: np.random.Generator, width: int, height: int, subject: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Draw a scene without anything medical, 8-bit RGB."""
    sight = SIGHTS[(subject or rng).integers(len(SIGHTS))]
    canvas = sight(rng, width, height)
    canvas *= np.float32(rng.uniform(0.88, 1.06))
    return finished(rng, canvas)


SIGHTS = (animal, building, flowers, fruit, landscape, page, pattern, still_life, vehicle)
"""What can be seen."""
