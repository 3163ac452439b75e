"""Tell why an original is too poor to be a good example of its class."""

import numpy as np

from utils.common.limits import SMALLEST_GOOD
from utils.quality.alone import acuity, highlights
from utils.quality.measures import contrast, luma, view
from utils.quality.sizes import shorter_side

TOO_SMALL, TOO_BLURRED, TOO_DARK = "too small", "too blurred", "too dark"

LEAST_ACUITY = 3.0
"""Between the mildest defocus (below 2.7 in 95 % of pictures) and the least of 560 real pictures
that are not tiny (3.15, which is soft; the next ones have a blurred background)."""

LEAST_HIGHLIGHTS = 80.0
"""The least of these pictures have 119, the mildest under-exposure leaves 109 at most."""

LEAST_CONTRAST = 3.0
"""A picture of nearly one colour has no edges that could be sharp."""


def why_poor(picture: np.ndarray) -> tuple[str, str]:
    """Return the fault of a picture and the figures, both "" where it may be a good one.

    Lenient on purpose: what lies between this and the mildest degradation is left to its label.
    Sharpness is told of pictures of at least `SMALLEST_GOOD` pixels alone.

    Args:
        picture: uint8 RGB, shape (height, width, 3), at the size at which it is written.
    """
    seen = view(picture)
    brightest = highlights(luma(seen))
    if brightest < LEAST_HIGHLIGHTS:
        return TOO_DARK, f"95 % of it below grey value {brightest:.0f} of 255"
    if shorter_side(seen) < SMALLEST_GOOD or contrast(seen) < LEAST_CONTRAST:
        return "", ""
    sharpness = acuity(seen)
    if sharpness < LEAST_ACUITY:
        return TOO_BLURRED, f"acuity {sharpness:.1f}, good pictures have {LEAST_ACUITY:g} or more"
    return "", ""
