"""Bytes that lie in other bytes as streams: a stretch of them, or several files in a row."""

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, cast

from utils.common.disk.location import DamagedError
from utils.common.disk.opening import open_regular

BUFFER_BYTES = 2**16


class Window(io.RawIOBase):
    """A stretch of a stream, as a stream of its own."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._position = stream, start, size, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read in any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere; return where that is."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes; return how many."""
        length = max(0, min(len(buffer), self._size - self._position))
        self._stream.seek(self._start + self._position)
        content = self._stream.read(length)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


class Joined(io.RawIOBase):
    """Files one after another, as one stream; one of them is open at a time.

    Args:
        paths: The files.
        sizes: Number of bytes of each.
    """

    def __init__(self, paths: Sequence[Path], sizes: Sequence[int]) -> None:
        self._paths, self._sizes, self._position = paths, sizes, 0
        self._ends = list(accumulate(sizes))
        self._number, self._part = -1, cast(BinaryIO, io.BytesIO())

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read in any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere; return where that is."""
        ends = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._ends[-1]}
        self._position = max(0, ends[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as one file reaches; return how many bytes."""
        number = bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        end = self._ends[number]
        if number != self._number:
            self._part.close()
            self._number, self._part = number, open_regular(self._paths[number])
        self._part.seek(self._position - end + self._sizes[number])
        content = self._part.read(min(len(buffer), end - self._position))
        if not content:
            raise DamagedError(f"{self._paths[number].name} became shorter")
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        """Close the file that is open."""
        self._part.close()
        super().close()


def buffered(stream: io.RawIOBase) -> BinaryIO:
    """Return a stream that is read in larger pieces."""
    return cast(BinaryIO, io.BufferedReader(stream, BUFFER_BYTES))
