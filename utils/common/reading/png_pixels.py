"""Decode a PNG at a fitting scale, a strip of rows at a time.

Pillow undoes a PNG's filters byte by byte. Here a strip is unpacked by one library, handed to
another as a PNG of its own without compression, and shrunk while it is in the processor's cache.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from utils.common.reading.containers.png import CHUNK, CRC_BYTES, SIGNATURE

try:
    import pyspng
    from isal import isal_zlib

    zlib: Any = isal_zlib  # whose stubs do not say that its error is a class
except ImportError:  # Pillow reads all of them then, to the same pixels
    pyspng = None

HEADER = struct.Struct(">IIBBBBB")
CHANNELS = {2: 3, 6: 4}
"""Of the kinds of colour that are decoded here: RGB without and with transparency."""

OTHERWISE = (b"tRNS", b"acTL", b"fcTL")
"""Chunks of which Pillow knows what they do to pixels."""

LATE = (b"IEND", b"tIME", b"tEXtdate:")
"""What may come behind the pixels and tells nothing of them; ImageMagick writes its dates there."""

PIECE_BYTES = 2**16
STRIP_BYTES = 2**19
BLOCK_BYTES = 2**16 - 1
"""Of a block that is stored, not compressed."""

BLOCK = struct.Struct("<BHH")
LAST_BLOCK = BLOCK.pack(1, 0, 0xFFFF)
OPAQUE = 255
HALF = (2, 2)


class OtherKindError(Exception):
    """A PNG about which another decoder has to decide: it is damaged, or of no usual kind."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """Where the pixels of a PNG are: 8-bit RGB or RGBA, in rows from top to bottom."""

    width: int
    height: int
    colour: int
    bodies: tuple[memoryview, ...]

    @property
    def row_bytes(self) -> int:
        return 1 + self.width * CHANNELS[self.colour]


def tells_late(content: bytes) -> bool:
    """Tell whether something stands behind a PNG's pixels that may say something of them."""
    kinds = [content[place + 4 : place + 13] for place, _ in _chunks(content)]
    first = next((at for at, kind in enumerate(kinds) if kind.startswith(b"IDAT")), len(kinds))
    late = (kind for kind in kinds[first:] if not kind.startswith(b"IDAT"))
    return pyspng is None or not all(kind.startswith(LATE) for kind in late)


def decode_png(content: bytes, divisors: tuple[int, int] = (1, 1)) -> Image.Image | None:
    """Decode a PNG to RGB, blocks of pixels averaged as `Image.reduce` of Pillow does it.

    All its checks are made: each row is there, nothing comes after the last, and the checksum of
    their bytes is right.

    Args:
        content: The file's bytes.
        divisors: Width and height of a block in pixels.

    Returns:
        The picture; None where another decoder has to decide: palettes, grey, 16 bit, interlaced
        or animated, with something to be seen through, or damaged; and without the libraries.
    """
    if pyspng is None:
        return None
    try:
        return _decode(_find_pixels(content), divisors)
    except (OtherKindError, zlib.error, RuntimeError):
        return None


