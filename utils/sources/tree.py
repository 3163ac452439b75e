"""A folder in, an index of its files and of those in its archives out: listed once, never left."""

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from posixpath import splitext

from utils.common.console import warn
from utils.common.errors import SourceError
from utils.common.files import is_clutter
from utils.common.location import Location, Originals
from utils.common.pictures import SUFFIXES
from utils.sources.files.archives import list_archive
from utils.sources.files.contents import Contents
from utils.sources.files.names import may_be_archive, stem_of
from utils.sources.files.unpacked import Unpacked

ENDINGS = frozenset(SUFFIXES)


class FileTree:
    """All files below one folder, by their paths relative to it with "/".

    Tables of a collection name their pictures; every such name is looked up here, so that no
    name, however it is written, leads out of the folder. Hidden files (`.DS_Store`, `._x.jpg`)
    are not listed. Names are compared without regard to case.

    Archives are listed as if they had been unpacked where they lie. What is there unpacked goes
    before what is in an archive.

    Args:
        root: The folder.
        files: Relative paths of the files in it.
        members: Where those of them lie that are part of an archive.
        notes: What the user should know of the archives.
        state: Working state of the output, for what cannot be read in place.
        unread: Archives, and members of archives, that are not read, and why.
    """

    def __init__(
        self,
        root: Path,
        files: Iterable[str],
        members: Mapping[str, Location] | None = None,
        notes: Iterable[str] = (),
        state: Path | None = None,
        unread: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.root = root
        self.files = sorted(files)
        self.originals = Originals(root, members or {})
        self.notes = list(notes)
        self.state = state
        self.unread = list(unread)
        self._tables: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        self._unpacked_folders: set[str] = set()
        for path in self.files:
            *folders, name = path.split("/")
            if not is_picture(path):
                self._tables[name.casefold()].append(path)
            for depth, folder in enumerate(folders, start=1):
                above = "/".join(folders[:depth])
                self._folders[folder.casefold()].add(above)
                if path not in self.originals.members:
                    self._unpacked_folders.add(above)

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {path.casefold(): path for path in self.files}

    @classmethod
    def scan(cls, root: Path, state: Path | None = None, told: Container[str] = ()) -> "FileTree":
        """List the files below `root`; links to folders are followed, circles are not.

        Args:
            root: The folder.
            state: Working state of the output, where archives that cannot be read in place are
                unpacked; None for a temporary folder.
            told: Lines on archives that need not be printed again.

        Raises:
            SourceError: If there is no such folder, one in it cannot be listed, or an archive not
                be read.
        """
        if not root.is_dir():
            raise SourceError(
                f"No folder {root}",
                expected="the downloaded collections in it",
                todo="Make it and put the collections there (see ALL_DATA/README.md), name "
                "another with --all-data, or try --demo",
            )
        files = set(walk(root))
        unpacked = Unpacked(state)
        try:
            archives = _list_archives(root, files, unpacked)
        except SourceError:
            unpacked.discard()
            raise
        unpacked.sweep()
        files -= archives.keys()
        there = {path.casefold() for path in files}
        members: dict[str, Location] = {}
        notes = [line for contents in archives.values() for line in contents.notes]
        for line in notes:
            if line not in told:
                warn(line)
        for archive, contents in archives.items():
            found = {path: place for path, place in contents.files.items() if not _is_clutter(path)}
            fresh = {path: place for path, place in found.items() if path.casefold() not in there}
            if repeated := len(found) - len(fresh):
                notes.append(
                    f"{archive}: {repeated:,} of its {len(found):,} files lie there unpacked, or "
                    "in another archive, too, and those are read; the others are read from this one"
                )
            members |= fresh
            there |= {path.casefold() for path in fresh}
        unread = [
            (f"{archive}/{path}" if path else archive, reason)
            for archive, contents in archives.items()
            for path, reason in contents.left_out
        ]
        return cls(root, [*files, *members], members, sorted(notes), state, unread)

    def scan_again(self) -> "FileTree":
        """List the same folder as it is by now."""
        return self.scan(self.root, self.state, self.notes)

    def with_file(self, path: str) -> "FileTree":
        """Return the tree with one file more."""
        files = {*self.files, path}
        return FileTree(
            self.root, files, self.originals.members, self.notes, self.state, self.unread
        )

    def folders(self, *names: str) -> list[str]:
        """Return the outermost folders with one of these names, wherever they sit."""
        found = [path for name in names for path in self._folders.get(name.casefold(), ())]
        outermost = [
            path
            for path in found
            if not any(path.startswith(f"{other}/") for other in found if other != path)
        ]
        return sorted(outermost, key=lambda path: (path not in self._unpacked_folders, path))

    def below(self, folder: str) -> list[str]:
        """Return the files below `folder`, at any depth."""
        start = bisect_left(self.files, f"{folder}/")
        end = bisect_left(self.files, f"{folder}0")  # "0" follows "/" in ASCII
        return self.files[start:end]

    def pictures(self, folder: str) -> list[str]:
        """Return the files below `folder` whose ending is that of a picture."""
        return [path for path in self.below(folder) if is_picture(path)]

    def named(self, *names: str) -> list[str]:
        """Return the tables with one of these names, wherever they sit."""
        found = (path for name in names for path in self._tables.get(name.casefold(), ()))
        return sorted(found, key=lambda path: (path in self.originals.members, path))

    def find(self, path: str) -> str | None:
        """Return the file at `path`, written as it is on disk, or None if there is none."""
        position = bisect_left(self.files, path)
        if self.files[position : position + 1] == [path]:
            return path  # before one that differs in capitals only
        return self._exact.get(path.replace("\\", "/").casefold())


def _list_archives(root: Path, files: Iterable[str], unpacked: Unpacked) -> dict[str, Contents]:
    """Return what is in each archive, by the paths that unpacking it would give its files.

    One that lies directly in the root and holds several things is taken to be unpacked into a
    folder of its own name: nobody would want its parts strewn among the collections.
    """
    archives = {}
    for archive in sorted(path for path in files if may_be_archive(path)):
        found = list_archive(root / archive, str(root / archive), unpacked)
        if found is None:
            continue
        folder, _, name = archive.rpartition("/")
        tops = {path.partition("/")[0] for path in found.files if not _is_clutter(path)}
        if not folder and len(tops) > 1:
            folder = stem_of(name)
        if folder:
            found.files = {f"{folder}/{path}": place for path, place in found.files.items()}
        archives[archive] = found
    return archives


def _is_clutter(path: str) -> bool:
    return any(is_clutter(part) for part in path.split("/"))


def is_picture(path: str) -> bool:
    """Tell by its ending, in any case, whether a file may be a picture."""
    return splitext(path)[1].lower() in ENDINGS


def stem(path: str) -> str:
    """Return a file's name without folders and ending.

    >>> stem("images/ISIC_0000001.JPG")
    'ISIC_0000001'
    """
    return splitext(path.rpartition("/")[2])[0]


def walk(root: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to it with "/"; no hidden ones, no circles.

    Raises:
        SourceError: If a folder cannot be listed: what it holds would pass for not there.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise SourceError(
                f"{error.filename} cannot be listed ({error.strerror})",
                expected="folders that can be read",
                todo="Change its permissions, or move it elsewhere",
            ) from None

    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not is_clutter(name)]
        # As text, because a Path for each of very many files takes longer than listing them.
        relative = Path(folder).relative_to(root).as_posix()
        start = "" if relative == "." else f"{relative}/"
        yield from (start + name for name in names if not is_clutter(name))
