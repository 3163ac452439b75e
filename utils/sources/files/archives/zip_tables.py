"""Read a zip's table of contents in bounded memory."""

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from utils.common.cli.terminal import printable
from utils.common.disk.location import ZIP_MARK
from utils.sources.files.archives.findings import Finding, judge
from utils.sources.files.archives.streams import BUFFER_BYTES, Window
from utils.sources.files.archives.volumes import Volume

ZIP_MARKS = (ZIP_MARK, b"PK\x05\x06")
"""What zips begin with, the second those that are empty."""

ENTRY = struct.Struct("<4s1xB2x2H4x3L4H2x2L")
ENTRY_MARK = b"PK\x01\x02"
END = struct.Struct("<4s4H2LH")
END_MARK = b"PK\x05\x06"
END64 = struct.Struct("<4s12x2L4Q")
END64_MARK = b"PK\x06\x06"
LOCATOR = struct.Struct("<4sLQL")
LOCATOR_MARK = b"PK\x06\x07"
MAX_COMMENT = 2**16 - 1

UTF_8 = 0x800
ZIP64_FIELD, PATH_FIELD = 0x1, 0x7075
FULL_16, FULL_32 = 2**16 - 1, 2**32 - 1
FOLDER_OF_DOS = 0x10

WRAP = 2**32
"""Offsets beyond it begin at 0 again where the Finder, or a server, writes a zip without Zip64."""


@dataclass(frozen=True)
class Table:
    """Where a zip's table of contents lies, and what the end of the zip says of it.

    Attributes:
        start: Where it begins.
        size: Number of its bytes.
        shift: By how much the zip begins behind where its offsets count from.
        num_entries: Announced.
        is_64: Whether the announced numbers had room for any number.
        is_wrapped: Whether offsets begin anew at each multiple of `WRAP`.
        trailing: Number of bytes behind the zip's end.
    """

    start: int
    size: int
    shift: int
    num_entries: int
    is_64: bool
    is_wrapped: bool
    trailing: int


def is_zip(volume: Volume, head: bytes) -> bool:
    """Tell whether bytes are a zip: by their beginning, or by their end if so named."""
    if head.startswith(ZIP_MARKS):
        return True
    is_named = volume.title.lower().endswith(".zip")
    return is_named and bool(volume.path) and bool(_ends(_tail(volume)))


