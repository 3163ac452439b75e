"""The collections that the user has in, their records and a table of what was found out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from utils.common.console import table
from utils.common.errors import DownloadError, SettingsError
from utils.common.terminal import printable
from utils.sources.catalog import NAMES, SOURCES, sources_for
from utils.sources.record import LeftOut, Record
from utils.sources.source import Reading, Source
from utils.sources.tree import FileTree
from utils.sources.web.download import only_downloader


def choose_sources(names: Sequence[str]) -> list[Source]:
    """Return the named collections in the order of the catalog, all of them without names.

    Raises:
        SettingsError: If there is no collection of such a name.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SettingsError(
            f"--only does not know {', '.join(unknown)}", expected=f"some of {', '.join(NAMES)}"
        )
    return [source for source in SOURCES if not names or source.name in names]


def fetch(
    sources: Iterable[Source],
    tree: FileTree,
    retry_failed: bool = False,
    private_hosts: bool = False,
) -> tuple[FileTree, list[str]]:
    """Fetch what can be had without a login and without asking.

    Args:
        sources: What to look at.
        tree: What is there.
        retry_failed: Ask again for pictures that failed for good.
        private_hosts: Also ask hosts that are not public.

    Returns:
        The tree with what came, and what the user should know.
    """
    fetchers = dict.fromkeys(source.fetcher for source in sources if source.fetcher)
    if not fetchers:
        return tree, []
    try:
        with only_downloader(tree.root):
            told = (fetcher(tree, retry_failed, private_hosts) for fetcher in fetchers)
            notes = list(chain.from_iterable(told))
    except DownloadError as error:
        return tree, [f"Nothing downloaded: {error}"]
    return tree.scan_again(), notes


def pending(sources: Iterable[Source], tree: FileTree, retry_failed: bool = False) -> list[str]:
    """Fetch nothing and say what `fetch` would ask for."""
    fetchers = dict.fromkeys(source.fetcher for source in sources if source.fetcher)
    return [line for fetcher in fetchers for line in fetcher.pending(tree, retry_failed)]


@dataclass(frozen=True)
class Collected:
    """What the collections offer.

    Attributes:
        readings: By short name; None for one that is not there.
        archives: What the user should know of the archives.
    """

    readings: dict[str, Reading | None]
    archives: Sequence[str] = ()

    @property
    def records(self) -> list[Record]:
        """All pictures, in the order of the catalog."""
        return [record for reading in self._present for record in reading.records]

    @property
    def left_out(self) -> list[LeftOut]:
        """All files that a rule leaves out."""
        return [left for reading in self._present for left in reading.left_out]

    @property
    def notes(self) -> list[str]:
        """What the user should know, each thing once."""
        notes = (note for reading in self._present for note in reading.notes)
        return list(dict.fromkeys([*self.archives, *notes]))

    @property
    def _present(self) -> list[Reading]:
        return [reading for reading in self.readings.values() if reading is not None]

    def describe(self, all_data: Path) -> str:
        """Return a table of the collections, and where to get those that are absent."""
        rows = [
            [name, len(reading.records), len(reading.left_out), reading.absent]
            for name, reading in self.readings.items()
            if reading is not None
        ]
        lines = [table(["collection", "pictures", "left out", "listed, not there"], rows)]
        for name, reading in self.readings.items():
            rules = Counter(left.rule for left in reading.left_out) if reading else Counter()
            lines += [f"{name}: {count:,} left out ({rule})" for rule, count in rules.items()]
        lines += map(printable, self.notes)
        lines += [
            f"Not there: {where_to_get(source, all_data)}"
            for source in SOURCES
            if source.name in self.readings and self.readings[source.name] is None
        ]
        return "\n".join(lines)


def read_all(sources: Iterable[Source], tree: FileTree) -> Collected:
    """Read every collection that is there.

    Raises:
        SourceError: If one of them cannot be read as what it is.
    """
    return Collected({source.name: source.read(tree) for source in sources}, tree.notes)


def where_to_get(source: Source, all_data: Path) -> str:
    """Say where a collection comes from and where to put it."""
    command = f"--download {source.name}, or " if source.folder else ""
    return (
        f"{source.title}. Get it: {command}{source.page} ({source.how}). "
        f"Put it in {all_data.as_posix()}: {source.place}."
    )


def remedy(label: str, all_data: Path) -> str:
    """Say which collections would fill a class, and where to put them."""
    places = "; ".join(f"{source.title} in {source.place}" for source in sources_for(label))
    return f"Put under {all_data.as_posix()} one of: {places}"
