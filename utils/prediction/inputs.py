"""Paths of files, folders and archives in, the pictures in them out, in the order given."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utils.common.console import warn
from utils.common.errors import SettingsError, shortlist
from utils.common.files import is_clutter
from utils.common.location import Location
from utils.sources.files.archives import list_archive
from utils.sources.files.contents import Contents
from utils.sources.files.names import is_named_so, may_be_archive
from utils.sources.files.unpacked import Unpacked
from utils.sources.tree import is_picture, walk

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One picture to look at.

    Attributes:
        file: What it is called in the table; one in an archive has the archive's path before it.
        location: Where its bytes lie.
    """

    file: str
    location: Location

    @property
    def is_member(self) -> bool:
        """Whether it is part of an archive."""
        return self.location.packed_size is not None


def find_inputs(paths: Iterable[str], stdin: BinaryIO | None = None) -> list[Input]:
    """List all pictures, before any is looked at.

    A file that is named is taken whatever its ending; in folders, at any depth, and in archives
    the endings of pictures count. What a list on stdin names and is not there becomes a row with
    an error: of a thousand files one may be gone.

    Args:
        paths: As on the command line; "-" stands for the lines of `stdin`.
        stdin: Paths, one in each line; the process's own by default.

    Raises:
        SettingsError: If a path is not there, stdin has no list, or there are no pictures.
        SourceError: If an archive cannot be read, or a folder not listed.
    """
    paths = list(paths)
    missing = [path for path in paths if path != STDIN and not os.path.exists(path)]
    if missing:
        raise SettingsError(
            f"There is no {shortlist(missing)}",
            expected="pictures, folders, archives, or - for a list on stdin",
        )
    inputs: list[Input] = []
    for path in paths:
        named = _lines(stdin or sys.stdin.buffer) if path == STDIN else [path]
        for name in named:
            inputs += _look_into(name)
    if not inputs:
        raise SettingsError(f"No pictures in {shortlist(paths)}")
    return inputs


def _lines(stream: BinaryIO) -> Iterator[str]:
    for line in stream:
        name = line.rstrip(b"\r\n")
        if b"\0" in name:
            raise SettingsError(
                "The list on stdin has a zero byte",
                expected="one path in each line, in UTF-8",
                todo="Leave out -print0 or -z, or save the list as UTF-8 instead of UTF-16",
            )
        try:
            path = os.fsdecode(name)
        except UnicodeDecodeError:  # on Windows, whose consoles speak old code pages
            raise SettingsError(
                f"The list on stdin has a path that is not UTF-8: {name!r}",
                todo="Run chcp 65001 in this console first",
            ) from None
        if path:
            yield path


def _look_into(path: str) -> Iterable[Input]:
    if os.path.isdir(path):
        below = [os.path.join(path, file) for file in sorted(walk(Path(path)))]
        return [one for file in below for one in _look_at(file)]
    if is_named_so(path) and os.path.isfile(path):
        return _members(path)
    return [Input(path, Location(path))]


def _look_at(file: str) -> Iterable[Input]:
    """Return what a file that lies in a folder has to offer."""
    if is_picture(file):
        return [Input(file, Location(file))]
    return _members(file) if may_be_archive(file) else []


def _members(archive: str) -> Iterable[Input]:
    contents = list_archive(Path(archive), archive, Unpacked()) or Contents()
    for line in contents.notes:
        warn(line)
    pictures = (path for path in sorted(contents.files) if is_picture(path))
    return [
        Input(f"{archive}/{path}", contents.files[path])
        for path in pictures
        if not any(is_clutter(part) for part in path.split("/"))
    ]
