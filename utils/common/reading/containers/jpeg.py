"""The segments of a JPEG: what it costs to decode, and what about it is odd but harmless."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from utils.common.reading.containers.exif import PREFIX, check_exif
from utils.common.reading.containers.zeros import MIN_RUN, longest_is_over, refuse_zeros
from utils.common.reading.picture_error import NOT_READ, PictureError

SOI, EOI, SOS, DNL, DHT, DQT, DRI, DAC = 0xD8, 0xD9, 0xDA, 0xDC, 0xC4, 0xDB, 0xDD, 0xCC
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
PROGRESSIVE = 0xC2
HUFFMAN = (0xC0, 0xC1, PROGRESSIVE)
ARITHMETIC = (0xC9, 0xCA)
COUNTS_END = 17
"""Bytes of a Huffman table before its symbols."""

AC_TABLE = 0x10
STRETCHES = range(0x10, 0xF0, 0x10)
"""Symbols for two blocks or more without any further coefficient."""

VARIED = 6
"""Symbols in the table of a scan that is no drawn pattern, each block of which is like the last."""

ONE_CHANNEL_BYTES = 6
"""Of the header of a scan of one channel."""

CLAIMING = (APP1, APP2)
"""Segments that hold EXIF, or lists built like it."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
SEQUENTIAL = (0xC0, 0xC1, 0xC9)
BARE = (0x01, *range(0xD0, 0xD8))
"""Marks without a segment."""

