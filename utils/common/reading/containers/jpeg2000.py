"""The tile parts of a JPEG 2000: whether all are whole, and what they cost to decode."""

import struct
from dataclasses import dataclass

from utils.common.reading.containers.zeros import MIN_RUN, refuse_zeros
from utils.common.reading.picture_error import PictureError

START = b"\xff\x4f\xff\x51"
STARTS = (START, b"\0\0\0\x0cjP  \r\n\x87\n")
SIZ, COD, SOT, EOC = 0xFF51, 0xFF52, 0xFF90, 0xFFD9
SIZE = struct.Struct(">8IH")
SIZE_AT = 8
"""Where it stands behind the start."""

TILE_PART = struct.Struct(">HHHIBB")
BOX = struct.Struct(">I4s")

MAX_COMPONENTS = 4
MAX_TILES = 20_000
"""For each, a decoder builds tables before it has read any."""

MAX_PACKETS = 4_000_000
"""Pieces that quality layers, resolutions and precincts cut a tile into."""

SAMPLE_BYTES = 5
"""That a decoder holds for a value of a tile: four, and one where Pillow takes it from."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """Facts of the main header.

    Attributes:
        start: Where it starts in the file.
        width: Of the picture in pixels, as `height`.
        tile: Width and height of a tile.
        num_components: Number of channels.
        num_tiles: Number of tiles.
        num_packets: Most packets that one tile has.
    """

    start: int
    width: int
    height: int
    tile: tuple[int, int]
    num_components: int
    num_tiles: int
    num_packets: int

    @property
    def decoded_bytes(self) -> int:
        """Bytes that a decoder holds at once for the tile that it is in."""
        width, height = min(self.tile[0], self.width), min(self.tile[1], self.height)
        return width * height * self.num_components * SAMPLE_BYTES


def check_jpeg2000(content: bytes, max_bytes: int) -> None:
    """Refuse a JPEG 2000 that is cut, has a hole, or costs more than its pixels are worth.

    Raises:
        PictureError: If it is damaged or too large.
    """
    stream = read_header(content)
    if stream.num_components > MAX_COMPONENTS:
        raise PictureError("unsupported", f"{stream.num_components:,} channels")
    for count, limit, what in (
        (stream.num_tiles, MAX_TILES, "tiles"),
        (stream.num_packets, MAX_PACKETS, "packets in a tile"),
        (stream.decoded_bytes, max_bytes, "bytes for one tile"),
    ):
        if count > limit:
            raise PictureError("too large", f"{count:,} {what}, limit {limit:,}")
    _check_tile_parts(content, stream)


def read_header(content: bytes) -> Codestream:
    """Return the facts of the main header.

    Raises:
        PictureError: If there is none, or it is cut.
    """
    start = 0 if content.startswith(START) else content.find(START)
    try:
        if start < 0:
            raise PictureError("truncated", "the JPEG 2000 has no pixels")
        found = SIZE.unpack_from(content, start + SIZE_AT)
        right, bottom, left, top, *tile, tile_left, tile_top, components = found
        columns = -(-(right - tile_left) // max(tile[0], 1))
        rows = -(-(bottom - tile_top) // max(tile[1], 1))
        sides = (min(tile[0], right - left), min(tile[1], bottom - top))
        packets = _num_packets(content, start, sides, components)
    except (struct.error, IndexError):
        raise PictureError("truncated", "the header of the JPEG 2000 is cut") from None
    return Codestream(
        start, right - left, bottom - top, (tile[0], tile[1]), components, columns * rows, packets
    )


def _num_packets(content: bytes, start: int, tile: tuple[int, int], components: int) -> int:
    """Return the most packets of one tile, by how the main header says that tiles are coded."""
    place = start + 2
    while True:
        mark, length = struct.unpack_from(">HH", content, place)
        if mark == SOT:
            return 0
        if mark == COD:
            break
        place += 2 + length
    style, _, layers, _, levels = struct.unpack_from(">BBHBB", content, place + 4)
    sizes = content[place + 14 : place + 15 + levels] if style & 1 else b"\xff" * (levels + 1)
    precincts = 0
    for resolution in range(min(levels, len(sizes) - 1) + 1):
        scale = levels - resolution
        across, down = sizes[resolution] & 15, sizes[resolution] >> 4
        width, height = (-(-side // 2**scale) for side in tile)
        precincts += (-(-width // 2**across) + 1) * (-(-height // 2**down) + 1)
    return int(layers * components * precincts)


def _check_tile_parts(content: bytes, stream: Codestream) -> None:
    """Follow the tile parts to the end mark; each says how long it is.

    An empty packet is a zero byte, and a flat tile may have no others.
    """
    place = content.find(struct.pack(">HH", SOT, 10), stream.start)
    end = len(content)
    while place >= 0 and place + TILE_PART.size <= end:
        mark, _, _, length, _, _ = TILE_PART.unpack_from(content, place)
        if mark != SOT:
            break
        after = place + length if length else content.rfind(b"\xff\xd9", place)
        if after > end or after <= place:
            raise PictureError("truncated", "a tile of the JPEG 2000 is cut")
        refuse_zeros(content, place, after, MIN_RUN + stream.num_packets)
        place = after
    if content[max(place, 0) : place + 2] != struct.pack(">H", EOC):
        reason = "truncated" if place + 2 > end or place < 0 else "damaged"
        raise PictureError(reason, "the tiles of the JPEG 2000 do not lead to its end")
