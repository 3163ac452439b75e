"""Find the pictures in files, folders and archives, in the order given."""

import os
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from utils.common.cli.console import warn
from utils.common.disk.inside import is_below
from utils.common.disk.listing import CLUTTER_RULE, ending_of
from utils.common.disk.location import Location
from utils.common.disk.writing import is_clutter
from utils.common.errors import SettingsError, shortlist
from utils.common.reading.heads import shows_picture
from utils.prediction.folders import files_below
from utils.prediction.lists import read_list
from utils.prediction.pictures import Input, Inputs
from utils.sources.files.archives.contents import Contents
from utils.sources.files.archives.listing import list_archive
from utils.sources.files.archives.names import is_named_so, may_be_archive
from utils.sources.files.archives.unpacked import Unpacked
from utils.sources.files.tree import is_picture

STDIN = "-"


def find_inputs(
    paths: Iterable[str],
    stdin: BinaryIO | None = None,
    moved: Container[str] = (),
    todo: str = "",
    sorted_into: Path | None = None,
) -> Inputs:
    """List all pictures, before any is looked at.

    A file that is named is taken whatever it is. In folders, at any depth, and in archives a
    picture is known by its ending, else by its first bytes, and all else is counted. What a list
    on stdin names and is not there becomes a row with an error: of a thousand files one may be
    gone.

    Args:
        paths: As on the command line; "-" stands for the lines of `stdin`.
        stdin: Paths, one in each line; the process's own by default.
        moved: Files that a call before this one has moved away, if they are not there.
        todo: What to do if a path is not there or there are no pictures.
        sorted_into: Where pictures that have rows are to go; once there, they are not to be found
            as new ones.

    Raises:
        SettingsError: If a path is not there, stdin has no list, there are no pictures, or they
            would go into a folder that is looked into.
        SourceError: If an archive cannot be read, or a folder not listed.
    """
    paths = list(paths)
    missing = [path for path in paths if path != STDIN and not os.path.exists(path)]
    if gone := [path for path in missing if path not in moved]:
        raise SettingsError(
            f"There is no {shortlist(gone)}",
            expected="pictures, folders, archives, or - for a list on stdin",
            todo=todo,
        )
    inputs = Inputs()
    for path in paths:
        named = read_list(stdin or sys.stdin.buffer) if path == STDIN else [path]
        for name in named:
            if name not in moved or os.path.exists(name):
                if sorted_into:
                    _check_outside(sorted_into, name)
                for one in _look_into(name, inputs):
                    inputs.add(one)
    if not inputs and not moved:
        others = inputs.describe_others()
        raise SettingsError(f"No pictures in {shortlist(paths)}", todo=f"{others} {todo}".strip())
    return inputs


def _check_outside(target: Path, path: str) -> None:
    """Refuse a place for pictures inside a folder that is looked into, where that is one."""
    place, named = (os.path.normcase(os.path.realpath(one)) for one in (target, path))
    if os.path.isdir(path) and is_below(named, place):
        raise SettingsError(
            f"Pictures would be put into {target}, and {path} is looked into: when a call that was "
            "stopped is gone on with, they would be taken for new ones",
            todo=f"Choose a folder outside of {path}, or write no rows",
        )


def _look_into(path: str, found: Inputs) -> Iterable[Input]:
    if os.path.isdir(path):
        below = files_below(path, found.passed_over)
        return (one for file in below for one in _look_at(file, path, found))
    if is_named_so(path) and os.path.isfile(path):
        contents = list_archive(Path(path), path, Unpacked()) or Contents()
        return _members(path, path, contents, found)
    return [Input(path, Location(path), path)]


def _look_at(file: str, named: str, found: Inputs) -> Iterable[Input]:
    """Return what a file that lies in a folder has to offer."""
    place = Location(file)
    if not is_picture(file) and may_be_archive(file):
        members = list_archive(Path(file), file, Unpacked())
        if members is not None:
            return _members(file, named, members, found)
    if is_picture(file) or shows_picture(place):
        return [Input(file, place, named)]
    found.passed_over[ending_of(file)] += 1
    return []


def _members(archive: str, named: str, contents: Contents, found: Inputs) -> Iterator[Input]:
    for line in contents.notes:
        warn(line)
    members = contents.files
    for name in sorted(members):
        if any(is_clutter(part) for part in name.split("/")):
            found.passed_over[CLUTTER_RULE] += 1
        elif is_picture(name) or shows_picture(members[name]):
            yield Input(f"{archive}/{name}", members[name], named)
        else:
            found.passed_over[ending_of(name)] += 1
    for name, _ in contents.left_out:
        found.passed_over[ending_of(name or archive)] += 1
    found.num_unread += contents.num_unread
