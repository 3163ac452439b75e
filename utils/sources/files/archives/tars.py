"""List the files of a tar, header by header."""

import re
import tarfile
from typing import Any, BinaryIO, cast

from utils.common.disk.location import Location
from utils.sources.files.archives.findings import Finding, judge, shown
from utils.sources.files.archives.members import Link, Members
from utils.sources.files.archives.streams import BUFFER_BYTES
from utils.sources.files.archives.volumes import Volume

CHECKSUM = re.compile(rb"[ 0-7]+[ \0]*")
"""The field of a header that most other files fail at."""

MAX_HEADER_BYTES = 2**20
MAX_GLOBAL_HEADERS = 100
"""Settings for all that follows, each of which is looked at anew for every member."""


class Headers:
    """A stream of which nobody can read more at once than the header of a member takes."""

    def __init__(self, stream: BinaryIO) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, size: int) -> bytes:
        """Return some bytes.

        Raises:
            ReadError: If a header claims to be very long.
        """
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._read(size)


def is_tar(head: bytes) -> bool:
    """Tell whether the first block of a file is that of a tar."""
    if len(head) < tarfile.BLOCKSIZE or not CHECKSUM.fullmatch(head, 148, 156):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def read_tar(volume: Volume, members: Members) -> None:
    """Hand over the files of a tar that lies in a file.

    Raises:
        SourceError: If it is hostile.
        LeftOutError: If it cannot be read as it is.
        TarError: If a header is damaged.
    """
    stream = cast(BinaryIO, Headers(volume.stream))
    with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as directory:
        while (info := directory.next()) is not None:
            cast(Any, directory).members.clear()  # which it would keep for nothing
            if len(directory.pax_headers) > MAX_GLOBAL_HEADERS:
                judge(Finding.HEADERS, volume.title, MAX_GLOBAL_HEADERS)
            _hand_over(volume, info, members)
        _check_end(volume, directory.offset, members)


def _hand_over(volume: Volume, info: tarfile.TarInfo, members: Members) -> None:
    if info.isdir():
        members.add_folder(info.name)
    elif info.issym() or info.islnk():
        members.add_link(info.name, Link(info.linkname, is_hard=info.islnk()))
    elif not info.isreg() or info.issparse():
        members.leave_out(info.name, Finding.SPECIAL)
    else:
        if info.size < 0 or info.offset_data + info.size > (volume.size or 0):
            judge(Finding.CUT, volume.title, shown(info.name))
        offset = volume.offset + info.offset_data
        members.add(info.name, Location(volume.path, offset, info.size, info.size))


def _check_end(volume: Volume, offset: int, members: Members) -> None:
    """Tell an end from a cut or a damaged header, and what lies behind it from padding."""
    volume.stream.seek(offset)
    if volume.stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        judge(Finding.CUT_TAR, volume.title)
    position = offset + tarfile.BLOCKSIZE
    while piece := volume.stream.read(BUFFER_BYTES):
        if padding := len(piece) - len(piece.lstrip(b"\0")):
            position += padding
        if padding < len(piece):
            members.note(Finding.TRAILING, (volume.size or 0) - position)
            return
