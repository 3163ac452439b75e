"""A folder in, an index of its files out: listed once, asked often, never left."""

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from utils.common.errors import SourceError
from utils.common.files import is_clutter
from utils.common.pictures import SUFFIXES

ENDINGS = frozenset(SUFFIXES)


class FileTree:
    """All files below one folder, by their paths relative to it with "/".

    Tables of a collection name their pictures; every such name is looked up here, so that no
    name, however it is written, leads out of the folder. Hidden files (`.DS_Store`, `._x.jpg`)
    are not listed. Names are compared without regard to case.

    Args:
        root: The folder.
        files: Relative paths of the files in it.
    """

    def __init__(self, root: Path, files: Iterable[str]) -> None:
        self.root = root
        self.files = sorted(files)
        self._tables: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        for path in self.files:
            *folders, name = path.split("/")
            if not is_picture(path):
                self._tables[name.casefold()].append(path)
            for depth, folder in enumerate(folders, start=1):
                self._folders[folder.casefold()].add("/".join(folders[:depth]))

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {path.casefold(): path for path in self.files}

    @classmethod
    def scan(cls, root: Path) -> "FileTree":
        """List the files below `root`; links to folders are followed, circles are not.

        Raises:
            SourceError: If there is no such folder.
        """
        if not root.is_dir():
            raise SourceError(
                f"No folder {root}",
                expected="the downloaded collections in it",
                todo="Make it and put the collections there (see ALL_DATA/README.md), name "
                "another with --all-data, or try --demo",
            )
        return cls(root, _walk(root))

    def folders(self, *names: str) -> list[str]:
        """Return the outermost folders with one of these names, wherever they sit."""
        found = sorted(path for name in names for path in self._folders.get(name.casefold(), ()))
        return [
            path
            for path in found
            if not any(path.startswith(f"{other}/") for other in found if other != path)
        ]

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
        return sorted(path for name in names for path in self._tables.get(name.casefold(), ()))

    def find(self, path: str) -> str | None:
        """Return the file at `path`, written as it is on disk, or None if there is none."""
        return self._exact.get(path.replace("\\", "/").casefold())


def is_picture(path: str) -> bool:
    """Tell by its ending, in any case, whether a file may be a picture."""
    return PurePosixPath(path).suffix.lower() in ENDINGS


def stem(path: str) -> str:
    """Return a file's name without folders and ending.

    >>> stem("images/ISIC_0000001.JPG")
    'ISIC_0000001'
    """
    return PurePosixPath(path).stem


def _walk(root: Path) -> Iterator[str]:
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not is_clutter(name)]
        relative = Path(folder).relative_to(root)
        for name in names:
            if not is_clutter(name):
                yield (relative / name).as_posix()
