"""Read the collections that the user has, and describe what was found."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from utils.common.cli.console import table
from utils.common.cli.terminal import printable
from utils.common.disk.asking import is_folder
from utils.common.disk.inside import is_below
from utils.common.errors import DownloadError, SettingsError
from utils.sources.catalog import NAMES, SOURCES, owner_of, sources_for
from utils.sources.corrections import Corrections, apply_corrections, read_corrections
from utils.sources.extra import NAME as EXTRA
from utils.sources.extra import Extra
from utils.sources.files.tree import FileTree
from utils.sources.record import NO_COLLECTION, NOT_UNDERSTOOD, LeftOut, Record
from utils.sources.source import Fetcher, Reading, Source
from utils.sources.unclaimed import Unclaimed, describe_not_understood, sort_out
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


def check_output(all_data: Path, output: Path, folders: Mapping[str, str] | None = None) -> None:
    """Refuse an output that would be read as a collection, or would swallow one.

    Args:
        all_data: Where the collections are.
        output: Where the data set goes.
        folders: The real paths of folders below `all_data` by their relative ones; without them
            only the way to the output is looked at, which needs no listing.

    Raises:
        SettingsError: If the one lies inside the other, or the system does not tell of one.
    """
    for named in (all_data, output):
        is_folder(named)  # fails in one line where the system does not tell
    root, target = (os.path.normcase(os.path.realpath(path)) for path in (all_data, output))
    if is_below(target, root):
        raise SettingsError(
            f"The collections in {all_data} lie inside the output {output}",
            expected="a folder of its own for the data set",
            todo="Choose another --output",
        )
    if folders is None:
        way = os.path.relpath(target, root).split(os.sep) if is_below(root, target) else []
        ends = range(1, len(way) + 1)
        folders = {"/".join(way[:end]): os.path.join(root, *way[:end]) for end in ends}
    for folder, real in folders.items():
        if owner_of(f"{folder}/") is None:
            continue
        place = os.path.normcase(real)
        if is_below(place, target) or is_below(target, place):
            relation = "lies in" if is_below(place, target) else "holds"
            raise SettingsError(
                f"The output {output} {relation} the folder of a collection, {all_data / folder}",
                expected="a folder of its own for the data set",
                todo="Choose another --output",
            )


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
    fetchers = _unasked(sources)
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
    return [line for fetcher in _unasked(sources) for line in fetcher.pending(tree, retry_failed)]


def _unasked(sources: Iterable[Source]) -> list[Fetcher]:
    """Return what fetches without being asked to, each once."""
    found = (source.fetcher for source in sources if source.fetcher and not source.on_request)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Collected:
    """What the collections offer, and what became of all other files.

    Attributes:
        readings: By short name; None for one that is not there.
        archives: What the user should know of archives and links.
        unclaimed: The files that no collection reads.
        outputs: Number of files by folder that hold an assembled data set.
        corrections: What a person said of pictures; the readings obey it.
        extra: The folder of --other-extra, whose reading is one of these; None without it.
    """

    readings: dict[str, Reading | None]
    archives: Sequence[str] = ()
    unclaimed: Unclaimed = field(default_factory=Unclaimed)
    outputs: Mapping[str, int] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)
    extra: Path | None = None

    @property
    def records(self) -> list[Record]:
        """All pictures, in the order of the catalog."""
        return [record for reading in self._present for record in reading.records]

    @property
    def left_out(self) -> list[LeftOut]:
        """All files that a rule leaves out, or that nobody understands."""
        by_rule = [left for reading in self._present for left in reading.left_out]
        return [*by_rule, *self.unclaimed.left_out]

    @cached_property
    def num_files(self) -> int:
        """Number of files, members of archives among them and assembled data sets not."""
        originals = {record.original for record in self.records}
        return len(originals) + len(self.left_out) + self.unclaimed.num_documents

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
        left_out: dict[str, Counter[str]] = defaultdict(Counter)
        for left in self.left_out:
            left_out[left.source][left.rule] += 1
        rows = [
            [name, _num_originals(reading), left_out[name].total(), reading.absent]
            for name, reading in self.readings.items()
            if reading is not None
        ]
        lines = [table(["collection", "pictures", "left out", "listed, not there"], rows)]
        lines += [
            f"{name}: {left_out[name][rule]:,} left out ({rule})"
            for name in [*self.readings, NO_COLLECTION]
            for rule in left_out[name]
            if rule != NOT_UNDERSTOOD
        ]
        if stranger := describe_not_understood(self.left_out):
            lines.append(f"{stranger} (rejected.csv names each)")
        outputs = (
            f"{(all_data / folder).as_posix()} holds an assembled data set; its {count:,} files "
            "are not read"
            for folder, count in self.outputs.items()
        )
        lines += map(printable, (*self.unclaimed.hints, *outputs, *self.notes))
        lines += [
            f"Not there: {where_to_get(source, all_data)}"
            for source in SOURCES
            if source.name in self.readings and self.readings[source.name] is None
        ]
        return "\n".join([*lines, self._sum(all_data)])

    def _sum(self, all_data: Path) -> str:
        """Return a line that adds up to the number of files."""
        strangers = sum(left.rule == NOT_UNDERSTOOD for left in self.left_out)
        by_rule = len(self.left_out) - strangers
        documents = self.unclaimed.num_documents
        pictures = self.num_files - len(self.left_out) - documents
        places = " and ".join(place.as_posix() for place in (all_data, self.extra) if place)
        return (
            f"{self.num_files:,} files in {places}, those in archives among them = "
            f"{pictures:,} pictures + {by_rule:,} left out by a rule + {documents:,} tables and "
            f"texts + {strangers:,} not understood"
        )


def _num_originals(reading: Reading) -> int:
    """Count the pictures, each once however many rows of a table name it."""
    return len({record.original for record in reading.records})


def read_all(sources: Iterable[Source], tree: FileTree, extra: Extra | None = None) -> Collected:
    """Read every collection that is there.

    Args:
        sources: The collections that were chosen.
        tree: All that is there.
        extra: A user's own folder beside it.

    Raises:
        SettingsError: If a folder of the tree has the name that is kept for the user's own one.
        SourceError: If a collection cannot be read as what it is, or the corrections not be obeyed.
        RuntimeError: If a file is lost sight of, which would be a bug.
    """
    readings = {source.name: source.read(tree) for source in sources}
    claimed, notes = _share_out(readings)
    num_files = len(tree.files) + len(tree.left_out)
    if extra is not None:
        _check_unused(EXTRA, tree)
        readings[EXTRA] = extra.reading
        num_files += extra.num_files
    corrections = read_corrections(tree)
    notes = [*tree.notes, *notes, *_correct(readings, corrections)]
    unclaimed = sort_out(tree, claimed, readings)
    folder = extra.folder if extra else None
    collected = Collected(readings, notes, unclaimed, tree.listing.outputs, corrections, folder)
    if collected.num_files != num_files:
        raise RuntimeError(f"Of {num_files} files {collected.num_files} are accounted for")
    return collected


def _check_unused(name: str, tree: FileTree) -> None:
    """Refuse a folder whose files would have the paths of others."""
    if tree.below(name):
        raise SettingsError(
            f"{tree.root / name} has the name under which the pictures of --other-extra are kept",
            expected="no such folder among the collections",
            todo="Move it elsewhere, or drop --other-extra",
        )


def _correct(readings: Mapping[str, Reading | None], corrections: Corrections) -> list[str]:
    """Let the readings obey what a person said of pictures; return what became of it."""
    if not corrections.labels:
        return list(corrections.notes)
    present = {name: reading for name, reading in readings.items() if reading is not None}
    records = [record for reading in present.values() for record in reading.records]
    corrected = apply_corrections(records, corrections, present)
    for name, reading in present.items():
        reading.records = [record for record in corrected.records if record.source == name]
        reading.left_out += [left for left in corrected.left_out if left.source == name]
    return corrected.notes


def _share_out(readings: Mapping[str, Reading | None]) -> tuple[set[str], list[str]]:
    """Leave every file to one collection: of folders inside each other the inner one has it.

    Returns:
        The files that collections use, or leave out by a rule, and what the user should know.
    """
    present = {name: reading for name, reading in readings.items() if reading is not None}
    by_name = {name: _claimed_by(reading) for name, reading in present.items()}
    claimed: set[str] = set().union(*by_name.values())
    if len(claimed) == sum(map(len, by_name.values())):
        return claimed, []
    owners: dict[str, str] = {}
    for path in claimed:
        claimants = [name for name, paths in by_name.items() if path in paths]
        if len(claimants) > 1:
            owner = owner_of(path)
            inner = owner.name if owner is not None else ""
            owners[path] = inner if inner in claimants else claimants[0]
    notes = []
    for name, reading in present.items():
        lost = [path for path in by_name[name] if owners.get(path, name) != name]
        reading.records = [r for r in reading.records if owners.get(r.original, name) == name]
        reading.left_out = [
            left for left in reading.left_out if owners.get(left.original, name) == name
        ]
        if lost:
            notes.append(
                f"{name}: {len(lost):,} files lie in a folder of another collection, which has them"
            )
    return claimed, notes


def _claimed_by(reading: Reading) -> set[str]:
    """Return the files of a reading, each in it once: as a picture, else by the first rule.

    Folders of one collection inside each other have their files twice.
    """
    used = {record.original for record in reading.records}
    if len(used) < len(reading.records):
        reading.records = list(dict.fromkeys(reading.records))
    by_rule = {left.original: left for left in reversed(reading.left_out)}
    if len(by_rule) < len(reading.left_out) or not used.isdisjoint(by_rule):
        reading.left_out = [by_rule[path] for path in sorted(by_rule) if path not in used]
    return used | by_rule.keys()


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
