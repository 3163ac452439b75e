"""The tables of a collection in, those of their pictures that its rules keep fetched one by one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from utils.common.labels import LOW_QUALITY, TEST
from utils.common.seeds import stable_hash
from utils.sources.files.tree import FileTree, is_picture
from utils.sources.readers.filenames import NamedPictures
from utils.sources.record import Record
from utils.sources.source import Reader
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.pictures import Wanted, fetch_missing, num_missing


class ListingReader(Reader, Protocol):
    """A reader whose tables name the pictures that there are."""

    def written(self, tree: FileTree, /) -> Iterable[str]:
        """Return the names of all pictures, as the tables write them."""


@dataclass(frozen=True)
class ListedPictures:
    """Fetches the pictures that a collection's tables name and its rules keep.

    Lowest hash first, so that a small number is a part of any larger one, and of what the assembly
    takes with the same limit. Real LOW_QUALITY pictures of training are not fetched: the assembly
    takes them with --real-low-quality alone.

    Attributes:
        name: Short name of the collection.
        reader: Its reader.
        base: What stands before the name that a table has, as a URL.
        folder: Where they go below ALL_DATA.
        manners: How patiently and how politely all is fetched.
    """

    name: str
    reader: ListingReader
    base: str
    folder: str
    manners: Manners = POLITE

    def __call__(
        self,
        tree: FileTree,
        retry_failed: bool = False,
        private_hosts: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Fetch what is missing; return how many came and how many did not, by reason."""
        manners = self.manners.towards(private_hosts)
        folder = tree.root / self.folder
        wanted = self.wanted(tree, limit)
        return fetch_missing(folder, wanted, retry_failed, manners, is_part=limit is not None)

    def pending(
        self, tree: FileTree, retry_failed: bool = False, limit: int | None = None
    ) -> list[str]:
        """Count the pictures that are still to be fetched, once their tables are there."""
        if not tree.folders(*self.reader.folders):
            return []
        asked = num_missing(tree.root / self.folder, self.wanted(tree, limit), retry_failed)
        return [f"Still to be downloaded: {asked:,} pictures of {self.name}."] if asked else []

    def wanted(self, tree: FileTree, limit: int | None = None) -> list[Wanted]:
        """Return the pictures to have, as if all that the tables name were there."""
        folders = tree.folders(*self.reader.folders)
        there = NamedPictures(path for folder in folders for path in tree.pictures(folder))
        written: dict[str, str] = {}
        for cell in self.reader.written(tree):
            name = cell.replace("\\", "/").rpartition("/")[2]
            if is_picture(name):
                written.setdefault(name, cell)
        lacking = {f"{self.folder}/{name}" for name in written if there.find(name) is None}
        reading = self.reader(self.name, tree.with_files(lacking))
        records = reading.records if reading else []
        urls = {there.find(name) or f"{self.folder}/{name}": name for name in written}
        return [
            Wanted(
                urls[record.original],
                self.base + quote(written[urls[record.original]]),
                there=None if record.original in lacking else tree.root / record.original,
            )
            for record in _limited(records, limit)
            if record.original in urls
        ]


def _limited(records: Iterable[Record], limit: int | None) -> list[Record]:
    """Return the records to fetch, of each class and published side at most so many."""

    def order(record: Record) -> tuple[int, str]:
        return stable_hash(0, record.identity), record.identity

    taken: Counter[tuple[str, tuple[str, ...]]] = Counter()
    kept = []
    for record in sorted(records, key=order):
        place = record.label, record.splits
        is_for_training = record.label == LOW_QUALITY and TEST not in record.splits
        if is_for_training or (limit is not None and taken[place] >= limit):
            continue
        taken[place] += 1
        kept.append(record)
    return kept
