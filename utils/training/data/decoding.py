"""Decode a picture file to upright RGB pixels."""

import hashlib
import math
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from models.reading import MAX_DIRECT_SIDE, SHORTER_SIDE
from utils.common.disk.location import Location
from utils.common.limits import MAX_PIXELS
from utils.common.pictures import PictureError, fit_shorter_side, read_picture
from utils.training.data.pictures import CHANGED, Picture

TELLING = (b"ICC_PROFILE\0", b"Exif\0\0")
"""Marks of a JPEG that may be in another colour space, or not upright."""


def read_pixels(folder: Path, picture: Picture) -> NDArray[np.uint8]:
    """Decode one picture to upright RGB, uint8, height x width x 3.

    A file that the manifest lists is a plain RGB JPEG, so the fastest exact decoder will do;
    everything else is read as create_dataset.py reads it. The bytes are hashed each time, which
    takes 1-2 % of the time of all that is done with the picture.

    Raises:
        PictureError: If it is not a complete picture, or not the one that was listed.
    """
    try:
        content = Location(str(folder / picture.file)).read()
    except OSError as error:
        raise PictureError("unreadable", error.strerror or str(error)) from None
    if picture.sha256 and hashlib.sha256(content).digest() != picture.sha256:
        raise PictureError(CHANGED, f"its SHA-256 differs from that {picture.origin_of_hash}")
    if picture.size is None:
        return np.asarray(read_picture(content, SHORTER_SIDE)[0])
    if min(picture.size) > MAX_DIRECT_SIDE:
        max_pixels = max(MAX_PIXELS, math.prod(picture.size))  # --max-pixels let it pass
        return np.asarray(read_picture(content, SHORTER_SIDE, max_pixels)[0])
    pixels = _decode_plain(content)
    height, width = pixels.shape[:2]
    if (width, height) != picture.size:
        raise PictureError(CHANGED, f"{width} x {height} pixels, {picture.size} when it was made")
    return pixels


def _decode_plain(content: bytes) -> NDArray[np.uint8]:
    """Decode an upright sRGB JPEG fast, and anything else in the general way."""
    if any(mark in content for mark in TELLING):
        return np.asarray(read_picture(content)[0])
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB", strict=True)
    except ValueError:
        return np.asarray(read_picture(content)[0])
    return pixels


def decoded_size(picture: Picture) -> tuple[int, int] | None:
    """Return (width, height) of the result of `read_pixels`; None if only decoding tells."""
    if picture.size is None or min(picture.size) <= MAX_DIRECT_SIDE:
        return picture.size
    return fit_shorter_side(picture.size, SHORTER_SIDE)
