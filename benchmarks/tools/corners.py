"""Give a picture the corner of another one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Corner(NamedTuple):
    """One of the four corners of a picture."""

    name: str
    is_lower: bool
    is_right: bool


CORNERS = tuple(
    Corner(f"{('upper', 'lower')[is_lower]} {('left', 'right')[is_right]}", is_lower, is_right)
    for is_lower in (False, True)
    for is_right in (False, True)
)


def exchange_corner(
    picture: NDArray[np.uint8],
    donor: NDArray[np.uint8],
    corner: Corner,
    height: float,
    width: float,
) -> None:
    """Replace a corner of a picture, in place, by what another one of its size shows there.

    Args:
        picture: H x W x 3, uint8.
        donor: Of the same shape.
        corner: Which one.
        height: Of the corner, as a share of the picture's, 0-1.
        width: The same of its width.
    """
    rows, columns = round(height * picture.shape[0]), round(width * picture.shape[1])
    vertical = slice(picture.shape[0] - rows, None) if corner.is_lower else slice(rows)
    horizontal = slice(picture.shape[1] - columns, None) if corner.is_right else slice(columns)
    picture[vertical, horizontal] = donor[vertical, horizontal]
