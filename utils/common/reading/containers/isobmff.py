"""The boxes of an AVIF or HEIC: whether what they point at is there and has no hole."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from utils.common.reading.containers.zeros import is_all_zero, refuse_zeros
from utils.common.reading.picture_error import PictureError

BOX = struct.Struct(">I4s")
FULL_BOX_BYTES = 4
CODED = (b"av01", b"hvc1", b"hev1", b"jpeg", b"avc1", b"vvc1")
"""Kinds of items whose bytes are coded pixels, where EXIF or XMP may hold zeros."""

MAX_BOXES = 100_000
MAX_EXTENTS = 100_000
IN_FILE = 0


@dataclass(frozen=True, slots=True)
class Box:
    """Kind of a box, and where its content starts and ends in the file."""

    kind: bytes
    start: int
    end: int


def check_isobmff(content: bytes) -> None:
    """Refuse a file whose boxes or items are cut, and items of pixels with a hole.

    Raises:
        PictureError: If it is damaged, or has too many boxes.
    """
    boxes = list(_boxes(content, 0, len(content)))
    meta = next((box for box in boxes if box.kind == b"meta"), None)
    if meta is None:
        for box in boxes:
            if box.kind == b"mdat":
                refuse_zeros(content, box.start, box.end)
        return
    inner = {box.kind: box for box in _boxes(content, meta.start + FULL_BOX_BYTES, meta.end)}
    try:
        coded = _coded_items(content, inner[b"iinf"])
        for item, start, length in _extents(content, inner[b"iloc"]):
            end = start + length if length else len(content)
            if end > len(content):
                raise PictureError("truncated", f"{len(content):,} bytes, an item ends at {end:,}")
            if item in coded:
                refuse_zeros(content, start, end)
    except (KeyError, struct.error, IndexError):
        raise PictureError("damaged", "the list of the file's items is cut") from None


def _boxes(content: bytes, place: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places; zeros behind the last are padding.

    Raises:
        PictureError: If one is cut, or there are too many.
    """
    for _ in range(MAX_BOXES):
        if place + BOX.size > end or is_all_zero(content, place, end):
            return
        size, kind = BOX.unpack_from(content, place)
        start = place + BOX.size
        if size == 1 and start + 8 <= end:
            size = int.from_bytes(content[start : start + 8], "big")
            start += 8
        after = place + size if size else end
        if after > end or after < start:
            raise PictureError("truncated", f"the box {kind!r} is cut")
        yield Box(kind, start, after)
        place = after
    raise PictureError("too large", f"more than {MAX_BOXES:,} boxes")


def _coded_items(content: bytes, box: Box) -> set[int]:
    """Return the numbers of the items that are coded pixels."""
    version = content[box.start]
    start = box.start + FULL_BOX_BYTES + (4 if version else 2)
    coded = set()
    for entry in _boxes(content, start, box.end):
        wide = content[entry.start] >= 3
        item, _, kind = struct.unpack_from(">IH4s" if wide else ">HH4s", content, entry.start + 4)
        if kind in CODED:
            coded.add(item)
    return coded


def _extents(content: bytes, box: Box) -> Iterator[tuple[int, int, int]]:
    """Yield the item, start and length of each stretch of the file that an item lies in.

    Raises:
        PictureError: If there are too many.
    """
    version = content[box.start]
    sizes, more = content[box.start + 4], content[box.start + 5]
    offset_size, length_size = sizes >> 4, sizes & 15
    base_size, index_size = more >> 4, more & 15 if version else 0
    place = box.start + 6

    def take(size: int) -> int:
        nonlocal place
        if place + size > box.end:
            raise IndexError
        place += size
        return int.from_bytes(content[place - size : place], "big")

    budget = MAX_EXTENTS
    for _ in range(take(4 if version == 2 else 2)):
        item = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else IN_FILE
        take(2)
        base = take(base_size)
        for _ in range(take(2)):
            budget -= 1
            if not budget:
                raise PictureError("too large", f"more than {MAX_EXTENTS:,} stretches of items")
            take(index_size)
            start, length = base + take(offset_size), take(length_size)
            if method == IN_FILE:
                yield item, start, length