def _decode(packed: _Packed, divisors: tuple[int, int]) -> Image.Image:
    across, down = divisors
    size = -(-packed.width // across), -(-packed.height // down)
    picture = Image.new("RGB", size, None)  # its memory is taken as it fills
    num_rows = max(1, STRIP_BYTES // packed.row_bytes // down) * down
    heights = [min(num_rows, packed.height - start) for start in range(0, packed.height, num_rows)]
    done, above = 0, b""
    for rows in _unpack(packed.bodies, [height * packed.row_bytes for height in heights]):
        stored = _store([b"\0" + above, *rows] if above else rows, packed)
        strip = pyspng.load(stored)[bool(above) :]
        above = strip[-1].tobytes()
        part = _shrink(strip, divisors)
        picture.paste(part, (0, done))
        done += part.height
    return picture


def _find_pixels(content: bytes) -> _Packed:
    """Return where the compressed rows are.

    Raises:
        OtherKindError: If this PNG is of no usual kind.
    """
    view = memoryview(content)
    bodies: list[memoryview] = []
    last = header = b""
    for place, end in _chunks(content):
        kind = content[place + 4 : place + CHUNK.size]
        if kind in OTHERWISE or (kind == b"IDAT" and bodies and last != b"IDAT"):
            raise OtherKindError
        if kind == b"IDAT":
            bodies.append(view[place + CHUNK.size : end])
        elif kind == b"IHDR":
            header += content[place + CHUNK.size : end]
        last = kind
    if len(header) != HEADER.size:
        raise OtherKindError
    width, height, depth, colour, *methods = HEADER.unpack(header)
    if depth != 8 or colour not in CHANNELS or any(methods) or not width * height:
        raise OtherKindError
    return _Packed(width, height, colour, tuple(bodies))


def _chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each chunk of a PNG starts, and where its data end."""
    place = len(SIGNATURE)
    while place + CHUNK.size <= len(content):
        length, kind = CHUNK.unpack_from(content, place)
        end = place + CHUNK.size + length
        yield place, end
        if kind == b"IEND":
            return
        place = end + CRC_BYTES


def _unpack(bodies: Iterable[memoryview], sizes: Iterable[int]) -> Iterator[list[bytes]]:
    """Yield so many bytes each time, in parts; never is more unpacked, whatever there is.

    Raises:
        OtherKindError: If there are fewer bytes or more, or packed ones behind the checksum.
    """
    pieces = (
        body[start : start + PIECE_BYTES]
        for body in bodies
        for start in range(0, len(body), PIECE_BYTES)
    )
    unpacker = zlib.decompressobj()
    waiting: bytes | memoryview = b""

    def take(most: int) -> bytes:
        nonlocal waiting
        waiting = waiting or next(pieces, b"")
        is_end = not waiting
        part: bytes = unpacker.decompress(waiting, most)
        waiting = unpacker.unconsumed_tail
        if is_end and not part and not unpacker.eof:
            raise OtherKindError
        return part

    for size in sizes:
        parts: list[bytes] = []
        missing = size
        while missing:
            if unpacker.eof:
                raise OtherKindError
            parts.append(take(missing))
            missing -= len(parts[-1])
        yield parts
    while not unpacker.eof:
        if take(1):
            raise OtherKindError
    if unpacker.unused_data or next(pieces, None) is not None:
        raise OtherKindError


def _store(rows: list[bytes], packed: _Packed) -> bytes:
    """Return a PNG of some rows with their filters, which are not compressed."""
    stored: list[bytes | memoryview] = [b"\x78\x01"]
    checksum, num_bytes = 1, 0
    for row_part in rows:
        part = memoryview(row_part)
        checksum, num_bytes = zlib.adler32(part, checksum), num_bytes + len(part)
        for start in range(0, len(part), BLOCK_BYTES):
            block = part[start : start + BLOCK_BYTES]
            stored += (BLOCK.pack(0, len(block), len(block) ^ 0xFFFF), block)
    stored += (LAST_BLOCK, checksum.to_bytes(4, "big"))
    num_rows = num_bytes // packed.row_bytes
    header = HEADER.pack(packed.width, num_rows, 8, packed.colour, 0, 0, 0)
    return b"".join(
        [SIGNATURE, *_chunk(b"IHDR", [header]), *_chunk(b"IDAT", stored), *_chunk(b"IEND", [])]
    )


def _chunk(kind: bytes, parts: list[bytes | memoryview]) -> list[bytes | memoryview]:
    checksum = zlib.crc32(kind)
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    length = sum(len(part) for part in parts)
    return [CHUNK.pack(length, kind), *parts, checksum.to_bytes(CRC_BYTES, "big")]


def _shrink(strip: NDArray[Any], divisors: tuple[int, int]) -> Image.Image:
    """Average blocks of pixels as Pillow does.

    Raises:
        OtherKindError: If something can be seen through them.
    """
    import cv2  # see jpeg.py

    height, width, num_channels = strip.shape
    if num_channels == CHANNELS[6]:
        if strip[..., 3].min() < OPAQUE:
            raise OtherKindError
        strip = cv2.cvtColor(strip, cv2.COLOR_RGBA2RGB)
    if divisors == HALF and not height % 2 and not width % 2:  # both round the mean of four alike
        size = (width // 2, height // 2)
        return Image.fromarray(cv2.resize(strip, size, interpolation=cv2.INTER_AREA))
    part = Image.fromarray(strip)
    return part if divisors == (1, 1) else part.reduce(divisors)
