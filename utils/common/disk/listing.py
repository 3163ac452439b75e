"""List all files below a folder once, apart from the clutter that systems and viewers leave."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from posixpath import splitext

from utils.common.disk.outputs import STATE_NAME, is_output
from utils.common.disk.writing import is_clutter
from utils.common.errors import SourceError, shortlist
from utils.common.labels import SPLITS

CLUTTER_RULE = "hidden files, recycle bins and previews"
MAX_CLUTTER = 10_000
"""So many files of one recycle bin are listed; a server's snapshots may hold all disks again."""

MAX_NAMES = 32
"""So often one folder is listed under other names; links among folders can make endless many."""

MAX_ENDING = 12
NO_ENDING = "without an ending"
WINDOWS = os.name == "nt"


@dataclass(slots=True)
class Listing:
    """What lies below a folder; paths are relative to it, with "/".

    Attributes:
        root: The folder.
        files: What may be wanted, in order; the same file once for each of its names.
        clutter: What operating systems, servers and viewers left there.
        folders: The real path of each folder listed, by its path; "" is the root.
        outputs: Number of files by folder that create_dataset.py wrote its data set into.
        notes: What the user should know of links that were not followed.
    """

    root: Path
    files: list[str] = field(default_factory=list)
    clutter: list[str] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def each_once(self) -> list[str]:
        """Return the files without those that lie there under another name, too.

        Of a folder's names the one without a link stays, else the first.
        """
        real_root = self.folders.get("", "")
        first: dict[str, str] = {}
        for name in sorted(self.folders):
            real = self.folders[name]
            if real not in first or _written(real_root, name) == real:
                first[real] = name
        kept = set(first.values())
        return [path for path in self.files if path.rpartition("/")[0] in kept]


def list_folder(root: Path, *, with_outputs: bool = False) -> Listing:
    """List the files below a folder; links to folders are followed, circles are not.

    A folder is listed under every name that it has, whatever the order in which the file system
    tells them.

    Args:
        root: The folder.
        with_outputs: Whether data sets that create_dataset.py wrote are listed, too.

    Raises:
        SourceError: If a folder cannot be listed: what it holds would pass for not there.
    """
    listing = Listing(root)
    num_names: Counter[str] = Counter()
    start = os.path.realpath(root)
    todo = [("", str(root), start, frozenset({start}))]
    while todo:
        relative, folder, real, above = todo.pop()
        listing.folders[relative] = real
        subfolders = []
        entries = sorted(entries_of(folder), key=lambda entry: entry.name)
        if not with_outputs and is_output(folder, {entry.name for entry in entries}):
            entries = _without_output(listing, relative, entries)
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if not is_folder(entry):
                (listing.clutter if is_clutter(entry.name) else listing.files).append(path)
            elif is_clutter(entry.name):
                if with_outputs or not _is_hidden_output(listing, entry, path):
                    listing.clutter += _list_clutter(listing, entry, path)
            else:
                subfolders.append((path, entry))
        for path, entry in reversed(subfolders):
            below = _real_path(entry, real)
            if below in above:
                listing.notes.append(f"{path} leads back to a folder above it; not followed")
            elif num_names[below] == MAX_NAMES:
                listing.notes.append(f"{path} is one name too many of its folder; not followed")
            else:
                num_names[below] += 1
                todo.append((path, entry.path, below, above | {below}))
    listing.files.sort()
    listing.clutter.sort()
    return listing


def ending_of(path: str) -> str:
    """Return a file's ending in lower case, as files are counted by it.

    >>> ending_of("a/IMG_1.HEIC"), ending_of("a/x"), ending_of("mole.jpg?size=large&id=12")
    ('.heic', 'without an ending', 'without an ending')
    """
    ending = splitext(path)[1].lower()
    return ending if 1 < len(ending) <= MAX_ENDING and ending[1:].isprintable() else NO_ENDING


def describe_counts(counts: Counter[str]) -> str:
    """Name kinds of files with their numbers, the most frequent first.

    >>> describe_counts(Counter({".pdf": 1, ".txt": 2}))
    '2 .txt, 1 .pdf'
    """
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return shortlist([f"{count:,} {kind}" for kind, count in kinds if count])


def entries_of(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield what lies in a folder, in any order; nothing if there is none.

    Raises:
        SourceError: If it cannot be listed: what it holds would pass for not there.
    """
    try:
        with os.scandir(folder) as found:
            yield from found
    except FileNotFoundError:
        return
    except OSError as error:
        raise SourceError(
            f"{folder} cannot be listed ({error.strerror})",
            expected="folders that can be read",
            todo="Change its permissions, or move it elsewhere",
        ) from None


def _without_output(
    listing: Listing, relative: str, entries: list["os.DirEntry[str]"]
) -> list["os.DirEntry[str]"]:
    """Count what create_dataset.py wrote into a folder, and return the rest."""
    others, num_files = [], 0
    for entry in entries:
        is_below = is_folder(entry)
        if is_below and entry.name in (*SPLITS, STATE_NAME):
            num_files += sum(1 for _ in _walk(entry.path))
        elif is_below or not relative:  # beside the collections lie files of the user's
            others.append(entry)
        else:
            num_files += 1
    listing.outputs[relative] = num_files
    return others


def _is_hidden_output(listing: Listing, entry: "os.DirEntry[str]", path: str) -> bool:
    """Tell whether a hidden folder is where create_dataset.py writes to, and count its files."""
    with contextlib.suppress(OSError):
        if not entry.is_symlink() and is_output(entry.path, os.listdir(entry.path)):
            listing.outputs[path] = sum(1 for _ in _walk(entry.path))
            return True
    return False


def _list_clutter(listing: Listing, entry: "os.DirEntry[str]", path: str) -> Iterator[str]:
    """Yield the files of a recycle bin or the like, which nobody may be allowed to look into."""
    if entry.is_symlink():
        yield path
        return
    names = list(islice(_walk(entry.path), MAX_CLUTTER + 1))
    if len(names) > MAX_CLUTTER:
        names.pop()
        listing.notes.append(f"{path}/ holds more than {MAX_CLUTTER:,} files; these are counted")
    yield from (f"{path}/{name}" for name in names)


def num_clutter(folder: str) -> int:
    """Return how many files of a recycle bin or the like are counted."""
    return sum(1 for _ in islice(_walk(folder), MAX_CLUTTER))


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below a folder without following links, and what cannot be listed as one."""
    shut: list[str] = []
    for place, subfolders, names in os.walk(folder, onerror=lambda e: shut.append(e.filename)):
        subfolders.sort()
        relative = os.path.relpath(place, folder).replace(os.sep, "/")
        start = "" if relative == "." else f"{relative}/"
        yield from (start + name for name in sorted(names))
    for place in shut:
        relative = os.path.relpath(place, folder).replace(os.sep, "/")
        yield "" if relative == "." else f"{relative}/"


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Tell whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _real_path(entry: "os.DirEntry[str]", parent: str) -> str:
    if WINDOWS or entry.is_symlink():  # on Windows a junction is no link, but leads elsewhere, too
        return os.path.realpath(entry.path)
    return os.path.join(parent, entry.name)


def _written(real_root: str, name: str) -> str:
    return os.path.join(real_root, *name.split("/")) if name else real_root
