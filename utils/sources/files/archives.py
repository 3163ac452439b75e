"""A published archive in, the places of the files in it out; nothing that it says is believed."""

import contextlib
import lzma
import os
import re
import struct
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import splitext
from typing import BinaryIO

from utils.common.files import is_clutter
from utils.common.limits import MAX_DEPTH, MAX_DICTIONARY, MAX_FOLDERS, MAX_PATH_LENGTH
from utils.common.location import DamagedError, Location
from utils.common.opening import open_regular
from utils.common.pictures import SUFFIXES
from utils.sources.files.allowance import Allowance
from utils.sources.files.findings import Fate, Finding, LeftOutError, judge, printable, shown
from utils.sources.files.members import Members
from utils.sources.files.streams import (
    CODECS,
    Decompressed,
    Joined,
    Volume,
    buffered,
    codec_of,
)
from utils.sources.files.tars import is_tar, read_tar
from utils.sources.files.unpacked import CHUNK, Unpacked
from utils.sources.files.zips import ZIP_MARKS, find_table, is_zip, read_zip

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

FOREIGN_ENDINGS = re.compile(
    r"\.(rar|r\d\d|7z|7z\.\d{3}|tar\.zst|tzst|tar\.lz4|tar\.lz|tlz|tar\.z|taz|cab)$", re.IGNORECASE
)
FOREIGN_MARKS = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"LZIP": "lzip",
    b"MSCF\0\0\0\0": "cabinet",
}
"""Archives that cannot be read here, by their last letters or first bytes."""

MARKS = (*FOREIGN_MARKS, *(codec.mark for codec in CODECS), *ZIP_MARKS)
"""What archives begin with, apart from tars."""

NUMBERED = re.compile(r"(.+)\.(\d{3,})")
SPLIT = re.compile(r"(.+)\.z\d\d+", re.IGNORECASE)
"""Names of parts: those of the first are cut anywhere, those of the second know of each other."""

MIN_BYTES = 22
"""The smallest archive: the end of an empty zip."""

MAX_LINES = 5

CUT = (Finding.CUT, Finding.CUT_ZIP, Finding.CUT_TAR)
"""What is found where the last parts are missing."""

BROKEN = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, DamagedError, EOFError),
    *(OSError, ValueError, LookupError, RuntimeError, OverflowError, MemoryError),
)
"""What decoders and readers raise when an archive is not as it should be."""


