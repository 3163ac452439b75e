"""Bytes of any picture file in, upright 8-bit RGB out; and RGB back into JPEG bytes."""

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.limits import MAX_PIXELS
from utils.common.reading import clock
from utils.common.reading.apart import ElsewhereError, is_needed, leave_to_child, read_apart
from utils.common.reading.bounds import check_memory, check_size, has_slow_decoder
from utils.common.reading.damage import check_messages, decoding, look_into
from utils.common.reading.errors import PictureError as PictureError
from utils.common.reading.jpeg import check_cmyk, check_other_kind, decode_jpeg
from utils.common.reading.messages import heard
from utils.common.reading.sizes import fit_shorter_side as fit_shorter_side
from utils.common.reading.turns import one_at_a_time

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".png"),
    *(".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"),
)
"""File name endings, in lower case, under which a picture is looked for."""

JPEG_QUALITY = 92
ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of this EXIF orientation upright (1 already is)."""

TRANSPOSING = (5, 6, 7, 8)

NO_EXIF = (SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error)
"""What Pillow raises where EXIF data are cut or of another form."""

REDUCING_GAP = 2.0
"""Average whole blocks first as long as twice the pixels wanted are left: twice as fast."""


@dataclass(frozen=True, slots=True)
class Original:
    """Facts about a picture file as it was found; width and height are of the upright picture."""

    format: str
    width: int
    height: int
    num_frames: int
    """More than one in an animated or multi-page file, of which the first is read."""
    table_sums: tuple[int, ...]
    """As `table_sums` gives them."""
    is_plain: bool
    """Whether it already is an upright 8-bit RGB JPEG, so that its bytes can be kept."""


def read_picture(
    content: bytes, shorter_side: int = 0, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, Original]:
    """Decode a picture file to upright 8-bit RGB.

    Transparent parts come out white, 16-bit values are scaled to 8 bit, EXIF rotation is applied.

    Args:
        content: The file's bytes.
        shorter_side: Wanted length of the shorter side in pixels, smaller pictures are enlarged;
            0 keeps the size.
        max_pixels: A larger picture is refused before it is decoded.

    Raises:
        PictureError: If there is no whole picture in these bytes.
    """
    if not content:
        raise PictureError("empty", "the file has no bytes")
    try:
        if is_needed(content):
            raise ElsewhereError
        return _read(content, shorter_side, max_pixels)
    except ElsewhereError:
        image, facts = read_apart(content, shorter_side, max_pixels)
        lists = {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
        return image, Original(**facts | lists)


def _read(content: bytes, shorter_side: int, max_pixels: int) -> tuple[Image.Image, Original]:
    """Do what `read_picture` does in this process.

    Raises:
        ElsewhereError: If the decoder's work is bounded by no header.
        PictureError: If there is no whole picture in these bytes.
    """
    with warnings.catch_warnings(), heard() as messages, decoding(content):
        warnings.simplefilter("ignore")
        container = look_into(content, max_pixels)
        with Image.open(io.BytesIO(container.content)) as image:
            check_size(image.size, max_pixels)
            if container.flaw:
                raise container.flaw
            if has_slow_decoder(image):
                leave_to_child()
            with one_at_a_time(check_memory(image, shorter_side, max_pixels)):
                clock.start(clock.limit_s(image.width * image.height, len(content)))
                orientation = _orientation(image)
                original = _look_at(image, orientation, container.num_frames)
                turn = TURNS.get(orientation)
                upright = _pixels(container.content, image, shorter_side)
                if turn is not None:
                    upright = upright.transpose(turn)
    check_messages(messages)
    if shorter_side:
        size = fit_shorter_side((original.width, original.height), shorter_side)
        upright = upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    return upright, original


def _pixels(content: bytes, image: Image.Image, shorter_side: int) -> Image.Image:
    """Return RGB as it is stored, by the decoder that tells most of its damage."""
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        pixels = decode_jpeg(content, image.size, shorter_side)
        if pixels is not None:
            return pixels
        check_other_kind(content)
    elif image.format in ("JPEG", "MPO"):
        check_cmyk(content)
    return to_rgb(image)


def _look_at(image: Image.Image, orientation: int, num_frames: int | None) -> Original:
    """Return the facts about a picture file."""
    width, height = image.size
    if orientation in TRANSPOSING:
        width, height = height, width
    is_plain = image.format == "JPEG" and image.mode == "RGB" and orientation not in TURNS
    if num_frames is None:
        num_frames = int(getattr(image, "n_frames", 1))
    return Original(image.format or "", width, height, num_frames, table_sums(image), is_plain)


def table_sums(image: Image.Image) -> tuple[int, ...]:
    """Return the sum of each of a JPEG's quantisation tables: the coarser, the larger.

    Usually one for brightness and one for colour; other formats have none.
    """
    tables: dict[int, list[int]] = getattr(image, "quantization", {})
    return tuple(sum(table) for _, table in sorted(tables.items()))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be undone; unreadable EXIF counts as none."""
    if image.format == "TIFF":
        return 1  # Pillow turns these by itself while it loads them
    if image.format == "PNG":
        image.load()  # its EXIF may come after the pixels, whose errors are not EXIF's
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except NO_EXIF:
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a picture of any Pillow mode to 8-bit RGB; transparency goes on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values of more than 8 bit (uint16, int32 or float32) to uint8."""
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= 65535:  # so written, NaN is refused too
        raise PictureError("unsupported", f"grey values from {low:g} to {high:g}")
    if values.dtype.kind == "f" and high <= 1:
        values = values * 255.0
    elif high > 255 or values.dtype.kind == "u":
        values = values / 257.0
    rounded: NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    return rounded


def write_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture as JPEG, the same bytes at every call."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
