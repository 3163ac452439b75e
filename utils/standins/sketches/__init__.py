"""Draw a picture of a class from random numbers."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import DERM, DERM_CLINIC, LOW_QUALITY, OTHER, PAN
from utils.standins.sketches.body import body_part
from utils.standins.sketches.clinical import clinical
from utils.standins.sketches.dermoscopy import dermoscopy
from utils.standins.sketches.poor import poor
from utils.standins.sketches.scene import scene

Sketch = Callable[
    [np.random.Generator, int, int, np.random.Generator | None],
    NDArray[np.uint8],
]
"""Maps random numbers, width, height and the subject's own random numbers to 8-bit RGB pixels.

The subject is what several pictures may share: a lesion, a person, a kind of thing. None stands
for a subject that no other picture shows.
"""

SKETCHES: Mapping[str, Sketch] = {
    DERM: dermoscopy,
    DERM_CLINIC: clinical,
    PAN: body_part,
    OTHER: scene,
    LOW_QUALITY: poor,
}
"""How each class is drawn."""
