"""The chunks of a PNG: whether its end is there, and whether they cost more than its pixels."""

import struct
import zlib

from utils.common.reading.containers.exif import check_exif
from utils.common.reading.containers.zeros import MIN_RUN, longest_is_over
from utils.common.reading.errors import PictureError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK = struct.Struct(">I4s")
CRC_BYTES = 4

MAX_CHUNKS = 200_000
"""Pillow looks at each: about two seconds. Of 8 kB each, as writers make them, 1.6 GB."""


def check_png(content: bytes) -> None:
    """Refuse a PNG without its last chunk; whatever comes behind that is not its own.

    The decoder itself finds damage among the pixels by their checksum.

    Raises:
        PictureError: If a chunk is cut, there is no end, or it costs too much.
    """
    place = len(SIGNATURE)
    last: tuple[int, int] | None = None
    for _ in range(MAX_CHUNKS):
        if place + CHUNK.size > len(content):
            raise PictureError("truncated", "the PNG has no end")
        length, kind = CHUNK.unpack_from(content, place)
        if kind == b"eXIf":
            check_exif(content[place + CHUNK.size : place + CHUNK.size + length])
        if kind == b"IDAT":
            last = place, place + CHUNK.size + length
        place += CHUNK.size + length + CRC_BYTES
        if kind == b"IEND":
            if last:
                _check_last(content, *last)
            return
    raise PictureError("too large", f"more than {MAX_CHUNKS:,} chunks")


def _check_last(content: bytes, start: int, end: int) -> None:
    """Refuse a last chunk of pixels with a hole, behind which the decoder need not look.

    Raises:
        PictureError: If its checksum is another.
    """
    if longest_is_over(content, MIN_RUN - 1, start, end):
        found = zlib.crc32(content[start + CRC_BYTES : end])
        if found.to_bytes(CRC_BYTES, "big") != content[end : end + CRC_BYTES]:
            raise PictureError("damaged", "the checksum of its last pixels is another")
