"""Scale values of more than 8 bits to 8, by the range that the file uses."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.limits import ACCEPTED
from utils.common.reading.chunks import png_chunks
from utils.common.reading.decoders import PLANAR, SEPARATE, load, open_picture
from utils.common.reading.picture_error import PictureError

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners deliver in 16."""

SCALED = "values of {} bit in a file for more are scaled to their own range"

BITS_PER_SAMPLE, PHOTOMETRIC, MAX_SAMPLE_VALUE = 258, 262, 281
WHITE_IS_ZERO = 0

COLOURS = ("RGB", "RGBA")
GREY_ALPHA = "LA;16B"
NATIVE = "B" if sys.byteorder == "little" else "L"
OTHER_ORDER = {
    f"{colours};16{own}": f"{colours};16{other}"
    for colours in ("RGB", "RGBA", "RGBX", "R", "G", "B", "A")
    for own, other in (("B", "L"), ("L", "B"), ("N", NATIVE))
} | {GREY_ALPHA: "CMYK"}
"""What Pillow calls values of 16 bit in a file, and what makes it take the lower bytes."""

STRIP_PIXELS = 2**20
"""Converted at a time, so that the temporary arrays stay small however large a picture is."""


def is_deep_grey(image: Image.Image) -> bool:
    """Whether a picture has one channel of more than 8 bit."""
    return image.mode.startswith("I") or image.mode == "F"


def is_deep_colour(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet has 16 bit for each of its colours."""
    tiles = getattr(image, "tile", None)
    if image.mode not in ("RGB", "RGBA") or not tiles:
        return False
    return ";16" in _rawmode(tiles[0].args) and image.format in ("PNG", "TIFF")


def is_deep_grey_alpha(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet is grey, though Pillow will give it colours."""
    tiles: list[Any] = getattr(image, "tile", [])
    return is_deep_colour(image) and _rawmode(tiles[0].args) == GREY_ALPHA


def told_bits(image: Image.Image, content: bytes = b"") -> int | None:
    """Return how many bits of each value a file says that it uses, None if it says nothing."""
    if image.format in ("PPM", "JPEG2000"):
        return 16  # Pillow has scaled them already
    if image.format == "PNG" and content:
        return max(png_chunks(content).get(b"sBIT", b""), default=None)
    if image.format == "TIFF":
        tags: dict[int, Any] = getattr(image, "tag_v2", {})
        bits, most = tags.get(BITS_PER_SAMPLE, 16), tags.get(MAX_SAMPLE_VALUE)
        bits, most = (max(one) if isinstance(one, tuple) else one for one in (bits, most))
        if isinstance(bits, int) and 8 < bits < 16:
            return bits
        return most.bit_length() if isinstance(most, int) and most > 255 else None
    return None


def grey_to_8_bit(image: Image.Image, told: int | None) -> tuple[Image.Image, str]:
    """Scale grey values of more than 8 bit (uint16, int32 or float32) to uint8.

    The top of the range is what the file tells, where no value lies beyond it; else that of the
    fewest bits of `DEPTHS` that hold the largest value. Broken numbers up to 1 are shares of it.

    Returns:
        The picture, and what was done, to count by; "" where the whole range is used.

    Raises:
        PictureError: If a value is negative, too large or no number.
    """
    bounds = [(float(part.min()), float(part.max())) for _, part in _strips(image)]
    low, high = min(one for one, _ in bounds), max(one for _, one in bounds)
    if not (0 <= low <= high <= 65535 and np.isfinite(bounds).all()):  # so written, NaN is refused
        raise PictureError("unsupported", f"grey values from {low:g} to {high:g}")
    bits = _bits(high, told)
    top = 1.0 if image.mode == "F" and high <= 1 else 2.0**bits - 1
    grey = np.empty((image.height, image.width), dtype=np.uint8)
    for start, part in _strips(image):
        scaled = part * np.float32(255 / top)
        if is_negative(image):
            np.subtract(255, scaled, out=scaled)
        grey[start : start + len(part)] = np.rint(scaled, out=scaled)
    is_scaled = 8 < bits < 16 or (bits == 8 and image.mode.startswith("I;16"))
    return Image.fromarray(grey), SCALED.format(bits) if is_scaled else ""


def is_negative(image: Image.Image) -> bool:
    """Whether zero is white, which Pillow undoes for 8 bit alone."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return bool(tags.get(PHOTOMETRIC) == WHITE_IS_ZERO and image.mode.startswith(("I", "F")))


def colour_to_8_bit(
    loaded: Image.Image, content: bytes, told: int | None
) -> tuple[Image.Image, str]:
    """Scale colours of 16 bit again where the upper byte alone, which Pillow takes, is dark.

    Args:
        loaded: With the upper bytes; the scaled colours take their place.
        content: Of the file.
        told: Bits for each value, if the file says.

    Raises:
        PictureError: If the lower bytes cannot be had.
    """
    ranges: Any = loaded.getextrema()  # a pair for each channel
    bits = _bits(max(high for _, high in ranges[:3]) * 256 + 255, told)
    if bits == 16:
        return loaded, ""
    lower = _lower_bytes(content)
    scale = np.float32(255 / (2**bits - 1))
    for (start, part), (_, below) in zip(_strips(loaded), _strips(lower), strict=True):
        values = part[..., :3] * np.float32(256)
        values += below[..., :3] if lower.mode in COLOURS else below[..., 1:2]
        values *= scale
        shown = part.copy()
        shown[..., :3] = np.rint(values, out=values)
        loaded.paste(Image.fromarray(shown), (0, start))
    return loaded, SCALED.format(bits)


def _lower_bytes(content: bytes) -> Image.Image:
    """Decode the lower bytes of colours of 16 bit, by telling the decoder the other order of bytes.

    Returns:
        A picture with them; of grey with alpha, both bytes of both in the order of the file.

    Raises:
        PictureError: If the decoder would compute with them, or takes no order of bytes.
    """
    image = open_picture(content, ACCEPTED)
    tiles: list[Any] = getattr(image, "tile", [])
    raw = _rawmode(tiles[0].args)
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    is_in_planes = tiles[0].codec_name == "libtiff" and tags.get(PLANAR) == SEPARATE
    if raw not in OTHER_ORDER or is_in_planes:
        raise PictureError(
            "unsupported", "dark colours of 16 bit, in packed planes or premultiplied"
        )
    for place, tile in enumerate(tiles):
        other = OTHER_ORDER[_rawmode(tile.args)]
        args = other if isinstance(tile.args, str) else (other, *tile.args[1:])
        tiles[place] = tile._replace(args=args)
    if raw == GREY_ALPHA:
        image._mode = "CMYK"  # any of four bytes
    load(image)
    return image


def _rawmode(args: Any) -> str:
    """Return what a tile's values are called, the first or only argument of its decoder."""
    return str(args if isinstance(args, str) else args[0])


def _bits(highest: float, told: int | None) -> int:
    if told is not None and 8 <= told <= 16 and highest < 2**told:
        return told
    return next(bits for bits in DEPTHS if highest < 2**bits)


def strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield first row and row behind the last of parts that are converted at a time."""
    rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, rows):
        yield start, min(start + rows, height)


def _strips(image: Image.Image) -> Iterator[tuple[int, NDArray[Any]]]:
    for start, end in strips(image.height, image.width):
        yield start, np.asarray(image.crop((0, start, image.width, end)))
