"""Whether a picture is too large or too narrow, by its header, before anything is decoded."""

from utils.common.limits import MAX_ASPECT
from utils.common.reading.errors import PictureError


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture by its header, before anything is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise PictureError("too large", f"{width} x {height} pixels, limit {max_pixels:,}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError("too narrow", f"{width} x {height} pixels")
