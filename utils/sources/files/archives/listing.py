"""Locate the files in a published archive, believing nothing that it says."""

import contextlib
import os
from collections.abc import Container, Sequence
from pathlib import Path

from utils.common.cli.terminal import printable
from utils.common.disk.opening import open_regular
from utils.common.disk.stamps import stamp_of
from utils.sources.files.archives.allowance import Allowance
from utils.sources.files.archives.contents import BROKEN, Contents, explained
from utils.sources.files.archives.explorer import Explorer
from utils.sources.files.archives.findings import Finding, LeftOutError, judge, shown
from utils.sources.files.archives.names import FOREIGN_ENDINGS, NUMBERED, SPLIT, is_named_so
from utils.sources.files.archives.streams import Joined, buffered
from utils.sources.files.archives.unpacked import Unpacked
from utils.sources.files.archives.volumes import Volume
from utils.sources.files.archives.zip_tables import find_table, is_zip

MAX_LINES = 5

CUT = (Finding.CUT, Finding.CUT_ZIP, Finding.CUT_TAR)
"""What is found where the last parts are missing."""


def list_archive(
    path: Path, title: str, unpacked: Unpacked, homes: Container[str] = ()
) -> Contents | None:
    """Look through an archive and all archives inside it.

    One that cannot be read is left out, with the reason; so are members that are no files.

    Args:
        path: The file.
        title: What to call it.
        unpacked: Takes what cannot be read in place.
        homes: As in `home_of`, for the archives inside it.

    Returns:
        What is in it; None if it is no archive.

    Raises:
        SourceError: If it is a bomb, or has members or links that lead out of it.
    """
    try:
        found = _list_parts(path, title, unpacked, homes)
    except (LeftOutError, *BROKEN) as error:
        found = Contents()
        found.leave_out("", title, explained(error))
    if found and len(found.notes) > MAX_LINES:
        num_more = len(found.notes) - MAX_LINES
        found.notes[MAX_LINES:] = [f"{printable(title)}: {num_more:,} more lines like these"]
    return found


def _list_parts(
    path: Path, title: str, unpacked: Unpacked, homes: Container[str]
) -> Contents | None:
    """Look through an archive, or all parts of one if it is the first of them."""
    if split := SPLIT.fullmatch(path.name):
        last = path.with_name(f"{split[1]}.zip")
        if not last.exists():
            judge(Finding.PART_ALONE, title, shown(last.name))
        return Contents(left_out=[("", f"a part of {shown(last.name)}")])
    numbered = NUMBERED.fullmatch(path.name)
    if not (numbered and is_named_so(numbered[1])):
        named_so = is_named_so(title) or FOREIGN_ENDINGS.search(title)
        return (
            _list_files([path], title, unpacked, homes) if named_so or _is_readable(path) else None
        )
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
        return _list_files(paths, f"{title.removesuffix(path.name)}{name}", unpacked, homes)
    except (LeftOutError, EOFError) as error:
        if isinstance(error, LeftOutError) and error.finding not in CUT:
            raise
        judge(Finding.PART_MISSING, title)


def _list_files(
    paths: Sequence[Path], title: str, unpacked: Unpacked, homes: Container[str]
) -> Contents | None:
    """Look through an archive that is one file, or several in a row."""
    facts = []
    for path in paths:
        with open_regular(path) as stream:
            found = os.fstat(stream.fileno())
            facts.append(stamp_of(found))
    sizes, times_ns, *_ = zip(*facts, strict=True)
    origin = f"{os.path.abspath(paths[0])} {facts}"
    explorer = Explorer(Allowance(title, sum(sizes)), unpacked, origin, max(times_ns), homes)
    if len(paths) == 1:
        with open_regular(paths[0]) as stream:
            return explorer.look_through(Volume(title, stream, str(paths[0]), size=sizes[0]))
    with contextlib.closing(Joined(paths, sizes)) as joined:
        volume = Volume(title, buffered(joined), size=sum(sizes))
        if is_zip(volume, volume.head()):
            find_table(volume)  # before a copy is made
        return explorer.look_through(volume)


def _is_readable(path: Path) -> bool:
    """Tell a file from pipes, from links that lead nowhere, and from what is forbidden."""
    return path.is_file() and os.access(path, os.R_OK)