MARK = re.compile(rb"\xff([^\x00\xff])")
MARK_AMONG_PIXELS = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""Without what may fill up before them: looking for that takes time in its square."""

MAX_FILL_BYTES = 2**20
"""Between the segments before the pixels, each of which Pillow looks at."""

MAX_SEGMENTS = 10_000
"""Before the pixels, of up to 64 KiB each."""

MAX_EXIF_BYTES = 2**24
MAX_SCANS = 100
"""Each is a pass over all pixels, for as little as 20 bytes; encoders write 10 to 40."""

DECODED_KINDS = (DHT, DQT, DRI, DAC, SOS, *FRAMES)
"""Segments that pixels depend on, besides the first lines of APP0 and APP14."""

LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
BITS_AT = 4
HEIGHT_AT = 5
TRANSFORM_AT = 15
WHOLE_BLOCK = bytes((0, 63, 0))
"""How the header of a sequential scan ends: all coefficients, all of their bits."""


class Segment(NamedTuple):
    """A mark, where it stands and where its segment ends."""

    kind: int
    start: int
    end: int


def check_jpeg(content: bytes) -> bytes:
    """Refuse a JPEG that costs more than its pixels are worth, by its header.

    Returns:
        The same bytes; with the height filled in where only a later segment tells it (DNL).

    Raises:
        PictureError: If it has too many segments, scans or EXIF data.
    """
    head = list(_head(content))
    bodies = []
    for segment in head:
        if segment.kind in CLAIMING:
            body = content[segment.start + 4 : segment.end]
            if body.startswith(b"MPF\0"):
                check_exif(body[4:])
            elif body.startswith(PREFIX):
                bodies.append(body[len(PREFIX) :])
    if bodies:
        exif = b"".join(bodies)
        if len(exif) > MAX_EXIF_BYTES:
            raise PictureError("too large", f"EXIF data of {len(exif):,} bytes")
        check_exif(exif)
    frame = next((one for one in head if one.kind in FRAMES), None)
    if frame is None or head[-1].kind != SOS or frame.end > len(content):
        return content
    bits = content[frame.start + BITS_AT]
    if frame.kind not in LOSSLESS and bits > 8:
        raise PictureError(NOT_READ, f"JPEG of {bits} bit")
    if content[frame.start + HEIGHT_AT : frame.start + HEIGHT_AT + 2] == bytes(2):
        content = _with_height(content, frame, head[-1])
    is_single = (
        frame.kind in SEQUENTIAL
        and content[head[-1].start + 4 : head[-1].start + 5]
        == content[frame.start + 9 : frame.start + 10]
    )
    if not is_single and _num_pairs(content, 0xFF, SOS) > MAX_SCANS:
        scans = 1 + sum(one.kind == SOS for one in _body(content, head[-1].end))
        if scans > MAX_SCANS:
            raise PictureError("too large", f"more than {MAX_SCANS} scans over all pixels")
    if frame.kind in (*HUFFMAN, *ARITHMETIC) and longest_is_over(
        content, MIN_RUN - 1, head[-1].end
    ):
        _check_holes(content, [*head, *_body(content, head[-1].end)], frame.kind)
    return content


def mend_jpeg(content: bytes) -> Iterator[bytes]:
    """Yield the same pixels without what a strict decoder warns of though none depends on it.

    Left out are all segments but those that are decoded by, and bytes between segments. The
    version of JFIF, an unknown Adobe transform and the parameters of sequential scans become
    what every decoder takes them for. Then padding before the end mark is left out, too.
    """
    head = list(_head(content))
    frame = next((one.kind for one in head if one.kind in FRAMES), None)
    if frame is None or head[-1].kind != SOS:
        return
    body = list(_body(content, head[-1].end))
    if not body or body[-1].kind != EOI:
        return
    parts = [b"\xff\xd8", *(_mended(content, segment, frame) for segment in head)]
    place = head[-1].end
    for segment in body[:-1]:
        kept = content[segment.start : segment.end]  # which damage may have made of pixels
        mended = _mended(content, segment, frame) if segment.kind == SOS else kept
        parts += (content[place : segment.start], mended)
        place = segment.end
    pixels = content[place : body[-1].start]
    start = b"".join(parts)
    yield start + pixels + b"\xff\xd9"
    bare = pixels.rstrip(b"\0\xff")
    for more in range(min(len(pixels) - len(bare), 3)):  # one zero may be data, or follow an FF
        yield start + pixels[: len(bare) + more] + b"\xff\xd9"


def _head(content: bytes) -> Iterator[Segment]:
    """Yield the segments up to the first scan's, looked for as libjpeg does.

    A file that ends among them is left to its decoder.

    Raises:
        PictureError: If there are too many, or too much between them.
    """
    place, filled = 2, 0
    for _ in range(MAX_SEGMENTS):
        found = content[place : place + 2]
        if found[:1] == b"\xff" and b"\0" < found[1:] < b"\xff":
            start = place
        else:  # filled up, or something between segments
            mark = MARK.search(content, place)
            if mark is None:
                return
            start = mark.start()
            filled += start - place
            if filled > MAX_FILL_BYTES:
                raise PictureError("too large", f"{filled:,} bytes between its segments")
        kind = content[start + 1]
        if kind == EOI:
            return
        place = start + 2
        if kind not in BARE:
            place += int.from_bytes(content[place : place + 2], "big")
            yield Segment(kind, start, place)
        if kind == SOS:
            return
    raise PictureError("too large", f"more than {MAX_SEGMENTS:,} segments before its pixels")


def _body(content: bytes, place: int) -> Iterator[Segment]:
    """Yield the segments behind the first scan's up to the end mark.

    Raises:
        PictureError: If there are too many.
    """
    for _ in range(MAX_SEGMENTS):
        mark = MARK_AMONG_PIXELS.search(content, place)
        if mark is None:
            return
        kind, start = mark[1][0], mark.start()
        if kind == EOI:  # what fills up before it is no part of the pixels
            yield Segment(kind, place + len(content[place:start].rstrip(b"\xff")), mark.end())
            return
        place = mark.end()
        if kind not in BARE:
            place += int.from_bytes(content[place : place + 2], "big")
        yield Segment(kind, start, place)
    raise PictureError("too large", f"more than {MAX_SEGMENTS:,} segments among its pixels")


def _mended(content: bytes, segment: Segment, frame: int) -> bytes:
    """Return a segment as every decoder understands it, nothing for one that none needs."""
    whole = content[segment.start : segment.end]
    if segment.kind == APP0 and whole[4:9] == b"JFIF\0":
        return whole[:9] + b"\1\1" + whole[11:]
    if segment.kind == APP14 and whole[4:9] == b"Adobe" and len(whole) > TRANSFORM_AT:
        known = whole[TRANSFORM_AT] <= 2
        return whole if known else whole[:TRANSFORM_AT] + b"\1" + whole[TRANSFORM_AT + 1 :]
    if segment.kind == SOS and frame in SEQUENTIAL:
        return whole[:-3] + WHOLE_BLOCK
    return whole if segment.kind in DECODED_KINDS else b""


def _num_pairs(content: bytes, first: int, second: int) -> int:
    """Count two bytes that follow each other, five times as fast as bytes do it themselves."""
    codes = np.frombuffer(content, np.uint8)
    return int(np.count_nonzero((codes[:-1] == first) & (codes[1:] == second)))


def _check_holes(content: bytes, segments: list[Segment], frame: int) -> None:
    """Refuse a JPEG with a run of zeros among its pixels that no flat stretch explains.

    Zeros are valid codes, and by chance nothing comes out of step. In a flat stretch each block
    is the code for its end, of zeros alone where that is the first of its table; in scans that
    only add detail a stretch is one short symbol, where the table has symbols for stretches.

    Raises:
        PictureError: If there is such a run.
    """
    tables: dict[int, bytes] = {}
    for segment, following in itertools.pairwise(segments):
        body = content[segment.start + 4 : segment.end]
        if segment.kind == DHT:
            while len(body) > COUNTS_END:
                end = COUNTS_END + sum(body[1:COUNTS_END])
                tables[body[0]] = body[COUNTS_END:end]
                body = body[end:]
        elif segment.kind == SOS and len(body) >= ONE_CHANNEL_BYTES:
            used = [tables.get(AC_TABLE | one & 15, b"") for one in body[2:-3:2]]
            is_coded = any(table[:1] not in (b"", b"\0") for table in used)
            if frame == PROGRESSIVE:  # the coarsest scans use no such table
                is_coded |= any(symbol in STRETCHES for symbol in used[0])
                is_coded &= body[-3] > 0 and len(used[0]) >= VARIED
            if is_coded or frame in ARITHMETIC:  # zeros behind the last block only fill up
                end = len(content[segment.end : following.start].rstrip(b"\0\xff"))
                refuse_zeros(content, segment.end, segment.end + end)


def _with_height(content: bytes, frame: Segment, scan: Segment) -> bytes:
    """Fill in the number of lines that stands behind the first scan."""
    found = next((one for one in _body(content, scan.end) if one.kind == DNL), None)
    if found is None:
        raise PictureError("damaged", "the JPEG does not tell its height")
    lines = content[found.start + 4 : found.start + 6]
    place = frame.start + HEIGHT_AT
    return content[:place] + lines + content[place + 2 : found.start] + content[found.end :]
