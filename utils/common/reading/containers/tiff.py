"""The directories and strips of a TIFF: whether all are there, whole, and how many pages."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg

from utils.common.reading.containers.zeros import MIN_RUN, refuse_zeros
from utils.common.reading.picture_error import PictureError

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")
VALUES = {1: "B", 3: "H", 4: "I", 16: "Q", 13: "I", 18: "Q", 6: "b", 7: "B", 2: "B"}

COMPRESSION, STRIP_STARTS, STRIP_SIZES, TILE_STARTS, TILE_SIZES, JPEG_TABLES = (
    *(259, 273, 279, 324, 325),
    347,
)
RAW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE = 1, 7, 8, 32773, 32946
WITHOUT_ZEROS = (2, 3, 4, 5, 50000)
"""CCITT, LZW and Zstandard, whose decoders may be silent on a run of zeros that no writer makes."""

PACKED_RUN = 129
"""Zeros that PackBits may write in a row, of a writer that does not pack them."""

MAX_PAGES = 10_000
"""A longer chain of pages is not followed."""

MAX_STRIPS = 1_000_000
PIECE_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Layout:
    """How the numbers of a TIFF are written."""

    order: str
    is_big: bool

    @property
    def count(self) -> str:
        """Format of the number of entries in a directory."""
        return self.order + ("Q" if self.is_big else "H")

    @property
    def offset(self) -> str:
        """Format of a place in the file."""
        return self.order + ("Q" if self.is_big else "I")

    @property
    def entry(self) -> struct.Struct:
        """Format of an entry: tag, type, number of values, and the values or where they are."""
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))


def count_pages(content: bytes) -> int:
    """Return the number of pages, `MAX_PAGES` for more.

    Raises:
        PictureError: If the first is not there.
    """
    layout = _layout(content)
    seen: set[int] = set()
    place = _first(content, layout)
    while place and place not in seen and len(seen) < MAX_PAGES:
        try:
            (count,) = struct.unpack_from(layout.count, content, place)
            after = place + struct.calcsize(layout.count) + count * layout.entry.size
            (following,) = struct.unpack_from(layout.offset, content, after)
        except struct.error:
            if not seen:
                raise PictureError("truncated", "the directory of the TIFF is cut") from None
            break
        seen.add(place)
        place = following
    return len(seen)


def check_tiff(content: bytes) -> None:
    """Refuse a TIFF whose first page is cut or, as far as its compression lets it be seen, damaged.

    Its decoder ignores the checksum of deflated strips and hides the warnings about JPEG.

    Raises:
        PictureError: If it is damaged.
    """
    layout = _layout(content)
    try:
        tags = dict(_entries(content, layout))
    except struct.error:
        raise PictureError("truncated", "the directory of the TIFF is cut") from None
    starts = tags.get(STRIP_STARTS) or tags.get(TILE_STARTS) or ()
    sizes = tags.get(STRIP_SIZES) or tags.get(TILE_SIZES) or ()
    compression = (tags.get(COMPRESSION) or (RAW,))[0]
    tables = bytes(tags.get(JPEG_TABLES) or ())
    for start, size in zip(starts, sizes, strict=False):
        if start + size > len(content):
            raise PictureError("truncated", "a strip of the TIFF lies behind its end")
        if not size:
            continue  # a strip that was never written, which reads as zeros
        if compression in (DEFLATE, OLD_DEFLATE):
            _check_deflated(content, start, start + size)
        elif compression == JPEG:
            _check_jpeg(tables, content[start : start + size])
        elif compression == PACKBITS:
            refuse_zeros(content, start, start + size, PACKED_RUN)
        elif compression in WITHOUT_ZEROS:
            refuse_zeros(content, start, start + size, MIN_RUN)


def _layout(content: bytes) -> Layout:
    order = "<" if content.startswith(b"II") else ">"
    return Layout(order, b"+" in content[2:4])


def _first(content: bytes, layout: Layout) -> int:
    """Return where the first directory stands."""
    try:
        return int(struct.unpack_from(layout.offset, content, 8 if layout.is_big else 4)[0])
    except struct.error:
        raise PictureError("truncated", "the header of the TIFF is cut") from None


def _entries(content: bytes, layout: Layout) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the tags of the first page that tell where its pixels are, with their values."""
    wanted = (COMPRESSION, STRIP_STARTS, STRIP_SIZES, TILE_STARTS, TILE_SIZES, JPEG_TABLES)
    place = _first(content, layout)
    (count,) = struct.unpack_from(layout.count, content, place)
    place += struct.calcsize(layout.count)
    if place + count * layout.entry.size > len(content):
        raise PictureError("truncated", "the directory of the TIFF is cut")
    seen = set()
    for number in range(count):
        tag, kind, length, value = layout.entry.unpack_from(
            content, place + number * layout.entry.size
        )
        if tag not in wanted or tag in seen or kind not in VALUES:
            continue
        seen.add(tag)
        if length > MAX_STRIPS:
            raise PictureError("too large", f"{length:,} strips")
        form = f"{layout.order}{length}{VALUES[kind]}"
        if struct.calcsize(form) <= len(value):
            yield tag, struct.unpack_from(form, value)
        else:
            yield tag, struct.unpack_from(form, content, struct.unpack(layout.offset, value)[0])


def _check_deflated(content: bytes, start: int, end: int) -> None:
    """Unpack a strip for its checksum alone, a piece at a time."""
    inflater = zlib.decompressobj()
    try:
        for place in range(start, end, PIECE_BYTES):
            inflater.decompress(content[place : min(place + PIECE_BYTES, end)])
            if inflater.eof:
                return
    except zlib.error as error:
        raise PictureError("damaged", str(error)) from None
    raise PictureError("truncated", "a deflated strip of the TIFF ends too early")


def _check_jpeg(tables: bytes, strip: bytes) -> None:
    """Decode a strip at the smallest scale for the warnings alone; unknown kinds pass."""
    whole = tables[:-2] + strip[2:] if tables else strip
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(whole, strict=False)
    except ValueError:
        return
    wanted = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(colours, "RGB")
    try:
        simplejpeg.decode_jpeg(whole, wanted, min_height=1, min_width=1, strict=True)
    except ValueError as error:
        raise PictureError("damaged", str(error)) from None
