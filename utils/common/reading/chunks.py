"""Read size and colours from a picture's container where Pillow does not tell them."""

import struct
import zlib
from collections.abc import Container, Iterable, Iterator

MAX_PROFILE_BYTES = 2**23
"""Of an ICC profile once it is unpacked; those of printers reach a few megabytes."""

MAX_HEAD_BYTES = 2**22
"""In which the boxes before the pixels of JPEG 2000 and AVIF are looked for."""

DAMAGED = b"\0"
"""In place of a chunk whose checksum is another; no chunk of colours is so short."""

BMP_V5_BYTES = 124
ICC_NUMBER_AT = 12
"""Where the number of a part stands in its segment."""


def png_chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the first chunk of each type before a PNG's pixels, `DAMAGED` for a damaged one."""
    chunks: dict[bytes, bytes] = {}
    for kind, start, end in _walk_png(content):
        if kind not in chunks:
            checksum = zlib.crc32(content[start - 4 : end]).to_bytes(4, "big")
            is_sound = checksum == content[end : end + 4]
            chunks[kind] = content[start:end] if is_sound else DAMAGED
    return chunks


def without_png_chunks(content: bytes, unwanted: Container[bytes]) -> bytes:
    """Return a PNG without its chunks of some types that stand before the pixels."""
    kept, done = [], 0
    for kind, start, end in _walk_png(content):
        if kind in unwanted:
            kept.append(content[done : start - 8])
            done = end + 4
    return b"".join([*kept, content[done:]])


def _walk_png(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each chunk before the pixels, and where its data start and end."""
    place = 8
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if kind in (b"IDAT", b"IEND") or end + 4 > len(content):
            return
        yield kind, place + 8, end
        place = end + 4


def unpack_profile(chunk: bytes) -> bytes:
    """Return the ICC profile in an iCCP chunk.

    Raises:
        ValueError: If it is broken.
    """
    _, _, packed = chunk.partition(b"\0")
    if packed[:1] != b"\0":
        raise ValueError("an unknown compression")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error as error:
        raise ValueError("a broken compression") from error
    if not unpacker.eof:
        raise ValueError("a profile that is cut or too large")
    return profile


def jpeg_profile(segments: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Return the ICC profile in the segments of a JPEG, some of which may be there twice.

    Args:
        segments: Name and content of each.

    Returns:
        The profile; None if parts are missing.
    """
    parts, wanted = {}, 0
    for name, body in segments:
        if name == "APP2" and body.startswith(b"ICC_PROFILE\0") and len(body) > ICC_NUMBER_AT + 1:
            parts[body[ICC_NUMBER_AT]] = body[ICC_NUMBER_AT + 2 :]
            wanted = max(wanted, body[ICC_NUMBER_AT + 1])
    profile = b"".join(parts[number] for number in sorted(parts))
    is_whole = len(parts) >= wanted and len(profile) == int.from_bytes(profile[:4], "big")
    return profile if is_whole else None


def bmp_profile(content: bytes) -> bytes | None:
    """Return the ICC profile that a BMP of version 5 embeds, None without one."""
    if len(content) < 14 + BMP_V5_BYTES or content[14] != BMP_V5_BYTES:
        return None
    kind = content[70:74]
    if kind != b"DEBM":  # MBED, its bytes in reverse
        return None
    start, size = struct.unpack_from("<II", content, 126)
    return content[14 + start : 14 + start + size]


def boxed_profile(content: bytes) -> bytes | None:
    """Return the ICC profile in the header of a JPEG 2000 file, None without one."""
    end = content.find(b"jp2c", 0, MAX_HEAD_BYTES)
    place = content.find(b"colr\2", 0, max(end, 0))
    if place < 4:
        return None
    (size,) = struct.unpack_from(">I", content, place - 4)
    return content[place + 7 : place - 4 + size]


def coded_colours(content: bytes) -> tuple[int, int] | None:
    """Return the code points of primaries and transfer that an AVIF names, None without any."""
    end = content.find(b"mdat", 0, MAX_HEAD_BYTES)
    place = content.find(b"colrnclx", 0, end if end > 0 else MAX_HEAD_BYTES)
    if place < 0 or place + 12 > len(content):
        return None
    primaries, transfer = struct.unpack_from(">HH", content, place + 8)
    return primaries, transfer


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a WebP as its first chunk tells them."""
    kind = content[12:16]
    if len(content) < 30:
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


JPEG_XL_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def jpeg_xl_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG XL (ISO/IEC 18181-1, SizeHeader), None if not found."""
    start = 2
    if not content.startswith(b"\xff\x0a"):
        places = [content.find(kind, 0, MAX_HEAD_BYTES) for kind in (b"jxlc\xff\x0a", b"jxlp")]
        start = places[0] + 6 if places[0] >= 0 else places[1] + 10
        if max(places) < 0:
            return None
    bits = int.from_bytes(content[start : start + 12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def length(is_small: int) -> int:
        if is_small:
            return 8 * (take(5) + 1)
        return 1 + take((9, 13, 18, 30)[take(2)])

    is_small = take(1)
    height = length(is_small)
    ratio = take(3)
    if not ratio:
        return length(is_small), height
    across, down = JPEG_XL_RATIOS[ratio - 1]
    return height * across // down, height
