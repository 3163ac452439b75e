"""Find the labelled pictures of a folder that holds class folders."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk import listing
from utils.common.disk.asking import is_folder, is_there
from utils.common.disk.listing import ending_of, entries_of
from utils.common.disk.writing import is_clutter
from utils.common.errors import SettingsError, shortlist
from utils.common.labels import CLASSES
from utils.external.groups import GROUPS_NAME, read_groups
from utils.prediction.inputs import find_inputs
from utils.prediction.pictures import Input, Inputs

EXPECTED = f"a folder with one or more of {', '.join(CLASSES)} in it, and no other folder"
LETTERS = re.compile(r"[^a-z]")
NEAR = 0.75
"""Least similarity of a folder's name and the class that was probably meant, 0-1."""


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """A user's folder of class folders, with the labelled pictures in it.

    Attributes:
        folder: The folder that holds the class folders.
        inputs: The pictures, class by class.
        groups: Group of each picture by its name; None without a groups.csv.
    """

    folder: Path
    inputs: Inputs
    groups: dict[str, str] | None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def name_of(self, one: Input) -> str:
        """Return a picture's path below the folder, with "/"."""
        return Path(os.path.relpath(one.file, self.folder)).as_posix()

    def group_of(self, file: str) -> str:
        """Return a picture's group, which is the picture itself without a groups.csv."""
        return file if self.groups is None else self.groups[file]


def label_of(file: str) -> str:
    """Return the class of a picture by its path below the folder.

    >>> label_of("PAN/clinic/1.jpg")
    'PAN'
    """
    return file.partition("/")[0]


def find_labelled(folder: Path) -> LabelledFolder:
    """List the pictures of a folder's class folders, before any is looked at.

    Raises:
        SettingsError: If the folder is not there, has no class folder or one that is of no class,
            holds no pictures, or its groups.csv cannot be used.
        SourceError: If an archive or a folder cannot be read.
    """
    if not is_folder(folder):
        found = f"{folder} is a file" if is_there(folder) else f"There is no {folder}"
        raise SettingsError(found, EXPECTED)
    entries = [one for one in entries_of(str(folder)) if not is_clutter(one.name)]
    names = sorted(one.name for one in entries if listing.is_folder(one))
    if unknown := [name for name in names if name not in CLASSES]:
        raise SettingsError(*_refusal(folder, unknown))
    if not names:
        raise SettingsError(f"{folder} has no class folder", EXPECTED)
    inputs = find_inputs([os.path.join(folder, name) for name in names])
    beside = [one.name for one in entries if not listing.is_folder(one)]
    groups_like = [name for name in beside if name.casefold() == GROUPS_NAME]
    if groups_like and GROUPS_NAME not in groups_like and not is_there(folder / GROUPS_NAME):
        raise SettingsError(f"{folder} has a {groups_like[0]}", GROUPS_NAME, "Rename it")
    inputs.passed_over.update(ending_of(name) for name in beside if name not in groups_like)
    found_ones = LabelledFolder(folder, inputs, None)
    groups = read_groups(folder, [found_ones.name_of(one) for one in inputs])
    return LabelledFolder(folder, inputs, groups)


def _refusal(folder: Path, unknown: list[str]) -> tuple[str, str, str]:
    """Return what was found, what was expected and what to do about folders of no class."""
    inside = [
        name for name in unknown if any(os.path.isdir(folder / name / one) for one in CLASSES)
    ]
    if inside:
        todo = f"Name the folder above the class folders, such as {folder / inside[0]}"
    else:
        told = [f"{name} to {near}" for name in unknown if (near := near_class(name))]
        todo = f"Rename {shortlist(told)}" if told else "Move them elsewhere"
    return f"{folder} has folders that are no class: {shortlist(unknown)}", EXPECTED, todo


def near_class(name: str) -> str:
    """Return the class that a folder's name was probably meant to be, "" if none is near.

    >>> near_class("derm-clinic"), near_class("Low quality"), near_class("moles")
    ('DERM_CLINIC', 'LOW_QUALITY', '')
    """
    plain = {LETTERS.sub("", label.lower()): label for label in CLASSES}
    near = difflib.get_close_matches(LETTERS.sub("", name.lower()), plain, 1, NEAR)
    return plain[near[0]] if near else ""
