"""A published archive in, the places of the files in it out; nothing that it says is believed."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import splitext
from typing import Any, BinaryIO, NoReturn, cast

from utils.common.errors import SourceError
from utils.common.files import is_clutter
from utils.common.limits import FREE_BYTES, MAX_DEPTH, MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED
from utils.common.location import ZIP_MARK, DamagedError, Location, data_start
from utils.common.pictures import SUFFIXES
from utils.sources.paths import leads_out
from utils.sources.unpacked import CHUNK, Unpacked

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
"""Names of archives; a file whose name tells nothing is asked for its first bytes."""

NO_ARCHIVES = frozenset(
    (
        *SUFFIXES,
        *(".csv", ".tsv", ".tab", ".txt", ".md", ".json", ".htm", ".html", ".pdf", ".py"),
        *(".xlsx", ".docx", ".pptx", ".ods", ".odt", ".npz", ".pt", ".pth", ".jar", ".whl"),
        *(".part", ".partial", ".crdownload", ".tmp"),
    )
)
"""Endings that tell enough: some of these are zips inside, or archives only when they are whole."""

FOREIGN = (".rar", ".7z")
"""Archives that cannot be read here."""

EMPTY_ZIP_MARK = b"PK\x05\x06"
COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""How to read a compressed stream, by its first bytes."""

ENCRYPTED = 0x1
MAX_HEADER_BYTES = 2**20

BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(DamagedError, EOFError, OSError, ValueError, LookupError, RuntimeError, OverflowError),
)
"""What the readers of the standard library raise when an archive is not as it should be."""


@dataclass
class Volume:
    """An archive's bytes: how to read them now, and in which file they can be read later.

    Attributes:
        title: What to call it: its path, behind those of the archives that it lies in.
        stream: Its bytes, from beginning to end.
        path: The file that has them; "" where none has, for they are compressed in another archive.
        offset: Where they start in that file.
        size: Number of bytes, None where that is not known before they are read.
        directory: A zip's, once it is read.
    """

    title: str
    stream: BinaryIO
    path: str = ""
    offset: int = 0
    size: int | None = None
    directory: zipfile.ZipFile | None = None

    def head(self) -> bytes:
        """Return the first bytes, and go back to the beginning."""
        head = self.stream.read(tarfile.BLOCKSIZE)
        self.stream.seek(0)
        return head


class Allowance:
    """How much one archive on disk, with all that is in it, may still unpack to."""

    def __init__(self, title: str, size: int) -> None:
        self._title = title
        self._most = min(MAX_RATIO * size + FREE_BYTES, MAX_UNPACKED)
        self._num_bytes = 0
        self._num_members = 0

    def take(self, num_bytes: int, packed_size: int | None = None, num_members: int = 1) -> None:
        """Count a member.

        Raises:
            SourceError: If it is more than any collection holds.
        """
        self._num_bytes += num_bytes
        self._num_members += num_members
        if packed_size is not None and num_bytes > MAX_RATIO * packed_size + FREE_BYTES:
            refuse(
                self._title,
                f"holds a file that unpacks from {packed_size:,} to {num_bytes:,} bytes",
                f"at most {MAX_RATIO} bytes for one",
            )
        if self._num_members > MAX_MEMBERS:
            refuse(self._title, f"holds more than {MAX_MEMBERS:,} files", "fewer")
        self.check()

    def check(self, num_bytes: int = 0) -> None:
        """Tell whether so many bytes more would still do.

        Raises:
            SourceError: If not.
        """
        total = self._num_bytes + num_bytes
        if total > self._most:
            refuse(
                self._title, f"unpacks to {total:,} bytes or more", f"at most {self._most:,} bytes"
            )


def refuse(title: str, found: str, expected: str = "a collection as it was published") -> NoReturn:
    """Say in one line why an archive is not read.

    Raises:
        SourceError: Always.
    """
    raise SourceError(
        f"{title} {found}",
        expected=expected,
        todo="Nothing of it was read; download it again or take it out of the folder",
    )


def may_be_archive(name: str) -> bool:
    """Tell by a file's name whether it is an archive, or might be one."""
    return is_named_so(name) or splitext(name)[1].lower() not in NO_ARCHIVES


def is_named_so(name: str) -> bool:
    """Tell whether a file's name says that it is an archive."""
    return name.lower().endswith(ENDINGS)


