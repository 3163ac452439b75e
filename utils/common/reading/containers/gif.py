"""The blocks of a GIF: whether all are whole, and how many frames they hold."""

from utils.common.reading.containers.zeros import is_all_zero
from utils.common.reading.picture_error import PictureError

HEADER_BYTES = 13
HAS_TABLE = 0x80
IMAGE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
DESCRIPTOR_BYTES = 9

MAX_BLOCKS = 2_000_000
"""Of 255 bytes, as writers make them, 500 MB; walked in a second."""

MAX_EXTENSION_BYTES = 2**24
"""A longer comment or other extension costs more time than any pixels."""


def count_frames(content: bytes) -> int:
    """Return the number of frames of a GIF whose blocks are all whole.

    Zeros behind the last of them are padding, and the end mark may be missing.

    Raises:
        PictureError: If a block is cut or none starts where one should, or for too many blocks.
    """
    place = HEADER_BYTES + _table_bytes(content, 10)
    walked = frames = 0
    while place < len(content) and content[place] != TRAILER:
        kind = content[place]
        if kind == IMAGE:
            frames += 1
            place += 1 + DESCRIPTOR_BYTES + _table_bytes(content, place + DESCRIPTOR_BYTES) + 1
        elif kind == EXTENSION:
            place += 2
        elif frames and is_all_zero(content, place):
            break
        else:
            raise PictureError("damaged", f"byte {place:,} of the GIF starts no block")
        start = place
        while place < len(content) and content[place]:
            place += 1 + content[place]
            walked += 1
            if walked > MAX_BLOCKS:
                raise PictureError("too large", f"more than {MAX_BLOCKS:,} blocks")
        if place >= len(content):
            raise PictureError("truncated", "the last block of the GIF is cut")
        if kind == EXTENSION and place - start > MAX_EXTENSION_BYTES:
            raise PictureError("too large", f"an extension of {place - start:,} bytes")
        place += 1
    if not frames:
        raise PictureError("truncated", "the GIF has no frame")
    return frames


def _table_bytes(content: bytes, flags_at: int) -> int:
    """Return how many bytes a colour table takes, by the flags that stand before it."""
    if flags_at >= len(content):
        raise PictureError("truncated", "the header of the GIF is cut")
    flags = content[flags_at]
    return 3 << (flags & 7) + 1 if flags & HAS_TABLE else 0
