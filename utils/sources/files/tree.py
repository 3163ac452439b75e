"""Index the files of a folder and those in its archives: listed once, never left."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from posixpath import splitext

from utils.common.cli.console import warn
from utils.common.disk.derived import is_derived
from utils.common.disk.listing import CLUTTER_RULE, Listing, list_folder
from utils.common.disk.location import Location, Originals
from utils.common.disk.writing import is_clutter
from utils.common.errors import SourceError
from utils.common.pictures import SUFFIXES
from utils.common.reading.heads import shows_picture
from utils.sources.files.archives.contents import Contents
from utils.sources.files.archives.explorer import differ
from utils.sources.files.archives.listing import list_archive
from utils.sources.files.archives.names import home_of, may_be_archive, stem_of
from utils.sources.files.archives.unpacked import Unpacked
from utils.sources.record import NO_COLLECTION, LeftOut

ENDINGS = frozenset(SUFFIXES)
REPEATED = "in an archive, and there unpacked or in another archive, too"


class FileTree:
    """All files below one folder, by their paths relative to it with "/".

    Tables of a collection name their pictures; every such name is looked up here, so that no
    name, however it is written, leads out of the folder. Hidden files (`.DS_Store`, `._x.jpg`)
    and what lies in recycle bins are left out. Names are compared without regard to case.

    Archives are listed as if they had been unpacked where they lie. What is there unpacked goes
    before what is in an archive. Of archives that hold different files of one path, the later ones
    have theirs in a folder of the archive's whole name.

    Args:
        root: The folder.
        files: Relative paths of the files in it.
        members: Where those of them lie that are part of an archive.
        notes: What the user should know of the archives and links.
        state: Working state of the output, for what cannot be read in place.
        left_out: Files that nobody is to look at, with the rule.
        listing: What lies in the folder, if it was listed.
        homes: As in `of`.
    """

    def __init__(
        self,
        root: Path,
        files: Iterable[str],
        members: Mapping[str, Location] | None = None,
        notes: Iterable[str] = (),
        state: Path | None = None,
        left_out: Iterable[LeftOut] = (),
        listing: Listing | None = None,
        homes: Container[str] = (),
    ) -> None:
        self.root = root
        self.files = sorted(files)
        self.originals = Originals(root, members or {})
        self.notes = list(notes)
        self.state = state
        self.left_out = list(left_out)
        self.listing = listing or Listing(root)
        self.homes = homes
        self.asked: set[str] = set()
        self._shown: dict[str, bool] = {}
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

    @cached_property
    def _starts(self) -> frozenset[str]:
        """All paths without the ending, in lower case."""
        return frozenset(splitext(path)[0].casefold() for path in self.files)

    @classmethod
    def scan(
        cls,
        root: Path,
        state: Path | None = None,
        told: Container[str] = (),
        homes: Container[str] = (),
    ) -> "FileTree":
        """List the files below `root`; links to folders are followed, circles are not.

        Args:
            root: The folder.
            state: As in `of`.
            told: As in `of`.
            homes: As in `of`.

        Raises:
            SourceError: If there is no such folder, one in it cannot be listed, or an archive not
                be read.
        """
        return cls.of(list_all_data(root), state, told, homes)

    @classmethod
    def of(
        cls,
        listing: Listing,
        state: Path | None = None,
        told: Container[str] = (),
        homes: Container[str] = (),
    ) -> "FileTree":
        """Return the tree of a folder that is listed, with what is in its archives.

        Args:
            listing: What lies there.
            state: Working state of the output, where archives that cannot be read in place are
                unpacked; None for a temporary folder.
            told: Lines on archives that need not be printed again.
            homes: Names of the collections' folders in lower case (`catalog.FOLDERS`): an archive
                that is called like one is taken to be unpacked into it.

        Raises:
            SourceError: If an archive cannot be read.
        """
        root, files = listing.root, set(listing.files)
        unpacked = Unpacked(state)
        try:
            archives = _list_archives(root, files, unpacked, homes)
        except SourceError:
            unpacked.discard()
            raise
        unpacked.sweep()
        files -= archives.keys()
        taken: dict[str, Location | None] = dict.fromkeys(path.casefold() for path in files)
        members: dict[str, Location] = {}
        notes = [line for contents in archives.values() for line in contents.notes]
        for line in notes:
            if line not in told:
                warn(line)
        clutter = list(listing.clutter)
        repeated: list[str] = []
        for archive, contents in archives.items():
            clutter += (path for path in contents.files if _is_clutter(path))
            found = {path: place for path, place in contents.files.items() if not _is_clutter(path)}
            fresh = {path: place for path, place in found.items() if path.casefold() not in taken}
            rest = [path for path in found if path not in fresh]
            others = dict.fromkeys(
                path for path in rest if differ(found[path], taken[path.casefold()])
            )
            if others:
                apart = {_apart(archive, path): found[path] for path in others}
                notes.append(
                    f"{archive}: {len(others):,} of its {len(found):,} files have the paths of "
                    f"others in another archive, and are read as {next(iter(apart))} ..."
                )
                fresh |= apart
            again = [f"{archive}: {path}" for path in rest if path not in others]
            if again:
                notes.append(
                    f"{archive}: {len(again):,} of its {len(found):,} files lie there unpacked, or "
                    "in another archive, too, and those are read; the others are read from this one"
                )
                repeated += again
            members |= fresh
            taken |= {path.casefold(): place for path, place in fresh.items()}
        left_out = [LeftOut(NO_COLLECTION, path, CLUTTER_RULE) for path in sorted(clutter)]
        left_out += (LeftOut(NO_COLLECTION, path, REPEATED) for path in sorted(repeated))
        left_out += (
            LeftOut(NO_COLLECTION, f"{archive}/{path}" if path else archive, reason)
            for archive, contents in archives.items()
            for path, reason in contents.left_out
        )
        notes = [*sorted(notes), *listing.notes]
        return cls(root, [*files, *members], members, notes, state, left_out, listing, homes)

    @property
    def unread(self) -> list[tuple[str, str]]:
        """Archives, and members of archives, that are not read, and why."""
        return [
            (left.original, left.rule)
            for left in self.left_out
            if left.rule not in (CLUTTER_RULE, REPEATED)
        ]

    def scan_again(self) -> "FileTree":
        """List the same folder as it is by now."""
        return self.scan(self.root, self.state, self.notes, self.homes)

    def with_files(self, paths: Iterable[str]) -> "FileTree":
        """Return the tree with some files more, whether they are there or not."""
        files = {*self.files, *paths}
        return FileTree(
            self.root, files, self.originals.members, self.notes, self.state, self.left_out,
            self.listing, self.homes,
        )  # fmt: skip

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
        """Return the pictures below `folder`, but for masks and others made from a picture.

        Where an ending is not that of a picture, or there is none, the first bytes tell.
        """
        return [
            path
            for path in self.below(folder)
            if self.is_picture(path) and not self.is_derived(path, folder)
        ]

    def is_picture(self, path: str) -> bool:
        """Tell by its ending, else by its first bytes, whether a listed file is a picture."""
        if is_picture(path):
            return True
        if path not in self._shown:
            self._shown[path] = shows_picture(self.originals.locate(path))
        return self._shown[path]

    def is_derived(self, path: str, folder: str = "") -> bool:
        """Tell by its name below `folder` whether a picture was made from another one there."""
        return is_derived(path, folder, lambda start: start.casefold() in self._starts)

    def named(self, *names: str) -> list[str]:
        """Return the tables with one of these names, wherever they sit."""
        found = [path for name in names for path in self._tables.get(name.casefold(), ())]
        self.asked.update(found)
        return sorted(found, key=lambda path: (path in self.originals.members, path))

    def find(self, path: str) -> str | None:
        """Return the file at `path`, written as it is on disk, or None if there is none."""
        position = bisect_left(self.files, path)
        if self.files[position : position + 1] == [path]:
            found: str | None = path  # before one that differs in capitals only
        else:
            found = self._exact.get(path.replace("\\", "/").casefold())
        if found is not None:
            self.asked.add(found)
        return found


def _list_archives(
    root: Path, files: Iterable[str], unpacked: Unpacked, homes: Container[str]
) -> dict[str, Contents]:
    """Return what is in each archive, by the paths that unpacking it would give its files.

    One that lies directly in the root and holds several things is taken to be unpacked into a
    folder of its own name: nobody would want its parts strewn among the collections. So is one
    that is called as a collection's folder is, and holds none, wherever it lies.
    """
    archives = {}
    for archive in sorted(path for path in files if may_be_archive(path)):
        found = list_archive(root / archive, str(root / archive), unpacked, homes)
        if found is None:
            continue
        folder, _, name = archive.rpartition("/")
        tops = {path.partition("/")[0] for path in found.files if not _is_clutter(path)}
        if home := home_of(archive, found.files, homes):
            folder = f"{folder}/{home}" if folder else home
        elif not folder and len(tops) > 1:
            folder = stem_of(name)
        if folder:
            found.files = {f"{folder}/{path}": place for path, place in found.files.items()}
        archives[archive] = found
    return archives


def _apart(archive: str, path: str) -> str:
    """Return another path for a file of an archive, in a folder of the archive's whole name.

    >>> _apart("own/week2.zip", "own/scan_1.jpg")
    'own/week2.zip/scan_1.jpg'
    """
    return f"{archive}/{path.removeprefix(archive[: archive.rfind('/') + 1])}"


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


def list_all_data(root: Path) -> Listing:
    """List the folder with the collections.

    Raises:
        SourceError: If there is no such folder, or one in it cannot be listed.
    """
    if not root.is_dir():
        raise SourceError(
            f"No folder {root}",
            expected="the downloaded collections in it",
            todo="Make it and put the collections there (see ALL_DATA/README.md), name "
            "another with --all-data, or try --demo",
        )
    return list_folder(root)


def walk(root: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to it with "/"; no hidden ones, no circles.

    Raises:
        SourceError: If a folder cannot be listed: what it holds would pass for not there.
    """
    yield from list_folder(root).files
