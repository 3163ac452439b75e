"""The chunks of a WebP: whether all are whole, and whether its decoder needs all of its pixels."""

import io
import struct
from collections.abc import Iterator

from PIL.WebPImagePlugin import WebPImageFile

from utils.common.reading.containers.exif import check_exif
from utils.common.reading.containers.zeros import longest_is_over
from utils.common.reading.picture_error import PictureError

CHUNK = struct.Struct("<4sI")
RIFF_BYTES = 12
FRAME_BYTES = 16
PIXELS = (b"VP8 ", b"VP8L")

MAX_CHUNKS = 100_000

MIN_RUN = 16
"""Zeros in a row, rare enough that a second decoding for each such file costs nothing."""

PADDING = 16
"""Bytes at the end that a decoder may leave unread."""


TAG_BYTES = 3
KEY_FRAME_BYTES = 10
SIZE_SHIFT = 5
TAG_FLAGS = 2**SIZE_SHIFT - 1


def check_webp(content: bytes) -> None:
    """Refuse a WebP with a cut chunk or a hole among its pixels; bytes behind it are not its own.

    Its decoder is silent on holes, and a flat picture may have long runs of zeros. But having
    lost its place a decoder comes to the end of the picture before that of the bytes, so that it
    can do without the last of them.

    Raises:
        PictureError: If it is damaged, or has too many chunks.
    """
    end = CHUNK.size + int.from_bytes(content[4:8], "little")
    if end > len(content) + 1:  # some writers leave out the last byte, which only fills up
        raise PictureError("truncated", f"{len(content):,} bytes, {end:,} announced")
    chunks = list(_chunks(content, RIFF_BYTES, min(end, len(content))))
    for kind, start, size in chunks:
        if kind == b"EXIF":
            check_exif(content[start : start + size])
        elif kind == b"ANMF":
            chunks += _chunks(content, start + FRAME_BYTES, start + size)
            break
    pixels = [(kind, start, size) for kind, start, size in chunks if kind in PIXELS]
    if not pixels:
        raise PictureError("truncated", "the WebP has no pixels")
    kind, start, size = pixels[0]
    if longest_is_over(content, MIN_RUN - 1, start, start + size):
        coded = content[start : start + size]
        if any(_decodes(kind, shorter) for shorter in _shortened(kind, coded)):
            raise PictureError("damaged", "its pixels end before their bytes do")


def _shortened(kind: bytes, pixels: bytes) -> Iterator[bytes]:
    """Yield coded pixels without their last bytes; of lossy ones, without those of either part."""
    yield pixels[:-PADDING]
    tag = int.from_bytes(pixels[:TAG_BYTES], "little")
    first, modes = tag & TAG_FLAGS, tag >> SIZE_SHIFT  # how blocks are predicted comes first
    if kind == b"VP8 " and PADDING < modes < len(pixels) - KEY_FRAME_BYTES:
        end = KEY_FRAME_BYTES + modes
        shorter = (first | modes - PADDING << SIZE_SHIFT).to_bytes(TAG_BYTES, "little")
        yield shorter + pixels[TAG_BYTES : end - PADDING] + pixels[end:]


def _chunks(content: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, start and size of each chunk.

    Raises:
        PictureError: If one is cut, or there are too many.
    """
    for _ in range(MAX_CHUNKS):
        if place + CHUNK.size > end:
            return
        kind, size = CHUNK.unpack_from(content, place)
        start = place + CHUNK.size
        if start + size > end:
            raise PictureError("truncated", f"the chunk {kind!r} of the WebP is cut")
        yield kind, start, size
        place = start + size + size % 2
    raise PictureError("too large", f"more than {MAX_CHUNKS:,} chunks")


def _decodes(kind: bytes, pixels: bytes) -> bool:
    """Tell whether these bytes alone make a picture."""
    chunk = CHUNK.pack(kind, len(pixels)) + pixels + bytes(len(pixels) % 2)
    whole = CHUNK.pack(b"RIFF", 4 + len(chunk)) + b"WEBP" + chunk
    try:
        with WebPImageFile(io.BytesIO(whole)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True
