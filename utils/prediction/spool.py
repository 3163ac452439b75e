"""Keep any number of small values in order: in memory while few, else on disk."""

import heapq
import marshal
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from utils.common.disk.writing import explain_write_errors

CHUNK = 512
"""Values that are written and read at once."""

IN_MEMORY = 2**24
"""Bytes beyond which a spool moves into a temporary file."""

RUN = 2**16
"""Names that are sorted at once; each such run is a stretch of a spool, and all are merged."""


class Spool:
    """A growing sequence that takes a few bytes of memory for each chunk of its values.

    Values are what `marshal` knows: strings, also of undecodable bytes, numbers and tuples. The
    temporary file has no name that a kill could leave behind.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - to the end
        weakref.finalize(self, self._file.close)
        self._offsets = array("q", [0])
        self._tail: list[Any] = []
        self._count = 0

    def append(self, value: Any) -> None:
        """Add one value.

        Raises:
            OutputError: If the disk with the temporary files is full.
        """
        self._tail.append(value)
        self._count += 1
        if len(self._tail) == CHUNK:
            content = marshal.dumps(self._tail)
            with explain_write_errors(Path(tempfile.gettempdir())):
                self._file.seek(self._offsets[-1])
                self._file.write(content)
            self._offsets.append(self._offsets[-1] + len(content))
            self._tail = []

    def __len__(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> Iterator[Any]:
        """Yield the values of a stretch; any number of readers may take turns."""
        while start < stop:
            number, first = divmod(start, CHUNK)
            chunk = self._chunk(number)[first : first + stop - start]
            yield from chunk
            start += len(chunk)

    def _chunk(self, number: int) -> list[Any]:
        if number == len(self._offsets) - 1:
            return self._tail
        begin, end = self._offsets[number : number + 2]
        self._file.seek(begin)
        values: list[Any] = marshal.loads(self._file.read(end - begin))
        return values


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Yield names sorted as `sorted` does, with only a few of them in memory at once."""
    spool, runs = Spool(), []
    names = iter(names)
    while run := sorted(islice(names, RUN)):
        start = len(spool)
        for name in run:
            spool.append(name)
        runs.append((start, len(spool)))
    yield from heapq.merge(*(spool.read(*run) for run in runs))
