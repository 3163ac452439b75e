"""Thumbnails by which copies of pictures are told: 32 x 32 grey pixels of each, 64 x 64 of some."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 32
"""Width and height of a thumbnail in pixels; a picture of any shape is squeezed into it."""

CLOSE_SIDE = 64
"""Of what is made of the few pictures that are looked at more closely."""

BLACK, WHITE = 20, 254
"""Grey levels from which on a border counts as black or white."""


def thumbnail(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to 32 x 32 grey pixels, 1,024 bytes row by row."""
    return _shrunk(picture, SIDE)


def close_view(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to 64 x 64 grey pixels, 4,096 bytes row by row."""
    return _shrunk(picture, CLOSE_SIDE)


def _shrunk(picture: Image.Image, side: int) -> bytes:
    small = picture.resize((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    return small.convert("L").tobytes()


def grey(thumbnails: Sequence[bytes], side: int = SIDE) -> np.ndarray:
    """Return the thumbnails' grey values, uint8 of shape (n, side, side)."""
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, side, side)


def surroundings(pictures: np.ndarray) -> np.ndarray:
    """Tell which pixels are of a black or white border: of a frame, or around a dermoscope's view.

    They tell more about the camera than about the picture. A pixel counts as such where all pixels
    between it and an edge, straight on, are nearly black, or all are nearly white.

    Args:
        pictures: Uint8, shape (n, side, side).

    Returns:
        Bool, of the same shape.
    """
    outside = np.zeros(pictures.shape, bool)
    for extreme in (pictures <= BLACK, pictures >= WHITE):
        edges = extreme[:, 0] | extreme[:, -1] | extreme[:, :, 0] | extreme[:, :, -1]
        some = np.flatnonzero(edges.any(axis=1))
        for axis in (1, 2):
            for way in (1, -1):
                along = np.moveaxis(extreme[some], axis, 0)[::way]
                reached = np.logical_and.accumulate(along, axis=0)[::way]
                outside[some] |= np.moveaxis(reached, 0, axis)
    return outside
