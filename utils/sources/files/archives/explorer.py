"""List what is in an archive and in the archives inside it."""

import contextlib
from collections.abc import Container, Iterator
from typing import BinaryIO

from utils.common.disk.location import Location
from utils.common.disk.writing import is_clutter
from utils.common.limits import MAX_DEPTH
from utils.sources.files.archives.allowance import Allowance
from utils.sources.files.archives.compression import Decompressed, codec_of
from utils.sources.files.archives.contents import BROKEN, Contents, explained, notes_on, reason_of
from utils.sources.files.archives.findings import Finding, LeftOutError, judge
from utils.sources.files.archives.members import Members
from utils.sources.files.archives.names import (
    FOREIGN_ENDINGS,
    MARKS,
    foreign_kind,
    home_of,
    is_named_so,
    may_be_archive,
)
from utils.sources.files.archives.streams import buffered
from utils.sources.files.archives.tars import is_tar, read_tar
from utils.sources.files.archives.unpacked import CHUNK, Unpacked
from utils.sources.files.archives.volumes import Volume
from utils.sources.files.archives.zip_tables import is_zip
from utils.sources.files.archives.zips import read_zip

MIN_BYTES = 22
"""The smallest archive: the end of an empty zip."""

SAME = "the same as another file of that name"
"""By size and checksum."""

EMPTY = "an archive without files"


class Explorer:
    """Looks through one archive on disk; of those inside it one after another is open.

    Args:
        allowance: What it may unpack to.
        unpacked: Takes what cannot be read in place.
        origin: Where the file lies on disk, and what tells it from what lay there before.
        mtime_ns: Modification time of that file.
        homes: As in `home_of`.
    """

    def __init__(
        self,
        allowance: Allowance,
        unpacked: Unpacked,
        origin: str,
        mtime_ns: int,
        homes: Container[str] = (),
    ) -> None:
        self._allowance = allowance
        self._unpacked = unpacked
        self._origin = origin
        self._mtime_ns = mtime_ns
        self._homes = homes

    def look_through(self, volume: Volume, depth: int = 1) -> Contents | None:
        """Return what is in an archive, None if it is none.

        Raises:
            SourceError: If it is hostile.
            LeftOutError: If it cannot be read as it is.
        """
        title = volume.title
        named_so = is_named_so(title)
        head = volume.head()
        if kind := foreign_kind(title, head):
            judge(Finding.FOREIGN, title, kind)
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
            if not members.files and not members.left_out:
                return Contents(left_out=[("", EMPTY)], notes=notes_on(title, members))
            return self._expand(placed, members, depth)

    def _expand(self, volume: Volume, members: Members, depth: int) -> Contents:
        """Replace the archives among the members by what is in them.

        As if unpacked where they lie, or into a folder that they are called after; or all into a
        folder of the archive's own name where a file of the same name but with other content is
        there already.
        """
        contents = Contents(notes=notes_on(volume.title, members))
        contents.left_out = [(path, reason_of(finding)) for path, finding in members.left_out]
        contents.num_unread = len(members.left_out)
        files = contents.files = members.files
        taken = {name.casefold(): place for name, place in files.items()}
        for name, place in list(files.items()):
            if not may_be_archive(name) or place.size < MIN_BYTES or _is_clutter(name):
                continue
            title = f"{volume.title}/{name}"
            try:
                found = self._look_into(volume, title, place, depth)
            except (LeftOutError, *BROKEN) as error:
                contents.leave_out(name, title, explained(error))
                del files[name]
                continue
            if found is None:
                continue
            del files[name]
            start = name[: name.rfind("/") + 1]
            if home := home_of(name, found.files, self._homes):
                start += f"{home}/"
            if any(
                differ(inner, taken.get(f"{start}{path}".casefold()))
                for path, inner in found.files.items()
            ):
                start = f"{name}/"
            fresh = {
                f"{start}{path}": inner
                for path, inner in found.files.items()
                if f"{start}{path}".casefold() not in taken
            }
            if len(fresh) < len(found.files):
                same = sorted(
                    f"{name}/{path}" for path in found.files if f"{start}{path}" not in fresh
                )
                contents.left_out += [(path, SAME) for path in same]
            files |= fresh
            taken |= {path.casefold(): inner for path, inner in fresh.items()}
            contents.left_out += [
                (f"{name}/{path}" if path else name, reason) for path, reason in found.left_out
            ]
            contents.notes += found.notes
            contents.num_unread += found.num_unread
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
        target = self._unpacked.path(self._origin, volume.title)
        if not target.exists():
            size = self._measure(volume.stream) if volume.size is None else volume.size
            self._allowance.unpack(size)
            self._unpacked.fill(target, volume.stream, size, self._mtime_ns, volume.title)
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


def differ(one: Location, other: Location | None) -> bool:
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