def stem_of(name: str) -> str:
    """Return an archive's name without its ending.

    >>> stem_of("zr7vgbcyr2-1.zip"), stem_of("a.tar.gz"), stem_of("download")
    ('zr7vgbcyr2-1', 'a', 'download')
    """
    ending = max((end for end in ENDINGS if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(ending)]


def list_archive(path: Path, title: str, unpacked: Unpacked) -> dict[str, Location] | None:
    """Look through an archive and all archives inside it.

    Args:
        path: The file.
        title: What to call it.
        unpacked: Takes what cannot be read in place.

    Returns:
        Where its files lie, by their paths in it, clutter among them; None if it is no archive.

    Raises:
        SourceError: If it is damaged, encrypted, a bomb, or has members that lead out of it.
    """
    if not (is_named_so(title) or _is_readable(path)):
        return None
    try:
        with contextlib.ExitStack() as opened:
            stream = opened.enter_context(path.open("rb"))
            found = os.fstat(stream.fileno())
            origin = (os.path.abspath(path), found.st_size, found.st_mtime_ns)
            explorer = Explorer(Allowance(title, found.st_size), unpacked, origin, opened)
            volume = Volume(title, stream, str(path), size=found.st_size)
            return explorer.look_through(volume)
    except BROKEN as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        refuse(title, f"cannot be read as an archive ({words})", "a whole one, not encrypted")


class Explorer:
    """Looks through one archive on disk.

    Args:
        allowance: What it may unpack to.
        unpacked: Takes what cannot be read in place.
        origin: Path, size and modification time of the file on disk.
        opened: Closes what was opened.
    """

    def __init__(
        self,
        allowance: Allowance,
        unpacked: Unpacked,
        origin: tuple[str, int, int],
        opened: contextlib.ExitStack,
    ) -> None:
        self._allowance = allowance
        self._unpacked = unpacked
        self._origin = origin
        self._opened = opened

    def look_through(self, volume: Volume, depth: int = 1) -> dict[str, Location] | None:
        """Return where the files of an archive lie, None if it is none."""
        head = volume.head()
        named_so = is_named_so(volume.title)
        opener = next((COMPRESSED[mark] for mark in COMPRESSED if head.startswith(mark)), None)
        if opener:
            inner = Volume(volume.title, self._opened.enter_context(opener(volume.stream)))
            head = inner.head() if named_so else _first_block(inner)
            volume = inner
        is_zip = not opener and (
            head.startswith((ZIP_MARK, EMPTY_ZIP_MARK)) or _ends_as_zip(volume)
        )
        if not is_zip and not _is_tar_header(head):
            if named_so:
                refuse(volume.title, f"starts with {head[:16]!r}", "a zip or a tar")
            return None
        if depth > MAX_DEPTH:
            refuse(volume.title, f"lies {depth} archives deep", f"at most {MAX_DEPTH}")
        if not volume.path:
            volume = self._unpack(volume)
        members = list(_zip_members(volume) if is_zip else _tar_members(volume))
        _check_names(volume.title, [name for name, _ in members])
        for _, location in members:
            self._allowance.take(location.size, location.packed_size)
        return self._expand(volume, members, depth)

    def _expand(
        self, volume: Volume, members: list[tuple[str, Location]], depth: int
    ) -> dict[str, Location]:
        """Replace the archives among the members by what is in them.

        As if unpacked where they lie; or all into a folder of the archive's own name where a file
        of the same name but with other content is there already.
        """
        files = dict(members)
        taken = {name.casefold(): place for name, place in files.items()}
        for name, place in list(files.items()):
            if may_be_archive(name) and not _is_clutter(name):
                found = self.look_through(self._inside(volume, name, place), depth + 1)
                if found is not None:
                    del files[name]
                    start = name[: name.rfind("/") + 1]
                    if any(
                        _differ(inner, taken.get(f"{start}{path}".casefold()))
                        for path, inner in found.items()
                    ):
                        start = f"{name}/"
                    for path, inner in found.items():
                        if taken.setdefault(f"{start}{path}".casefold(), inner) is inner:
                            files[f"{start}{path}"] = inner
        return files

    def _inside(self, volume: Volume, name: str, place: Location) -> Volume:
        """Return the bytes of a member."""
        title = f"{volume.title}/{name}"
        if place.is_deflated:
            assert volume.directory is not None
            offset = place.offset - volume.offset
            info = next(i for i in volume.directory.infolist() if i.header_offset == offset)
            packed = self._opened.enter_context(volume.directory.open(info))
            return Volume(title, cast(BinaryIO, packed), size=place.size)
        start = place.offset - volume.offset
        if place.crc is not None:
            start = data_start(volume.stream, start)
        window = cast(BinaryIO, io.BufferedReader(Window(volume.stream, start, place.size)))
        return Volume(title, window, volume.path, volume.offset + start, place.size)

    def _unpack(self, volume: Volume) -> Volume:
        """Return the same bytes, in a file of their own."""
        target = self._unpacked.path(*self._origin, volume.title)
        if not target.exists():
            size = self._measure(volume.stream) if volume.size is None else volume.size
            self._allowance.take(size, num_members=0)
            self._unpacked.fill(target, volume.stream, size, self._origin[2], volume.title)
        stream = self._opened.enter_context(target.open("rb"))
        return Volume(volume.title, stream, str(target), size=target.stat().st_size)

    def _measure(self, stream: BinaryIO) -> int:
        """Read a stream to its end, before anything of it is written, and return its length."""
        size = 0
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            self._allowance.check(size)
        stream.seek(0)
        return size


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


class Headers:
    """A stream of which nobody can read more at once than the header of a tar's member takes."""

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


def _zip_members(volume: Volume) -> Iterator[tuple[str, Location]]:
    """Yield the files of a zip, which is not closed."""
    volume.directory = zipfile.ZipFile(volume.stream)
    for info in volume.directory.infolist():
        name, size, packed_size = info.orig_filename, info.file_size, info.compress_size
        is_deflated = info.compress_type == zipfile.ZIP_DEFLATED
        kind = stat.S_IFMT(info.external_attr >> 16)
        _check_path(volume.title, name)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refuse(volume.title, f"holds {name!r}, which is a link or a device", "files only")
        if info.is_dir():
            continue
        if info.flag_bits & ENCRYPTED:
            refuse(volume.title, f"is encrypted ({name!r})", "an archive without a password")
        if not is_deflated and info.compress_type != zipfile.ZIP_STORED:
            refuse(volume.title, f"holds {name!r} compressed by method {info.compress_type}",
                   "method 0 or 8 (stored or deflated); unzip this one by hand")  # fmt: skip
        if info.header_offset < 0 or info.header_offset + packed_size > (volume.size or 0):
            refuse(volume.title, f"has no room for {name!r}", "a whole archive")
        if not is_deflated and packed_size != size:
            refuse(volume.title, f"tells two sizes of {name!r}, {packed_size:,} and {size:,}",
                   "one")  # fmt: skip
        offset = volume.offset + info.header_offset
        path = PurePosixPath(name).as_posix()
        yield path, Location(volume.path, offset, packed_size, size, info.CRC, is_deflated)


def _tar_members(volume: Volume) -> Iterator[tuple[str, Location]]:
    """Yield the files of a tar."""
    with tarfile.open(fileobj=cast(BinaryIO, Headers(volume.stream)), mode="r:") as directory:
        while (info := directory.next()) is not None:
            cast(Any, directory).members.clear()  # which it would keep for nothing
            _check_path(volume.title, info.name)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                refuse(volume.title, f"holds {info.name!r}, which is a link, a device or sparse",
                       "files only")  # fmt: skip
            if info.size < 0 or info.offset_data + info.size > (volume.size or 0):
                refuse(volume.title, f"ends within {info.name!r}", "a whole archive")
            offset = volume.offset + info.offset_data
            path = PurePosixPath(info.name).as_posix()
            yield path, Location(volume.path, offset, info.size, info.size)
        volume.stream.seek(directory.offset)
        end = volume.stream.read(tarfile.BLOCKSIZE)
        if end != bytes(tarfile.BLOCKSIZE):
            refuse(volume.title, "has no end", "a whole archive")


def _check_path(title: str, name: str) -> None:
    """Refuse a member whose path could lead out of the folder that it is unpacked into."""
    if leads_out(name) or "\\" in name:
        refuse(title, f"holds {name!r}", "paths that stay in the archive's folder, with '/'")


def _check_names(title: str, names: list[str]) -> None:
    """Refuse two members of one path, as far as any file system can tell them apart."""
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in files:
            refuse(title, f"holds {name!r} twice", "each path once, in capitals or not")
        files.add(folded)
        while folded := folded.rpartition("/")[0]:
            folders.add(folded)
    if both := files & folders:
        refuse(title, f"holds {min(both)!r} as a file and as a folder", "one of them")


def _is_readable(path: Path) -> bool:
    """Tell a file from pipes, from links that lead nowhere, and from what is forbidden."""
    return path.is_file() and os.access(path, os.R_OK)


def _differ(one: Location, other: Location | None) -> bool:
    """Tell whether two files of one path are not known to be the same."""
    if other is None:
        return False
    return one.crc is None or (one.size, one.crc) != (other.size, other.crc)


def _is_clutter(path: str) -> bool:
    return any(is_clutter(part) for part in path.split("/"))


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _first_block(volume: Volume) -> bytes:
    """Return the first bytes of what may be compressed, none if it is not after all."""
    try:
        return volume.head()
    except BROKEN:
        return b""


def _ends_as_zip(volume: Volume) -> bool:
    """Tell whether a file with the name of a zip has a zip's end, whatever it starts with."""
    is_named = volume.title.lower().endswith(".zip")
    return is_named and bool(volume.path) and zipfile.is_zipfile(volume.stream)
