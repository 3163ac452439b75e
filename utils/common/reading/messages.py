"""What decoders say on the standard error stream, where some of them complain and go on."""

import contextlib
import os
from collections.abc import Iterator

STREAM = 2
MAX_BYTES = 2**16
"""Of the messages about one picture, more are not looked at."""

is_file = False
"""Whether the stream is a file of this process's own; else nothing is heard."""


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Give a list that afterwards holds the lines that were written meanwhile."""
    lines: list[str] = []
    start = os.lseek(STREAM, 0, os.SEEK_END) if is_file else 0
    yield lines
    if is_file:
        os.lseek(STREAM, start, os.SEEK_SET)
        lines += os.read(STREAM, MAX_BYTES).decode("utf-8", "replace").splitlines()
        os.lseek(STREAM, 0, os.SEEK_END)


def forget() -> None:
    """Empty the file."""
    os.lseek(STREAM, 0, os.SEEK_SET)
    os.ftruncate(STREAM, 0)
