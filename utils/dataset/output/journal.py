"""Note results in an append-only file, of which damaged lines do not count."""

import base64
import dataclasses
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from utils.common.disk.writing import explain_write_errors, whole_file
from utils.dataset.images.prepare import Prepared
from utils.dataset.images.results import is_sound

BINARY = frozenset({"sha256", "original_sha256", "thumbnail"})

LINE = re.compile(rb"([0-9a-f]{8}) (\{.*\})\n", re.DOTALL)
"""The CRC-32 of what follows it, and a result."""

MAX_LINE_BYTES = 2**16


class Journal:
    """The results of earlier work, noted one per line of JSON behind a checksum.

    A line is passed over whose checksum is another, or whose values no result can have; so is one
    of an earlier version, which had no checksums. Its picture is made again.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_unusable = 0

    def read(self) -> dict[int, Prepared]:
        """Return the noted results by key, the latest of each key, and count unusable lines."""
        results = {}
        self.num_unusable = 0
        if self.path.exists():
            with explain_write_errors(self.path), self.path.open("rb") as stream:
                for line in _lines(stream):
                    if (result := _from_line(line)) is not None:
                        results[result.key] = result
                    elif line.endswith(b"\n"):  # else it was cut by a crash, as is usual
                        self.num_unusable += 1
        return results

    def mend(self) -> None:
        """Cut off a last line that a crash left without its end, before more is added."""
        if self.path.exists():
            with explain_write_errors(self.path), self.path.open("rb+") as stream:
                stream.truncate(_end_of_last_line(stream))

    def add(self, results: Iterable[Prepared]) -> None:
        """Note results at the end."""
        with explain_write_errors(self.path), self.path.open("ab") as stream:
            stream.writelines(_to_lines(results))

    def replace(self, results: Iterable[Prepared]) -> None:
        """Note these results and no others, wholly or not at all."""
        with whole_file(self.path) as partial, partial.open("wb") as stream:
            stream.writelines(_to_lines(results))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines, of a longer one than any is its first part alone."""
    while line := stream.readline(MAX_LINE_BYTES):
        yield line if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES else b"\n"
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)


def _end_of_last_line(stream: BinaryIO) -> int:
    """Return the number of bytes up to the last end of a line."""
    position = stream.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - MAX_LINE_BYTES)
        stream.seek(start)
        found = stream.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def _to_lines(results: Iterable[Prepared]) -> Iterator[bytes]:
    """Leave out what another run has to try again."""
    return (_to_line(result) for result in results if not result.may_pass)


def _to_line(result: Prepared) -> bytes:
    values = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if getattr(result, field.name) != field.default
    }
    for name in BINARY.intersection(values):
        values[name] = base64.b64encode(values[name]).decode()
    content = json.dumps(values, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _from_line(line: bytes) -> Prepared | None:
    """Read a line; a cut or damaged one is as if it had not been noted."""
    parts = LINE.fullmatch(line)
    if parts is None or int(parts[1], 16) != zlib.crc32(parts[2]):
        return None
    try:
        values = json.loads(parts[2])
        for name in BINARY.intersection(values):
            values[name] = base64.b64decode(values[name], validate=True)
        result = Prepared(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    return result if is_sound(result) else None
