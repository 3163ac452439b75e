"""What is known of a collection, and what reading it gives: the types of the catalog."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from utils.sources.files.tree import FileTree
from utils.sources.record import LeftOut, Record
from utils.sources.web.remote import RemoteFile


@dataclass(slots=True)
class Reading:
    """What one collection offers.

    Attributes:
        records: Its pictures.
        left_out: Its files that a rule leaves out.
        absent: How many pictures its own tables name that are not there.
        notes: Sentences that the user should read.
    """

    records: list[Record] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    absent: int = 0
    notes: list[str] = field(default_factory=list)


class Reader(Protocol):
    """Reads the collection of this short name from a tree; None where nothing of it is there."""

    @property
    def folders(self) -> Collection[str]:
        """The names of folders in which it looks for pictures."""

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""

    def __call__(self, name: str, tree: FileTree, /) -> Reading | None:
        """Return what is there of it."""


@dataclass(frozen=True, slots=True)
class Sign:
    """How a collection's pictures are known where they lie in no folder of its.

    Attributes:
        pattern: Of a picture's name without ending; with a "/" in it, of the folder's as well.
        shown: The names, as people write them.
        place: Where under ALL_DATA these pictures belong.
        numbers: That the first group of the pattern must be one of; None for any.
    """

    pattern: str
    shown: str
    place: str
    numbers: range | None = None

    def fits(self, folder: str, stem: str) -> bool:
        """Tell whether a picture of this name in this folder has the form."""
        name = f"{folder.rpartition('/')[2]}/{stem}" if "/" in self.pattern else stem
        found = re.fullmatch(self.pattern, name, re.IGNORECASE)
        if found is None:
            return False
        return self.numbers is None or int(found.group(1)) in self.numbers


class Fetcher(Protocol):
    """Fetches what a collection lacks without a login, from public hosts unless told otherwise."""

    def __call__(
        self,
        tree: FileTree,
        retry_failed: bool = False,
        private_hosts: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Fetch it, of many pictures at most `limit`, and return what the user should know."""

    def pending(
        self, tree: FileTree, retry_failed: bool = False, limit: int | None = None
    ) -> list[str]:
        """Fetch nothing and say what would be asked for."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One public collection: every fact about it that the suite states anywhere.

    Attributes:
        name: Short name, used in flags and tables.
        title: Its full name.
        num_pictures: How many pictures the published collection has.
        splits: What its publisher says about training and test, in words.
        page: Where to get it.
        how: What getting it takes (login, form, zip names), in words.
        licence: Its terms.
        citation: What its publisher asks to cite.
        reader: Knows its layout: the names of its folders and the classes that it fills.
        place: Where under ALL_DATA the user puts it; by default into the reader's first folder.
        fetcher: Fetches what the assembly may fetch by itself.
        folder: Where below ALL_DATA its downloads go, "" where it needs a login.
        bundles: The files that it can be had as without a login; one bundle, all of whose files
            come, is enough, and they are tried in order.
        roughly: About how many bytes its fetcher brings without a limit.
        roughly_each: About how many it brings for each picture of a limit, over its classes.
        on_request: Whether its fetcher is asked by --download alone, for it brings very much.
        is_starter: Whether it is part of the smallest download that fills every class.
        commercial: Whether its licence allows commercial use.
        signs: How its pictures are known in other layouts, the surest first.
        tables: Patterns of the names of tables that come with it, whether they are read or not.
        border: How its pictures keep the border between DERM_CLINIC and PAN, in words, the rule of
            which is `labels.CLINIC_OR_PAN`; empty where it fills neither.
        not_read: Other files that come with it and are not read: the rule by a pattern of the name.
    """

    name: str
    title: str
    num_pictures: int | None
    splits: str
    page: str
    how: str
    licence: str
    citation: str
    reader: Reader
    place: str = ""
    fetcher: Fetcher | None = None
    folder: str = ""
    bundles: tuple[tuple[RemoteFile, ...], ...] = ()
    roughly: int = 0
    roughly_each: int = 0
    on_request: bool = False
    is_starter: bool = False
    commercial: bool = False
    signs: tuple[Sign, ...] = ()
    tables: tuple[str, ...] = ()
    border: str = ""
    not_read: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Name the place that the reader looks at first, unless the entry says it in words."""
        if not self.place:
            object.__setattr__(self, "place", f"{next(iter(self.reader.folders))}/")

    def bytes_fetched(self, limit: int | None = None) -> int:
        """Return about how many bytes its fetcher brings."""
        return self.roughly if limit is None else min(self.roughly, limit * self.roughly_each)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it fills."""
        return self.reader.fills

    def read(self, tree: FileTree) -> Reading | None:
        """Return its pictures under `tree`, or None where nothing of it is there."""
        return self.reader(self.name, tree)
