"""Runs of zero bytes, which a disk or a download leaves where a sector was lost."""

import re

from utils.common.reading.picture_error import PictureError

NO_ZERO = re.compile(rb"[^\x00]")

MIN_RUN = 64
"""Coded pixels look random: so many zeros in a row do not come about by themselves."""


def longest_is_over(content: bytes, limit: int, start: int = 0, end: int | None = None) -> bool:
    """Tell whether more than `limit` zero bytes stand in a row."""
    return content.find(bytes(limit + 1), start, len(content) if end is None else end) >= 0


def refuse_zeros(
    content: bytes, start: int = 0, end: int | None = None, limit: int = MIN_RUN - 1
) -> None:
    """Refuse coded pixels with a hole.

    Raises:
        PictureError: If more than `limit` zero bytes stand in a row between `start` and `end`.
    """
    if longest_is_over(content, limit, start, end):
        raise PictureError("damaged", f"more than {limit} zero bytes in a row among its pixels")


def is_all_zero(content: bytes, start: int, end: int | None = None) -> bool:
    """Tell whether nothing but zeros stands between two places."""
    end = len(content) if end is None else end
    return NO_ZERO.search(content, start, end) is None
