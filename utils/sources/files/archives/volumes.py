"""An archive's bytes, as they are read now, and where they can be read later."""

from dataclasses import dataclass
from typing import BinaryIO, cast

from utils.common.disk.location import Location, data_start
from utils.sources.files.archives.compression import DEFLATED, Decompressed
from utils.sources.files.archives.streams import Window, buffered


@dataclass
class Volume:
    """An archive's bytes: how to read them now, and in which file they can be read later.

    Attributes:
        title: What to call it: its path, behind those of the archives that it lies in.
        stream: Its bytes, from beginning to end.
        path: The file that has them; "" where none has, for they are compressed in another archive.
        offset: Where they start in that file.
        size: Number of bytes, None where that is not known before they are read.
    """

    title: str
    stream: BinaryIO
    path: str = ""
    offset: int = 0
    size: int | None = None

    def head(self, size: int = 512) -> bytes:
        """Return the first bytes, and go back to the beginning."""
        self.stream.seek(0)
        head = self.stream.read(size)
        self.stream.seek(0)
        return head

    def member(self, title: str, place: Location) -> "Volume":
        """Return the bytes of a file in it, which itself lies in a file.

        Raises:
            DamagedError: If it is not where the archive says.
        """
        start = place.offset - self.offset
        if place.crc is not None:
            start = data_start(self.stream, start)
        assert place.packed_size is not None
        packed = Window(self.stream, start, place.packed_size)
        if not place.is_deflated:
            offset = self.offset + start
            return Volume(title, buffered(packed), self.path, offset, place.size)
        inflated = Decompressed(cast(BinaryIO, packed), DEFLATED, place)
        return Volume(title, buffered(inflated), size=place.size)
