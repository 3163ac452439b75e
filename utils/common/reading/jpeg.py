"""Bytes of a JPEG in, its RGB pixels at a fitting scale out; damage is told."""

import simplejpeg
from PIL import Image

from utils.common.reading.sizes import fit_shorter_side


def decode_jpeg(content: bytes, size: tuple[int, int], shorter_side: int) -> Image.Image:
    """Decode a JPEG to RGB, at the smallest scale that has the pixels wanted.

    Pillow hides libjpeg's warnings, so that a file with a damaged middle would pass for a whole
    one; this decoder raises them as ValueError.
    """
    width, height = fit_shorter_side(size, shorter_side) if shorter_side else size
    pixels = simplejpeg.decode_jpeg(
        content, "RGB", min_height=min(height, size[1]), min_width=min(width, size[0]),
        min_factor=1, strict=True,
    )  # fmt: skip
    return Image.fromarray(pixels)
