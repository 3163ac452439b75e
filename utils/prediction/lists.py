"""Read a list of paths from stdin, however a console wrote them."""

import codecs
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from utils.common.disk.text import decode_text, marked_encoding
from utils.common.errors import SettingsError

MAX_LINE_BYTES = 2**16
"""No path is longer on any system."""

MAX_LIST_BYTES = 2**28
"""Of a list in UTF-16, which is read as a whole."""


def read_list(stream: BinaryIO) -> Iterator[str]:
    """Yield the paths of a list in UTF-8, or in what its byte order mark tells.

    Args:
        stream: One path in each line.

    Raises:
        SettingsError: If it is no such list.
    """
    first = stream.readline(MAX_LINE_BYTES)
    encoding = marked_encoding(first)
    if encoding and encoding != "utf-8-sig":
        content = first + stream.read(MAX_LIST_BYTES)
        if stream.read(1):
            raise SettingsError(
                f"The list on stdin has more than {MAX_LIST_BYTES:,} bytes in {encoding.upper()}",
                todo="Save it as UTF-8, which is read line by line",
            )
        try:
            text, _ = decode_text(content)
        except UnicodeDecodeError:
            raise SettingsError(
                f"The list on stdin is not {encoding.upper()}, as its first bytes say",
                expected="one path in each line, in UTF-8",
            ) from None
        lines: Iterable[bytes] = (line.encode() for line in text.split("\n"))
    else:
        rest = iter(lambda: stream.readline(MAX_LINE_BYTES), b"")
        lines = chain([first.removeprefix(codecs.BOM_UTF8)], rest)
    for line in lines:
        name = line.rstrip(b"\r\n")
        if b"\0" in name:
            raise SettingsError(
                "The list on stdin has a zero byte",
                expected="one path in each line, in UTF-8",
                todo="Leave out -print0 or -z, or save the list as UTF-8 instead of UTF-16",
            )
        if len(line) == MAX_LINE_BYTES:
            raise SettingsError(
                f"The list on stdin has a line of {MAX_LINE_BYTES:,} bytes or more",
                expected="one path in each line, in UTF-8",
            )
        try:
            path = os.fsdecode(name)
        except UnicodeDecodeError:  # on Windows, whose consoles speak old code pages
            raise SettingsError(
                f"The list on stdin has a path that is not UTF-8: {name!r}",
                todo="Run chcp 65001 in this console first",
            ) from None
        if path.strip():
            yield path
