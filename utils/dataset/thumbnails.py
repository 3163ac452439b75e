"""What is kept of each picture to tell its copies by: 32 x 32 grey pixels."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 32
"""Width and height of a thumbnail in pixels; a picture of any shape is squeezed into it."""


def thumbnail(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to 32 x 32 grey pixels, 1,024 bytes row by row."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    return small.convert("L").tobytes()


def grey(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the thumbnails' grey values, uint8 of shape (n, 32, 32)."""
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, SIDE, SIDE)
