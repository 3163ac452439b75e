"""Whether a picture costs too much, by its header, before anything is decoded."""

from PIL import Image

from utils.common.limits import MAX_ASPECT, MAX_PIXELS
from utils.common.reading.picture_error import PictureError

BYTES_PER_PIXEL = 8
"""That decoding may take for each pixel of the largest picture allowed: 1.6 GB or more."""

MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes of a pixel as Pillow holds it; four for all other modes."""

RGB_BYTES = 4
COEFFICIENT_BYTES = 2

OVERHEAD = {"WEBP": 12, "AVIF": 8, "HEIF": 8, "JPEG2000": 16, "TIFF": 4}
"""Bytes for each pixel that a decoder holds besides the picture: canvases, planes, strips."""

SMALL_PIXELS = 2**20
"""Of a picture that is never large in memory."""

SCALES = (8, 4, 2, 1)


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture by its header, before anything is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise PictureError("too large", f"{width} x {height} pixels, limit {max_pixels:,}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError("too narrow", f"{width} x {height} pixels")


def memory_limit(max_pixels: int) -> int:
    """Return how many bytes decoding may take, where pictures of so many pixels are allowed."""
    return BYTES_PER_PIXEL * max(max_pixels, MAX_PIXELS)


def check_memory(image: Image.Image, shorter_side: int, max_pixels: int) -> int:
    """Return the bytes that decoding takes, none for a small picture.

    Raises:
        PictureError: If they are more than the largest picture may take.
    """
    if image.width * image.height <= SMALL_PIXELS:
        return 0
    num_bytes = _decoded_bytes(image, shorter_side)
    limit = memory_limit(max_pixels)
    if num_bytes > limit:
        detail = f"decoding takes {num_bytes:,} bytes, limit {limit:,}"
        raise PictureError("too large", detail)
    return num_bytes


def has_slow_decoder(image: Image.Image) -> bool:
    """Tell whether its decoder is written in Python, and a thousand times slower than others.

    Run-length coded BMP, PNM of text or of unusual depth.
    """
    return any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", ()))


def _decoded_bytes(image: Image.Image, shorter_side: int) -> int:
    """Return what a decoder and the conversion to RGB hold at once."""
    num_pixels = image.width * image.height
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        side = min(image.size)
        scale = next((s for s in SCALES if shorter_side and side // s >= 2 * shorter_side), 1)
        coefficients = num_pixels * COEFFICIENT_BYTES * len(image.getbands())
        return num_pixels * 2 * RGB_BYTES // scale**2 + (
            coefficients if "progressive" in image.info else 0
        )
    overhead = OVERHEAD.get(image.format or "", 0)
    num_bytes = num_pixels * (MODE_BYTES.get(image.mode, 4) + overhead)
    is_one = image.mode == "RGB" and not _is_deep(image)
    return num_bytes if is_one else num_bytes + num_pixels * RGB_BYTES


def _is_deep(image: Image.Image) -> bool:
    """Tell whether each of several channels has 16 bit, of which Pillow keeps 8 at a time."""
    tiles = getattr(image, "tile", ())
    return image.mode not in MODE_BYTES and any(";16" in str(tile[3]) for tile in tiles)