def find_table(volume: Volume) -> Table:
    """Read the end of a zip of known size.

    Raises:
        LeftOutError: If it has none, or one that is not right.
    """
    title, size = volume.title, volume.size or 0
    tail = _tail(volume)
    base = size - len(tail)
    ends = _ends(tail)
    if not ends:
        judge(Finding.CUT_ZIP, title)
    exact = [end for end in ends if _behind(tail, end) == 0]
    if len(exact) > 1:
        judge(Finding.TWO_ENDS, title)
    position = (exact or ends)[-1]
    _, disk, first_disk, here, total, length, offset, _ = END.unpack_from(tail, position)
    end, is_64 = base + position, False
    locator = position - LOCATOR.size
    if locator >= 0 and tail.startswith(LOCATOR_MARK, locator):
        _, _, claimed, num_disks = LOCATOR.unpack_from(tail, locator)
        if num_disks > 1:
            judge(Finding.SPLIT_ZIP, title, advice=(printable(title),))
        is_64, at = True, base + locator
        for end in (at - END64.size, claimed):
            if 0 <= end <= at - END64.size:
                volume.stream.seek(end)
                record = volume.stream.read(END64.size)
                if record.startswith(END64_MARK):
                    _, disk, first_disk, here, total, length, offset = END64.unpack(record)
                    break
        else:
            judge(Finding.DAMAGED_TABLE, title)
    if disk or first_disk or here != total:
        judge(Finding.SPLIT_ZIP, title, advice=(printable(title),))
    start = end - length
    if start < offset or (length and not _has_mark(volume, start, ENTRY_MARK)):
        judge(Finding.DAMAGED_TABLE, title)
    shift, trailing = start - offset, max(0, _behind(tail, position))
    is_wrapped = not is_64 and _is_wrapped(volume, start, length, shift)
    return Table(start, length, 0 if is_wrapped else shift, total, is_64, is_wrapped, trailing)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table of contents.

    Attributes:
        name: As it is written.
        made_on: Number of the system that it was made on.
        flags: Bits.
        method: Number of the kind of compression.
        crc: CRC-32 of the file's bytes.
        packed_size: Number of bytes in the zip.
        size: Number of the file's bytes.
        disk: Number of the part that it lies in.
        attributes: Of the file, as its system has them.
        offset: Where its header lies, from the beginning of the zip's bytes.
    """

    name: str
    made_on: int
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    disk: int
    attributes: int
    offset: int

    @property
    def kind(self) -> int:
        """What kind of file it is, as Unix has it; 0 if nothing tells."""
        return stat.S_IFMT(self.attributes >> 16)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        is_so_on_dos = bool(self.attributes & FOLDER_OF_DOS) and not self.size
        return self.name.endswith("/") or self.kind == stat.S_IFDIR or is_so_on_dos


def entries(volume: Volume, table: Table) -> Iterator[Entry]:
    """Yield the lines of the table of contents.

    Raises:
        LeftOutError: If it is damaged.
    """
    window = Window(volume.stream, table.start, table.size)
    stream = io.BufferedReader(window, BUFFER_BYTES)
    ahead = table.size
    base = before = 0
    while ahead:
        header = stream.read(ENTRY.size)
        if len(header) < ENTRY.size or not header.startswith(ENTRY_MARK):
            judge(Finding.DAMAGED_TABLE, volume.title)
        _, made_on, flags, method, crc, packed_size, size, *more = ENTRY.unpack(header)
        name_length, extra_length, comment_length, disk, attributes, offset = more
        length = name_length + extra_length + comment_length
        text = stream.read(length)
        if len(text) < length:
            judge(Finding.DAMAGED_TABLE, volume.title)
        ahead -= ENTRY.size + length
        raw, fields = text[:name_length], {}
        if extra_length:
            fields = _fields(text[name_length : name_length + extra_length])
        if FULL_32 in (size, packed_size, offset):
            numbers = _Numbers(fields.get(ZIP64_FIELD, b""))
            size, packed_size, offset = map(numbers.full, (size, packed_size, offset))
        if table.is_wrapped and offset < before:  # they are listed in the order that they lie in
            base += WRAP
        before = offset
        yield Entry(
            *(_name(raw, flags, fields), made_on, flags, method, crc, packed_size, size),
            *(disk, attributes, offset + base + table.shift),
        )


class _Numbers:
    """The large numbers of an extra field, which stand for those that had no room."""

    def __init__(self, field: bytes) -> None:
        whole = field[: len(field) // 8 * 8]
        self._numbers = iter(struct.unpack(f"<{len(whole) // 8}Q", whole))

    def full(self, number: int) -> int:
        """Return the number that is meant."""
        return next(self._numbers, number) if number == FULL_32 else number


def _fields(extra: bytes) -> dict[int, bytes]:
    """Return the extra fields of a file by their kind, as far as they are whole."""
    fields: dict[int, bytes] = {}
    start = 0
    while start + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, start)
        fields.setdefault(kind, extra[start + 4 : start + 4 + length])
        start += 4 + length
    return fields


def _name(raw: bytes, flags: int, fields: dict[int, bytes]) -> str:
    """Return a name as text; bytes that are none are kept as `os.fsdecode` keeps them.

    Without a word on its encoding it is UTF-8 if it can be, as macOS writes it, else code page 437.
    """
    if raw.isascii():
        return raw.decode("ascii")
    if flags & UTF_8:
        return raw.decode("utf-8", "surrogateescape")
    field = fields.get(PATH_FIELD, b"")
    if field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        return field[5:].decode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _tail(volume: Volume) -> bytes:
    """Return the last bytes, among which a zip has its end."""
    size = volume.stream.seek(0, io.SEEK_END)
    volume.stream.seek(max(0, size - (MAX_COMMENT + END.size + LOCATOR.size)))
    tail = volume.stream.read()
    volume.stream.seek(0)
    return tail


def _ends(tail: bytes) -> list[int]:
    """Return where a zip's end could be."""
    found = []
    position = tail.find(END_MARK)
    while 0 <= position <= len(tail) - END.size:
        found.append(position)
        position = tail.find(END_MARK, position + 1)
    return found


def _behind(tail: bytes, end: int) -> int:
    """Return how many bytes follow a zip's end and its comment; fewer than 0 where it is cut."""
    return len(tail) - end - END.size - int(END.unpack_from(tail, end)[-1])


def _is_wrapped(volume: Volume, start: int, length: int, shift: int) -> bool:
    """Tell whether offsets have wrapped, from bytes before the first file, by where that lies."""
    if not length or not shift or shift % WRAP:
        return False
    volume.stream.seek(start)
    header = volume.stream.read(ENTRY.size)
    return len(header) == ENTRY.size and _has_mark(volume, ENTRY.unpack(header)[-1], ZIP_MARK)


def _has_mark(volume: Volume, offset: int, mark: bytes) -> bool:
    volume.stream.seek(offset)
    return volume.stream.read(len(mark)) == mark
