"""List the files of a zip, and what is odd about its table of contents."""

import stat
from dataclasses import replace

from utils.common.cli.terminal import printable
from utils.common.disk.location import DamagedError, Location
from utils.common.limits import MAX_PATH_LENGTH
from utils.sources.files.archives.extents import Extents
from utils.sources.files.archives.findings import Finding, judge, shown
from utils.sources.files.archives.members import Link, Members
from utils.sources.files.archives.volumes import Volume
from utils.sources.files.archives.zip_tables import FULL_16, Entry, entries, find_table

STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1
MADE_ON_WINDOWS = (0, 10, 14)
"""Systems whose file names cannot have a backslash in them: DOS, NTFS and VFAT."""


def read_zip(volume: Volume, members: Members) -> None:
    """Hand over the files of a zip that lies in a file.

    Backslashes are taken for strokes where the zip was made on a system that has none in names, or
    where it has no stroke at all: PowerShell 5 and .NET wrote such.

    Raises:
        SourceError: If it is hostile.
        LeftOutError: If it cannot be read as it is.
    """
    table = find_table(volume)
    extents = Extents(volume, table.start)
    has_no_strokes = not any("/" in entry.name for entry in entries(volume, table))
    for entry in entries(volume, table):
        extents.add(entry.offset, entry.packed_size, len(entry.name))
        if entry.disk not in (0, FULL_16):
            judge(Finding.SPLIT_ZIP, volume.title, advice=(printable(volume.title),))
        if "\\" in entry.name and (has_no_strokes or entry.made_on in MADE_ON_WINDOWS):
            members.check(entry.name)
            entry = replace(entry, name=entry.name.replace("\\", "/"))
        _hand_over(volume, entry, members)
    num_listed = len(extents)
    if not num_listed and table.start:
        judge(Finding.LISTS_NOTHING, volume.title, table.start)
    if table.num_entries not in (num_listed, num_listed if table.is_64 else num_listed & FULL_16):
        judge(Finding.TWO_COUNTS, volume.title, table.num_entries, num_listed)
    unlisted, has_files = extents.gaps()
    if unlisted:
        members.note(Finding.UNLISTED_FILES if has_files else Finding.UNLISTED, unlisted)
    if table.trailing:
        members.note(Finding.TRAILING, table.trailing)


def _hand_over(volume: Volume, entry: Entry, members: Members) -> None:
    title, name = volume.title, entry.name
    if entry.is_folder:
        members.add_folder(name)
        return
    if entry.flags & ENCRYPTED:
        judge(Finding.ENCRYPTED, title, shown(name))
    if entry.method not in (STORED, DEFLATED):
        judge(Finding.METHOD, title, shown(name), entry.method)
    if entry.offset < 0 or entry.offset + entry.packed_size > (volume.size or 0):
        judge(Finding.NO_ROOM, title, shown(name))
    if entry.method == STORED and entry.packed_size != entry.size:
        judge(Finding.TWO_SIZES, title, shown(name), entry.packed_size, entry.size)
    place = Location(
        *(volume.path, volume.offset + entry.offset, entry.packed_size, entry.size),
        *(entry.crc, entry.method == DEFLATED),
    )
    if entry.kind == stat.S_IFLNK:
        _hand_over_link(name, place, members)
    elif entry.kind in (0, stat.S_IFREG) or (entry.kind == stat.S_IFIFO and entry.size):
        # What was zipped out of a pipe has the mark of one, yet it is a file.
        members.add(name, place)
    else:
        members.leave_out(name, Finding.SPECIAL)


def _hand_over_link(name: str, place: Location, members: Members) -> None:
    """Read where a link leads, which stands in the zip as if it were a file's content."""
    try:
        target = place.read() if place.size <= MAX_PATH_LENGTH else b""
    except DamagedError:
        target = b""
    if target:
        members.add_link(name, Link(target.decode("utf-8", "surrogateescape")))
    else:
        members.leave_out(name, Finding.LINK_ASTRAY)
