"""Decode a JPEG at a fitting scale, and tell damage."""

import itertools

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from utils.common.reading.containers.jpeg import mend_jpeg
from utils.common.reading.isolation.process import leave_to_child
from utils.common.reading.messages import heard
from utils.common.reading.target_size import reduced, reduction

WARNINGS = ("corrupt jpeg", "premature end", "invalid", "inconsistent", "unknown", "warning")
"""How messages begin of a decoder that knows this kind of JPEG, and finds fault with this one."""

DAMAGE = ("corrupt jpeg", "premature end", "inconsistent")


def decode_jpeg(content: bytes, size: tuple[int, int], shorter_side: int) -> Image.Image | None:
    """Decode a JPEG to RGB, at the scale that `Image.thumbnail` of Pillow would decode it at.

    Pillow hides libjpeg's warnings, so that a file with a damaged middle would pass for a whole
    one; this decoder raises them as ValueError.

    Returns:
        The picture; None for a kind of JPEG that this decoder does not know, and Pillow may.
    """
    pixels = _decode(content, "RGB", *reduced(size, reduction(size, shorter_side)))
    return None if pixels is None else Image.fromarray(pixels)


def check_cmyk(content: bytes) -> None:
    """Decode a CMYK JPEG at the smallest scale, for the warnings alone."""
    if _decode(content, "CMYK", 1, 1) is None:
        check_other_kind(content)


def check_other_kind(content: bytes) -> None:
    """Hear what another decoder says of a JPEG whose kind the strict one does not know.

    It speaks to the standard error stream alone, which is listened to in a process of its own.

    Raises:
        ValueError: If it warns of damage.
    """
    leave_to_child()
    import cv2  # in that process only: the others may do without

    whole = next(mend_jpeg(content), content)
    with heard() as messages:
        cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
    for message in messages:
        if message.lower().startswith(DAMAGE):
            raise ValueError(message)


def _decode(content: bytes, colours: str, width: int, height: int) -> NDArray[np.uint8] | None:
    """Decode strictly; where there are warnings, once more without what is odd but harmless."""
    failure = None
    for whole in itertools.chain([content], mend_jpeg(content)):
        try:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                whole, colours, min_height=height, min_width=width, min_factor=1, strict=True
            )
        except ValueError as error:
            if not str(error).lower().startswith(WARNINGS):
                return None
            failure = failure or error
        else:
            return pixels
    assert failure is not None
    raise failure
