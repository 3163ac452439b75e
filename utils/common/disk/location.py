"""Where the bytes of a file lie: in a file of its own, or in a stretch of an archive."""

import hashlib
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from utils.common.disk.opening import TooLargeError, open_regular, read_regular
from utils.common.disk.stamps import stamp_of
from utils.common.limits import MAX_FILE_BYTES

ZIP_HEADER = struct.Struct("<4s22xHH")
"""What stands before a zip's member: a mark, and how long the name and the extra field are."""

ZIP_MARK = b"PK\x03\x04"


class DamagedError(Exception):
    """A member of an archive that is not what the archive says of it."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of one file lie.

    It is all that another process needs to read the file: no table of contents is read again.

    Attributes:
        path: The file on disk: the file itself, or what holds the archive.
        offset: Where the member starts in it; of a zip's member, where its header does.
        packed_size: Number of bytes that the member takes there; None for the whole file.
        size: Number of its own bytes.
        crc: CRC-32 of these; None for members of a tar, which have neither that nor a header.
        is_deflated: Whether the bytes are compressed.
    """

    path: str
    offset: int = 0
    packed_size: int | None = None
    size: int = 0
    crc: int | None = None
    is_deflated: bool = False

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            DamagedError: If they are not those that the archive promises.
            TooLargeError: If they are more than any picture has.
            OSError: If the file on disk cannot be read, or is no regular file.
        """
        if self.packed_size is None:
            return read_regular(self.path, MAX_FILE_BYTES)
        if max(self.packed_size, self.size) > MAX_FILE_BYTES:
            raise TooLargeError(f"{self.size:,} bytes, limit {MAX_FILE_BYTES:,}")
        with open_regular(self.path) as stream:
            start = self.offset if self.crc is None else data_start(stream, self.offset)
            stream.seek(start)
            content = stream.read(self.packed_size)
        if self.is_deflated:
            content = _inflate(content, self.size)
        if len(content) != self.size:
            raise DamagedError(f"{len(content):,} bytes in the archive, {self.size:,} announced")
        if self.crc is not None and zlib.crc32(content) != self.crc:
            raise DamagedError("its checksum in the archive is another")
        return content

    def content_hash(self) -> bytes:
        """Return the SHA-256 of the bytes of the file; nothing where they cannot be read."""
        try:
            return hashlib.sha256(self.read()).digest()
        except (DamagedError, OSError):
            return b""

    def facts(self) -> tuple[int, ...]:
        """Return numbers that change when the file does; zeros where it cannot be seen.

        The checksum that a zip keeps of a member tells its bytes however often the archive is
        copied, or unpacked out of another; all else is told by the stamp of the file on disk.
        """
        try:
            stamp = stamp_of(os.stat(self.path))
        except OSError:
            return 0, 0
        if self.packed_size is None:
            return stamp
        if self.crc is None:
            return *stamp, self.offset, self.packed_size
        return *stamp[:2], self.offset, self.packed_size, self.crc


@dataclass(frozen=True)
class Originals:
    """The files of the collections, each by its path below one folder.

    Attributes:
        root: The folder.
        members: Where those lie that are part of an archive; all others are files of their own.
    """

    root: Path
    members: Mapping[str, Location] = field(default_factory=dict)

    def locate(self, path: str) -> Location:
        """Return where the bytes of a file lie."""
        return self.members.get(path) or Location(os.path.join(self.root, path))


def data_start(stream: BinaryIO, offset: int) -> int:
    """Return where the bytes of a zip's member start, whose header stands at `offset`.

    Raises:
        DamagedError: If there is no such header.
    """
    stream.seek(offset)
    header = stream.read(ZIP_HEADER.size)
    if len(header) < ZIP_HEADER.size or not header.startswith(ZIP_MARK):
        raise DamagedError("it is not where the archive says")
    _, name_length, extra_length = ZIP_HEADER.unpack(header)
    return offset + ZIP_HEADER.size + int(name_length) + int(extra_length)


def _inflate(packed: bytes, size: int) -> bytes:
    """Decompress at most one byte more than announced, however many there are."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return inflater.decompress(packed, size + 1)
    except zlib.error as error:
        raise DamagedError(str(error)) from None
