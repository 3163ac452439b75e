"""Copy, move or link pictures into class folders, overwriting none."""

import errno
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from utils.common.cli.console import progress, warn
from utils.common.disk.location import DamagedError
from utils.common.disk.writing import explain_write_errors
from utils.common.errors import MAX_OFFENDERS, SettingsError, shortlist
from utils.prediction.links import is_behind_link, leads_out
from utils.prediction.names import SeenNames
from utils.prediction.pictures import Input, Pictures
from utils.prediction.placing import SourceError, place, target_name


class Few:
    """Counts what is appended, and keeps the first few of it to be named."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._count = 0

    def append(self, name: str) -> None:
        """Count one more."""
        self._count += 1
        if len(self._first) < MAX_OFFENDERS:
            self._first.append(name)

    def __len__(self) -> int:
        return self._count

    def __str__(self) -> str:
        more = self._count - len(self._first)
        return shortlist(self._first) + (f" and {more} more" if more else "")


def check_movable(inputs: Iterable[Input]) -> None:
    """Fail before anything is done where pictures cannot be taken from where they lie.

    Raises:
        SettingsError: If one lies in an archive or in a folder that is read-only.
    """
    last, closed = None, Few()
    for one in inputs:
        if one.is_member:
            raise SettingsError(
                f"{one.file} lies in an archive and cannot be moved out of it",
                todo="Use --copy-into",
            )
        folder = os.path.dirname(one.file) or "."
        if folder != last and _is_closed(folder):
            closed.append(folder)
        last = folder
    if closed:
        raise SettingsError(
            f"No picture can be moved out of a read-only folder: {closed}",
            todo="Use --copy-into, or change its permissions",
        )


def _is_closed(folder: str) -> bool:
    """Tell whether nothing can be taken out of a folder; one that is gone has nothing to take."""
    return os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK)


@dataclass(slots=True)
class Sorted:
    """What became of the pictures that were to be sorted.

    Attributes:
        placed: How many were put into the folder of each label.
        there: How many lay there already.
        renamed: Which got another name, and which.
        failed: Which could not be placed, and why.
        linked: Which stayed where they are because they lie behind links.
    """

    placed: Counter[str] = field(default_factory=Counter)
    there: int = 0
    renamed: Few = field(default_factory=Few)
    failed: Few = field(default_factory=Few)
    linked: Few = field(default_factory=Few)

    def describe(self, folder: Path, is_moving: bool) -> str:
        """Return lines for people to read."""
        done = "Moved" if is_moving else "Copied"
        counts = ", ".join(f"{label} {self.placed[label]:,}" for label in sorted(self.placed))
        into = f"{folder}: {counts}" if counts else folder
        lines = [f"{done} {self.placed.total():,} pictures into {into}."]
        if self.there:
            lines.append(f"{self.there:,} lay there already.")
        if self.renamed:
            lines.append(
                f"{len(self.renamed):,} got another name, because theirs was taken or too long: "
                f"{self.renamed}."
            )
        if self.linked:
            why = "moving follows no links" if is_moving else "they lead out of what was named"
            lines.append(
                f"{len(self.linked):,} stayed behind their links, because {why}: {self.linked}."
            )
        return "\n".join(lines)


def sort_pictures(
    inputs: Pictures,
    labels: Iterable[str],
    folder: Path,
    is_moving: bool,
    found: Sorted | None = None,
) -> str:
    """Put each picture into the folder of its label and return what was done, for people to read.

    A name that is taken by another picture gets a number: `photo-2.jpg`. A copy that is there
    already is not made again, and a move that was cut is finished. A picture behind a link is
    never moved, and copied only where the link stays inside the folder that was named.

    Args:
        inputs: The pictures.
        labels: Of each; those without one, which could not be read, stay where they are.
        folder: Gets one folder for each label that occurs.
        is_moving: Whether the pictures leave the place where they are.
        found: Gets the same, for programs to read.

    Raises:
        OutputError: If nothing can be written there.
    """
    found = Sorted() if found is None else found
    seen = SeenNames()
    verb = "Move" if is_moving else "Copy"
    with progress(total=len(inputs), desc=verb, unit="pictures") as bar:
        for one, label in zip(inputs, labels, strict=True):
            bar.update()
            place_of_it = _place_of(one)
            if not label or not seen.add(place_of_it):
                continue
            if is_behind_link(one) and (is_moving or leads_out(one)):
                found.linked.append(one.file)
            else:
                _sort_one(one, label, folder, is_moving, found)
    if found.failed:
        warn(f"{len(found.failed):,} could not be sorted: {found.failed}")
    return found.describe(folder, is_moving)


def _place_of(one: Input) -> str:
    """Return what is the same however a picture is named, `a/b.jpg` or `a/../a/b.jpg`."""
    folder, name = os.path.split(one.file)
    return one.file if one.is_member else os.path.join(os.path.realpath(folder), name)


def _sort_one(one: Input, label: str, folder: Path, is_moving: bool, found: Sorted) -> None:
    own_name = os.path.basename(one.file)
    try:
        with explain_write_errors(folder):
            (folder / label).mkdir(parents=True, exist_ok=True)
            target = folder / label / target_name(one.file, folder)
            try:
                final = place(one, target, is_moving)
            except OSError as error:  # the name of one picture, not that of the folder
                if error.errno != errno.ENAMETOOLONG:
                    raise
                raise SourceError(error.strerror) from error
    except (SourceError, DamagedError) as error:
        found.failed.append(f"{one.file} ({error})")
        return
    except OSError as error:  # a name that this disk cannot hold; the others may do
        found.failed.append(f"{one.file} ({error.strerror or error})")
        return
    if final is None:
        found.there += 1
        return
    found.placed[label] += 1
    if final.name != own_name:
        found.renamed.append(f"{one.file} as {label}/{final.name}")