@dataclass
class Contents:
    """What was found in an archive and in those inside it: each file is listed, or left out.

    Attributes:
        files: Where its files lie, by their paths in it.
        left_out: What is not read, by its path in it ("" is the archive itself), and why.
        notes: What the user should know, line by line.
        num_clutter: How many files of operating systems were passed over.
    """

    files: dict[str, Location] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_clutter: int = 0

    def leave_out(self, path: str, title: str, error: LeftOutError) -> None:
        """Keep that an archive is not read."""
        self.left_out.append((path, error.reason))
        self.notes.append(f"{printable(title)} {error.reason}; it is left out. {error.advice}")


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
    if (numbered := NUMBERED.fullmatch(name)) and is_named_so(numbered[1]):
        name = numbered[1]
    ending = max((end for end in ENDINGS if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(ending)]


def list_archive(path: Path, title: str, unpacked: Unpacked) -> Contents | None:
    """Look through an archive and all archives inside it.

    One that cannot be read is left out, with the reason; so are members that are no files.

    Args:
        path: The file.
        title: What to call it.
        unpacked: Takes what cannot be read in place.

    Returns:
        What is in it; None if it is no archive.

    Raises:
        SourceError: If it is a bomb, or has members or links that lead out of it.
    """
    try:
        found = _list_parts(path, title, unpacked)
    except (LeftOutError, *BROKEN) as error:
        found = Contents()
        found.leave_out("", title, _as_left_out(error))
    if found and len(found.notes) > MAX_LINES:
        num_more = len(found.notes) - MAX_LINES
        found.notes[MAX_LINES:] = [f"{printable(title)}: {num_more:,} more lines like these"]
    return found


def _list_parts(path: Path, title: str, unpacked: Unpacked) -> Contents | None:
    """Look through an archive, or all parts of one if it is the first of them."""
    if split := SPLIT.fullmatch(title):
        judge(Finding.SPLIT_ZIP, title, advice=(f"{printable(split[1])}.zip",))
    numbered = NUMBERED.fullmatch(path.name)
    if not (numbered and is_named_so(numbered[1])):
        named_so = is_named_so(title) or FOREIGN_ENDINGS.search(title)
        return _list_files([path], title, unpacked) if named_so or _is_readable(path) else None
    name, digits = numbered.groups()
    first, before, after = (
        path.with_name(f"{name}.{number:0{len(digits)}}")
        for number in (1, int(digits) - 1, int(digits) + 1)
    )
    if path != first:
        for needed in (first, before):
            if not needed.exists():
                judge(Finding.PART_ALONE, title, shown(needed.name))
        return Contents(left_out=[("", f"a part of {shown(first.name)}")])
    paths = [path]
    while after.exists():
        paths.append(after)
        after = path.with_name(f"{name}.{len(paths) + 1:0{len(digits)}}")
    try:
        return _list_files(paths, f"{title.removesuffix(path.name)}{name}", unpacked)
    except (LeftOutError, EOFError) as error:
        if isinstance(error, LeftOutError) and error.finding not in CUT:
            raise
        judge(Finding.PART_MISSING, title)


def _list_files(paths: Sequence[Path], title: str, unpacked: Unpacked) -> Contents | None:
    """Look through an archive that is one file, or several in a row."""
    facts = []
    for path in paths:
        with open_regular(path) as stream:
            found = os.fstat(stream.fileno())
            facts.append((found.st_size, found.st_mtime_ns))
    sizes = [size for size, _ in facts]
    start = os.path.abspath(paths[0])
    if len(paths) == 1:
        origin = (start, *facts[0])
        with open_regular(paths[0]) as stream:
            volume = Volume(title, stream, str(paths[0]), size=sizes[0])
            return Explorer(Allowance(title, sizes[0]), unpacked, origin).look_through(volume)
    origin = (f"{start} {facts}", sum(sizes), max(mtime_ns for _, mtime_ns in facts))
    with contextlib.closing(Joined(paths, sizes)) as joined:
        volume = Volume(title, buffered(joined), size=sum(sizes))
        if is_zip(volume, volume.head()):
            find_table(volume)  # before a copy is made
        return Explorer(Allowance(title, sum(sizes)), unpacked, origin).look_through(volume)


class Explorer:
    """Looks through one archive on disk; of those inside it one after another is open.

    Args:
        allowance: What it may unpack to.
        unpacked: Takes what cannot be read in place.
        origin: Path, size and modification time of the file on disk.
    """

    def __init__(
        self, allowance: Allowance, unpacked: Unpacked, origin: tuple[str, int, int]
    ) -> None:
        self._allowance = allowance
        self._unpacked = unpacked
        self._origin = origin

    def look_through(self, volume: Volume, depth: int = 1) -> Contents | None:
        """Return what is in an archive, None if it is none.

        Raises:
            SourceError: If it is hostile.
            LeftOutError: If it cannot be read as it is.
        """
        title = volume.title
        named_so = is_named_so(title)
        head = volume.head()
        _refuse_foreign(title, head)
        if codec := codec_of(head):
            volume = Volume(title, buffered(Decompressed(volume.stream, codec)))
            head = volume.head() if named_so else _first_block(volume)
        is_one_zip = not codec and is_zip(volume, head)
        if not is_one_zip and not is_tar(head):
            if named_so:
                judge(Finding.OTHER, title, repr(head[:16]))
            return None
        if depth > MAX_DEPTH:
            judge(Finding.TOO_DEEP, title, depth, MAX_DEPTH)
        with self._in_a_file(volume) as placed:
            members = Members(title, self._allowance)
            (read_zip if is_one_zip else read_tar)(placed, members)
            members.finish()
            return self._expand(placed, members, depth)

    def _expand(self, volume: Volume, members: Members, depth: int) -> Contents:
        """Replace the archives among the members by what is in them.

        As if unpacked where they lie; or all into a folder of the archive's own name where a file
        of the same name but with other content is there already.
        """
        contents = Contents(notes=_notes(volume.title, members))
        contents.left_out = [(path, _words(finding)) for path, finding in members.left_out]
        files = {name: place for name, place in members.files.items() if not _is_clutter(name)}
        contents.num_clutter = len(members.files) - len(files)
        contents.files = files
        taken = {name.casefold(): place for name, place in files.items()}
        for name, place in list(files.items()):
            if not may_be_archive(name) or place.size < MIN_BYTES:
                continue
            title = f"{volume.title}/{name}"
            try:
                found = self._look_into(volume, title, place, depth)
            except (LeftOutError, *BROKEN) as error:
                contents.leave_out(name, title, _as_left_out(error))
                del files[name]
                continue
            if found is None:
                continue
            del files[name]
            start = name[: name.rfind("/") + 1]
            if any(
                _differ(inner, taken.get(f"{start}{path}".casefold()))
                for path, inner in found.files.items()
            ):
                start = f"{name}/"
            fresh = {
                f"{start}{path}": inner
                for path, inner in found.files.items()
                if f"{start}{path}".casefold() not in taken
            }
            files |= fresh
            taken |= {path.casefold(): inner for path, inner in fresh.items()}
            contents.left_out += [(f"{name}/{path}", reason) for path, reason in found.left_out]
            contents.notes += found.notes
            contents.num_clutter += found.num_clutter
        return contents

    def _look_into(
        self, volume: Volume, title: str, place: Location, depth: int
    ) -> Contents | None:
        """Return what is in a member, None if it is no archive."""
        if is_named_so(title) or FOREIGN_ENDINGS.search(title):
            return self.look_through(volume.member(title, place), depth + 1)
        try:
            inner = volume.member(title, place)
            head = inner.head()
        except BROKEN:
            return None  # a damaged file; whoever reads it is told so
        if not (head.startswith(MARKS) or is_tar(head)):
            return None
        return self.look_through(inner, depth + 1)

    @contextlib.contextmanager
    def _in_a_file(self, volume: Volume) -> Iterator[Volume]:
        """Yield the same bytes in a file of their own, unless they lie in one already."""
        if volume.path:
            yield volume
            return
        target = self._unpacked.path(*self._origin, volume.title)
        if not target.exists():
            size = self._measure(volume.stream) if volume.size is None else volume.size
            self._allowance.unpack(size)
            self._unpacked.fill(target, volume.stream, size, self._origin[2], volume.title)
        try:
            with target.open("rb") as stream:
                yield Volume(volume.title, stream, str(target), size=target.stat().st_size)
        except (LeftOutError, *BROKEN):
            self._unpacked.drop(target)
            raise

    def _measure(self, stream: BinaryIO) -> int:
        """Read a stream to its end, before anything of it is written, and return its length."""
        size = 0
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            self._allowance.check(size)
        stream.seek(0)
        return size


def _notes(title: str, members: Members) -> list[str]:
    """Return what is to be said of an archive that is read."""
    name = printable(title)
    lines = [f"{name} {finding.words.format(number)}" for finding, number in members.findings]
    first = {finding: path for path, finding in reversed(members.left_out)}
    counts = Counter(finding for _, finding in members.left_out)
    total = len(members.files) + len(members.left_out)
    return lines + [
        f"{name}: {count:,} of its {total:,} files left out ({_words(finding)}), such as "
        f"{shown(first[finding])}"
        for finding, count in counts.items()
    ]


def _words(finding: Finding) -> str:
    assert finding.fate is Fate.MEMBER
    return finding.words.format(MAX_PATH_LENGTH, MAX_FOLDERS)


def _as_left_out(error: BaseException) -> LeftOutError:
    """Return why an archive is left out that a reader failed at."""
    if isinstance(error, LeftOutError):
        return error
    try:
        if isinstance(error, lzma.LZMAError) and "limit" in str(error):
            judge(Finding.DICTIONARY, "", MAX_DICTIONARY)
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        judge(Finding.UNREADABLE, "", printable(words))
    except LeftOutError as left_out:
        return left_out


def _refuse_foreign(title: str, head: bytes) -> None:
    """Leave out what other programs can read."""
    kinds = (kind for mark, kind in FOREIGN_MARKS.items() if head.startswith(mark))
    kind = next(kinds, None)
    if kind is None and (ending := FOREIGN_ENDINGS.search(title)):
        kind = ending[1].lower()
    if kind:
        judge(Finding.FOREIGN, title, kind)


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


def _first_block(volume: Volume) -> bytes:
    """Return the first bytes of what may be compressed, none if it is not after all."""
    try:
        return volume.head()
    except BROKEN:
        return b""
