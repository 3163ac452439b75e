"""Warn where training would enlarge pictures to the size of the input."""

import math
from collections.abc import Sequence

from utils.common.cli.console import warn
from utils.training.data.pictures import Picture
from utils.training.data.transforms import MIN_SCALE


def warn_of_enlarging(pictures: Sequence[Picture], side: int) -> None:
    """Warn if training would enlarge pictures: that blurs, and blur is what LOW_QUALITY means.

    Args:
        pictures: Training pictures; those without a size in a manifest are passed over.
        side: Side of the model's input, in pixels.
    """
    needed = least_stored_side(side)
    shorter = [min(picture.size) for picture in pictures if picture.size is not None]
    small = [length for length in shorter if length < needed]
    if not small:
        return
    warn(
        f"an input of {side} pixels enlarges {len(small):,} of {len(shorter):,} training pictures, "
        f"whose shorter side is {min(small)} pixels or more; that blurs, and blur is what "
        f"LOW_QUALITY means. Make the data set with python create_dataset.py --image-size {needed}."
    )


def least_stored_side(side: int) -> int:
    """Return the shorter side from which no crop is enlarged to an input, in pixels.

    >>> least_stored_side(224)
    256
    """
    return math.ceil(side / MIN_SCALE)
