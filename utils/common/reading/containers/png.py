"""The chunks of a PNG: whether its end is there, and whether they cost more than its pixels."""

import struct
import zlib

from utils.common.reading.containers.exif import check_exif
from utils.common.reading.containers.zeros import MIN_RUN, longest_is_over
from utils.common.reading.picture_error import PictureError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK = struct.Struct(">I4s")
CRC_BYTES = 4

ANCILLARY = 0x20
"""A bit of the first letter of what a decoder can do without."""

OF_PIXELS = (b"tRNS", b"fcTL", b"fdAT", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"sBIT")
"""Chunks that pixels or colours depend on though they are called ancillary."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LEAST_BYTES = {b"pHYs": 9, b"acTL": 8, b"zTXt": 3, b"eXIf": 8}
MAX_TEXT = 2**20
MAX_TEXT_BYTES = 2**25
"""Of all texts together; Pillow has limits of its own, beyond which it calls a file too large."""

MAX_CHUNKS = 200_000
"""Pillow looks at each: about two seconds. Of 8 kB each, as writers make them, 1.6 GB."""


def check_png(content: bytes) -> bytes:
    """Refuse a PNG without its last chunk; whatever comes behind that is not its own.

    The decoder itself finds damage among the pixels by their checksum.

    Returns:
        The same bytes, without broken or huge chunks that no pixel depends on.

    Raises:
        PictureError: If a chunk is cut, there is no end, or it costs too much.
    """
    place = len(SIGNATURE)
    last: tuple[int, int] | None = None
    budget = MAX_TEXT_BYTES
    kept: list[bytes] = []
    done = 0
    for _ in range(MAX_CHUNKS):
        if place + CHUNK.size > len(content):
            raise PictureError("truncated", "the PNG has no end")
        length, kind = CHUNK.unpack_from(content, place)
        start = place + CHUNK.size
        end = start + length
        if kind == b"eXIf":
            check_exif(content[start:end])
        if kind == b"IDAT":
            last = place, end
        elif kind == b"IEND":
            if last:
                _check_last(content, *last)
            return b"".join([*kept, content[done:]]) if kept else content
        elif kind[0] & ANCILLARY and kind not in OF_PIXELS:
            is_wanted = length >= LEAST_BYTES.get(kind, 0) and _is_sound(content, place, end)
            if is_wanted and kind in TEXTS:
                num_bytes = _text_bytes(kind, content[start:end]) if budget > 0 else 0
                budget -= num_bytes
                is_wanted = num_bytes <= MAX_TEXT and budget > 0
            if not is_wanted:
                kept.append(content[done:place])
                done = end + CRC_BYTES
        place = end + CRC_BYTES
    raise PictureError("too large", f"more than {MAX_CHUNKS:,} chunks")


def _is_sound(content: bytes, place: int, end: int) -> bool:
    """Tell whether the checksum of a chunk is right."""
    found = zlib.crc32(memoryview(content)[place + CRC_BYTES : end])
    return found.to_bytes(CRC_BYTES, "big") == content[end : end + CRC_BYTES]


def _text_bytes(kind: bytes, body: bytes) -> int:
    """Return how long a text is once it is unpacked, more than `MAX_TEXT` if no one knows how."""
    key, _, rest = body.partition(b"\0")
    packed = rest[1:] if kind == b"zTXt" else b""
    if kind == b"zTXt" and rest[:1] != b"\0":
        return MAX_TEXT + 1
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if not packed:
        return len(body)
    try:
        return len(key) + len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return len(key)  # which Pillow takes for an empty text


def _check_last(content: bytes, start: int, end: int) -> None:
    """Refuse a last chunk of pixels with a hole, behind which the decoder need not look.

    Raises:
        PictureError: If its checksum is another.
    """
    has_hole = longest_is_over(content, MIN_RUN - 1, start, end)
    if has_hole and not _is_sound(content, start, end):
        raise PictureError("damaged", "the checksum of its last pixels is another")
