"""Read a user's own folder of pictures that are not medical, as one more collection of OTHER."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from utils.common.disk.asking import is_folder
from utils.common.disk.derived import DERIVED_RULE
from utils.common.disk.inside import is_below
from utils.common.disk.listing import Listing, list_folder
from utils.common.disk.location import Location, Originals
from utils.common.disk.writing import explain_write_errors, refuse_links
from utils.common.errors import SettingsError
from utils.common.labels import OTHER
from utils.sources.catalog import SOURCES
from utils.sources.files.archives.unpacked import locked
from utils.sources.files.tree import FileTree
from utils.sources.readers.folders import PictureFolders
from utils.sources.record import LeftOut
from utils.sources.source import Reading, Source

NAME = "other_extra"
EXPECTED = "a folder of its own with pictures that are not medical"
NO_PICTURE = "no picture"

OTHER_EXTRA = Source(
    name=NAME,
    title="Own pictures of --other-extra",
    num_pictures=None,
    splits="drawn by picture",
    page="",
    how="your own",
    licence="not known: they are the user's own",
    citation="none",
    reader=PictureFolders(folders=(NAME,), label=OTHER, splits={}),
)
"""Not in the catalog: it is there only where somebody names a folder."""

ALL_SOURCES = (*SOURCES, OTHER_EXTRA)
"""Everything that a data set may hold pictures of."""


@dataclass(frozen=True)
class Extra:
    """What a user's own folder offers; its files have paths as if it were ALL_DATA/other_extra.

    Attributes:
        folder: The folder.
        reading: Its pictures, and its other files as left out.
        members: Where its files lie, by their paths.
        num_files: Number of its files.
    """

    folder: Path
    reading: Reading
    members: Mapping[str, Location]
    num_files: int

    def added_to(self, originals: Originals) -> Originals:
        """Return the files of the collections with those of this folder."""
        return replace(originals, members={**originals.members, **self.members})


def read_extra(folder: Path, all_data: Path, output: Path, state: Path | None) -> Extra:
    """Read the folder.

    Args:
        folder: As the user names it.
        all_data: Where the collections are.
        output: Where the data set goes.
        state: Working state of the output; None where nothing may be written.

    Raises:
        SettingsError: If there is no such folder, it holds no picture, or any of it lies in
            `all_data` or the output, or holds one of these.
        SourceError: If it cannot be listed, or an archive in it not be read.
    """
    if not is_folder(folder):
        found = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
        raise SettingsError(f"--other-extra: {found}", EXPECTED)
    listing = list_folder(folder)
    for place, name in ((all_data, "the folder of the collections"), (output, "the output")):
        _check_apart(listing, place, name)
    tree = _as_collection(FileTree.of(listing, state and state / NAME))
    reading = OTHER_EXTRA.read(tree) or Reading()
    if not reading.records:
        raise SettingsError(f"--other-extra: {folder} holds no picture that can be used", EXPECTED)
    reading.left_out += _others(tree, reading)
    members = {path: tree.originals.locate(path) for path in tree.files}
    reading.notes += [f"{NAME}: {note}" for note in tree.notes]
    return Extra(folder, reading, members, len(tree.files) + len(tree.left_out))


def forget_extra(state: Path | None) -> None:
    """Remove what earlier runs unpacked of such a folder, once none is named any more.

    Args:
        state: Working state of the output; None where nothing may be written.

    Raises:
        OutputError: If a link leads out of the state, or somebody else is writing there.
    """
    if state is None or not is_folder(kept := state / NAME):
        return
    refuse_links((state, kept, state / "lock"))
    with explain_write_errors(state), locked(state):
        shutil.rmtree(kept)


def _check_apart(listing: Listing, place: Path, name: str) -> None:
    """Refuse pictures that are read or written as something else, by whatever link they lie there.

    Raises:
        SettingsError: If a folder or a file of the listing lies in the place, or holds it.
    """
    target = os.path.normcase(os.path.realpath(place))
    for path, real in _real_paths(listing):
        is_inside = is_below(target, real)
        if is_inside or is_below(real, target):
            shown = listing.root / path if path else listing.root
            raise SettingsError(
                f"--other-extra: {shown} {'lies in' if is_inside else 'holds'} {name}, {place}",
                EXPECTED,
                "Move it elsewhere",
            )


def _real_paths(listing: Listing) -> Iterator[tuple[str, str]]:
    """Yield the folders of a listing and the links among its files, each with its real path."""
    for path, real in listing.folders.items():
        yield path, os.path.normcase(real)
    for path in listing.files:
        full = listing.root / path
        if full.is_symlink():
            yield path, os.path.normcase(os.path.realpath(full))


def _as_collection(tree: FileTree) -> FileTree:
    """Return a tree with each file below the folder that the reader looks for."""
    members = {f"{NAME}/{path}": tree.originals.locate(path) for path in tree.files}
    left_out = [replace(one, source=NAME, original=f"{NAME}/{one.original}")
                for one in tree.left_out]  # fmt: skip
    return FileTree(tree.root, members, members, tree.notes, left_out=left_out)


def _others(tree: FileTree, reading: Reading) -> list[LeftOut]:
    """Return all files that are not among the pictures, with the rule."""
    used = {record.original for record in reading.records}
    rest = [path for path in tree.files if path not in used]
    rules = (DERIVED_RULE if tree.is_picture(path) else NO_PICTURE for path in rest)
    return [*tree.left_out, *map(LeftOut, [NAME] * len(rest), rest, rules)]
