"""Open a stranger's file only if it is a regular one of bounded size."""

import errno
import os
import stat
from typing import BinaryIO

CHUNK_BYTES = 2**20

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularError(OSError):
    """A pipe, a socket, a device or a folder, which may wait or yield bytes for ever."""


class TooLargeError(OSError):
    """A file of more bytes than are read."""


def open_regular(path: str | os.PathLike[str], max_bytes: int | None = None) -> BinaryIO:
    """Open a regular file for reading; a link to one counts.

    Args:
        path: Where it lies.
        max_bytes: Most bytes that it may have; None for any number.

    Raises:
        NotRegularError: If something else lies there.
        TooLargeError: If it is larger.
        OSError: If it cannot be opened.
    """
    _check(os.stat(path), max_bytes)  # before the opening, which some devices take for a command
    try:
        stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller's to close
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe or a socket took its place meanwhile
            raise NotRegularError("not a regular file") from None
        raise
    try:
        _check(os.fstat(stream.fileno()), max_bytes)
    except OSError:
        stream.close()
        raise
    return stream


def read_regular(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        NotRegularError: If something else lies there.
        TooLargeError: If it is larger, or grows beyond the limit while it is read.
        OSError: If it cannot be read.
    """
    with open_regular(path, max_bytes) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(size + 1)
        if len(content) > size:  # it has grown, or its system knows no size, as /proc
            grown = bytearray(content)
            while len(grown) <= max_bytes and (more := stream.read(CHUNK_BYTES)):
                grown += more
            content = bytes(grown)
    if len(content) > max_bytes:
        raise TooLargeError(f"more than {max_bytes:,} bytes, the limit")
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for another end of a pipe; regular files know no such waiting."""
    at_once = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        return os.open(path, flags | at_once)
    except BlockingIOError:  # a server of shares holds a lease on it, and gives it up in a moment
        return os.open(path, flags)


def _check(found: os.stat_result, max_bytes: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise NotRegularError(f"{kind}, not a regular file")
    if max_bytes is not None and found.st_size > max_bytes:
        raise TooLargeError(f"{found.st_size:,} bytes, limit {max_bytes:,}")
