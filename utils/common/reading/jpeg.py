"""Bytes of a JPEG in, its RGB pixels at a fitting scale out; damage is told."""

import simplejpeg
from PIL import Image

from utils.common.reading.sizes import reduced, reduction


def decode_jpeg(content: bytes, size: tuple[int, int], shorter_side: int) -> Image.Image:
    """Decode a JPEG to RGB, at the scale that `Image.thumbnail` of Pillow would decode it at.

    Pillow hides libjpeg's warnings, so that a file with a damaged middle would pass for a whole
    one; this decoder raises them as ValueError.
    """
    width, height = reduced(size, reduction(size, shorter_side))
    pixels = simplejpeg.decode_jpeg(
        content, "RGB", min_height=height, min_width=width,
        min_factor=1, strict=True,
    )  # fmt: skip
    return Image.fromarray(pixels)
