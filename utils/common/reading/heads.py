"""Read a file's first bytes, and tell whether they are a picture's."""

import os
import stat
import zlib

from utils.common.disk.location import DamagedError, Location, data_start
from utils.common.reading.formats import HEAD_BYTES, picture_format

MIN_BYTES = 16
"""No picture has fewer, and some checks of first bytes want as many."""

DATA = frozenset(("HDF5", "GRIB", "BUFR", "MPEG"))
"""Formats of Pillow's list that hold measurements, arrays or films: nobody's pictures."""


def read_head(location: Location) -> bytes:
    """Return the first bytes of a file, none where it cannot be read.

    Nothing but regular files is opened: a pipe would wait for ever.
    """
    try:
        if not stat.S_ISREG(os.stat(location.path).st_mode):
            return b""
        with open(location.path, "rb") as stream:
            if location.packed_size is None:
                return stream.read(HEAD_BYTES)
            start = location.offset
            stream.seek(start if location.crc is None else data_start(stream, start))
            packed = stream.read(min(location.packed_size, HEAD_BYTES))
        if not location.is_deflated:
            return packed
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, HEAD_BYTES)
    except (OSError, ValueError, DamagedError, zlib.error):
        return b""


def shows_picture(location: Location) -> bool:
    """Tell by a file's first bytes whether it is a picture, whatever its name says."""
    head = read_head(location)
    return len(head) >= MIN_BYTES and picture_format(head) not in (None, *DATA)
