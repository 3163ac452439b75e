"""Whether EXIF data cost more to read than any camera's do."""

import struct

from utils.common.reading.picture_error import PictureError

PREFIX = b"Exif\0\0"
ENTRY_BYTES = 12

VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value, by the type of an entry."""

MAX_BYTES = 2**26
"""Of all entries together, many of which may claim the same bytes."""


def check_exif(exif: bytes) -> None:
    """Refuse EXIF data whose entries claim the same bytes again and again.

    A reader copies them for each entry: of one megabyte, 65,535 times.

    Raises:
        PictureError: If its entries are larger than `MAX_BYTES` together.
    """
    start = len(PREFIX) if exif.startswith(PREFIX) else 0
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    if order is None or len(exif) < start + 8:
        return
    (table,) = struct.unpack_from(f"{order}I", exif, start + 4)
    if start + table + 2 > len(exif):
        return
    (count,) = struct.unpack_from(f"{order}H", exif, start + table)
    entries = exif[start + table + 2 : start + table + 2 + ENTRY_BYTES * count]
    whole = len(entries) // ENTRY_BYTES * ENTRY_BYTES
    total = 0
    for _, kind, length, _ in struct.iter_unpack(f"{order}HHII", entries[:whole]):
        total += min(VALUE_BYTES.get(kind, 0) * length, len(exif))
    if total > MAX_BYTES:
        raise PictureError("too large", f"EXIF entries of {total:,} bytes")
