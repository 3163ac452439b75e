"""Decompress a stream within a bounded memory."""

import bz2
import io
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from utils.common.disk.location import DamagedError, Location
from utils.common.limits import MAX_DICTIONARY

PIECE_BYTES = 2**14
"""Compressed bytes that a decoder gets at once: what is behind its end is copied."""


class Decoder(Protocol):
    """What `bz2` and `lzma` give to decompress by."""

    @property
    def eof(self) -> bool:
        """Whether its stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes without more input."""

    @property
    def unused_data(self) -> bytes:
        """What lies behind the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what comes next, at most so many bytes."""


class Inflater:
    """A decoder of zlib, used like the others.

    Args:
        wbits: Kind of container, as zlib has it.
    """

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        """Whether its stream has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether it has taken all its input."""
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What lies behind the end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what comes next, at most so many bytes."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


@dataclass(frozen=True)
class Codec:
    """A kind of compression.

    Attributes:
        mark: What each stream begins with; b"" where nothing tells, and there is one stream only.
        start: Returns a decoder.
    """

    mark: bytes
    start: Callable[[], Decoder]


CODECS = (
    Codec(b"\x1f\x8b", lambda: Inflater(16 + zlib.MAX_WBITS)),
    Codec(b"BZh", bz2.BZ2Decompressor),
    Codec(b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_DICTIONARY)),
)
"""Kinds of compression of whole files."""

DEFLATED = Codec(b"", lambda: Inflater(-zlib.MAX_WBITS))


def codec_of(head: bytes) -> Codec | None:
    """Return how a file that begins so is compressed, None if it is not."""
    return next((codec for codec in CODECS if head.startswith(codec.mark)), None)


class Decompressed(io.RawIOBase):
    """What is compressed in a stream, from its beginning on; it can go back there only.

    Args:
        source: The compressed bytes.
        codec: How they are compressed.
        place: Of a member of a zip: what size and checksum it must have.
    """

    def __init__(self, source: BinaryIO, codec: Codec, place: Location | None = None) -> None:
        self._source, self._codec, self._place = source, codec, place
        self._restart()

    def _restart(self) -> None:
        self._source.seek(0)
        self._decoder = self._codec.start()
        self._pending = b""
        self._position = self._crc = 0
        self._is_at_end = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can go back to its beginning."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go back to the beginning, or stay."""
        if (offset, whence) == (0, os.SEEK_SET) and self._position:
            self._restart()
        elif (offset, whence) not in ((0, os.SEEK_CUR), (self._position, os.SEEK_SET)):
            raise io.UnsupportedOperation("seek")
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as bytes come at once; return how many.

        Raises:
            DamagedError: If the bytes are not those that were announced, or others follow.
            EOFError: If they end within a stream.
        """
        content = b""
        while not (content or self._is_at_end):
            if self._decoder.eof:
                self._go_on()
                continue
            piece, is_hungry = b"", self._decoder.needs_input
            if is_hungry:
                piece, self._pending = self._pending or self._source.read(PIECE_BYTES), b""
            content = self._decoder.decompress(piece, len(buffer))
            if is_hungry and not (piece or content or self._decoder.eof):
                raise EOFError("it ends within what is compressed")
        self._check(content)
        buffer[: len(content)] = content
        return len(content)

    def _go_on(self) -> None:
        """Begin with the next stream, if one follows: several in a row are one file."""
        rest = self._decoder.unused_data
        mark = self._codec.mark
        if not mark:
            self._is_at_end = True
            return
        while len(rest := rest.lstrip(b"\0")) < len(mark):
            more = self._source.read(PIECE_BYTES)
            if not more:
                break
            rest += more
        if not rest:
            self._is_at_end = True
        elif rest.startswith(mark):
            self._decoder = self._codec.start()
            self._pending = rest
        else:
            raise DamagedError("other bytes follow what is compressed")

    def _check(self, content: bytes) -> None:
        """Compare with what the zip announced."""
        self._position += len(content)
        if self._place is None:
            return
        self._crc = zlib.crc32(content, self._crc)
        if self._position > self._place.size or (
            self._is_at_end and self._position != self._place.size
        ):
            raise DamagedError(f"its size is not the announced one, {self._place.size:,} bytes")
        if self._is_at_end and self._crc != self._place.crc:
            raise DamagedError("its checksum in the archive is another")
