"""Obey `corrections.csv`, in which a person gives single pictures another class, or none."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from utils.common.disk.corrections import COLUMNS, CORRECTIONS_NAME, LEAVE_OUT
from utils.common.disk.escapes import unescape
from utils.common.errors import SourceError, shortlist
from utils.common.labels import COLLECTED_CLASSES
from utils.sources.files.tables import read_table
from utils.sources.files.tree import FileTree
from utils.sources.record import LeftOut, Record

CORRECTED_RULE = f"left out by {CORRECTIONS_NAME}"

Place = tuple[str, str]
"""Collection and path of a picture."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a person said of pictures.

    Attributes:
        labels: Class, or `LEAVE_OUT`, by collection and path.
        notes: What the user should know of how the file was read.
    """

    labels: Mapping[Place, str] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Return collection, path and class of each picture."""
        return [(*place, label) for place, label in self.labels.items()]


@dataclass(frozen=True, slots=True)
class Corrected:
    """Records after the corrections.

    Attributes:
        records: Those that stay, some with another class.
        left_out: Those that do not.
        notes: What became of every row of the corrections.
    """

    records: list[Record]
    left_out: list[LeftOut]
    notes: list[str]


def read_corrections(tree: FileTree) -> Corrections:
    """Read the corrections that lie in the folder of the collections, if any do.

    Raises:
        SourceError: If the table cannot be read, or a row names no class, or two rows name
            different classes for one picture.
    """
    found = tree.find(CORRECTIONS_NAME)
    if found is None:
        return Corrections()
    path = tree.root / found
    table = read_table(tree, found, COLUMNS, optional=())
    known = {label.casefold(): label for label in (*COLLECTED_CLASSES, LEAVE_OUT)}
    labels: dict[Place, str] = {}
    for number, row in enumerate(table, start=1):
        label = known.get(row["label"].casefold())
        if label is None:
            raise SourceError(
                f"{path}, row {number}: label is {row['label']!r}",
                expected=f"one of {', '.join(known.values())}",
                todo="Correct the row, or remove it",
            )
        place = row["source"], unescape(row["original"])
        if labels.setdefault(place, label) != label:
            raise SourceError(
                f"{path}, row {number}: {place[1]} is {label} here and {labels[place]} above",
                expected="one row for each picture",
                todo="Remove one of the two",
            )
    return Corrections(labels, table.notes)


def apply_corrections(
    records: Iterable[Record], corrections: Corrections, sources: Iterable[str]
) -> Corrected:
    """Give records the classes that a person gave them, and leave out what belongs to none.

    A picture that was found several times, under one identity, is corrected everywhere, whichever
    collection offers it.

    Args:
        records: What the collections offer.
        corrections: What the person said.
        sources: Short names of the collections that were read.

    Raises:
        SourceError: If rows name different classes for one picture.
    """
    records = list(records)
    found = _by_identity(records, corrections)
    kept: list[Record] = []
    left_out: dict[str, LeftOut] = {}
    changed: dict[str, tuple[str, str]] = {}
    for record in records:
        label = found.get(record.identity)
        if label is None:
            kept.append(record)
        elif label == LEAVE_OUT:
            left = LeftOut(record.source, record.original, CORRECTED_RULE)
            left_out[record.original] = left  # once, however many rows of a table name it
        else:
            changed[record.original] = record.label, label
            kept.append(dataclasses.replace(record, label=label, is_corrected=True))
    places = {(record.source, record.original) for record in records}
    pairs = Counter(changed.values())
    notes = list(_describe(corrections, pairs, len(left_out), places, set(sources)))
    return Corrected(kept, [*left_out.values()], [*corrections.notes, *notes])


def _by_identity(records: Iterable[Record], corrections: Corrections) -> dict[str, str]:
    """Return what the person said of each picture, by its identity."""
    found: dict[str, tuple[str, str]] = {}
    for record in records:
        label = corrections.labels.get((record.source, record.original))
        if label is None:
            continue
        original, known = found.setdefault(record.identity, (record.original, label))
        if known != label:
            raise SourceError(
                f"{CORRECTIONS_NAME}: {record.original} is {label} and {original}, the same "
                f"picture, is {known}",
                expected="one class for each picture",
                todo="Remove one of the two rows",
            )
    return {identity: label for identity, (_, label) in found.items()}


def _describe(
    corrections: Corrections,
    changed: Mapping[tuple[str, str], int],
    num_left_out: int,
    places: Set[Place],
    sources: Set[str],
) -> Iterable[str]:
    """Say what became of every row."""
    if not corrections.labels:
        return
    moved = {pair: count for pair, count in changed.items() if pair[0] != pair[1]}
    confirmed = sum(count for pair, count in changed.items() if pair[0] == pair[1])
    pairs = [f"{old} -> {new} {count:,}" for (old, new), count in sorted(moved.items())]
    told = f" ({', '.join(pairs)})" if pairs else ""
    yield (
        f"{CORRECTIONS_NAME}: {len(corrections.labels):,} rows; another class for "
        f"{sum(moved.values()):,} pictures{told}, "
        f"{num_left_out:,} left out, {confirmed:,} confirmed"
    )
    unmatched = [place for place in corrections.labels if place not in places]
    not_read = [place for place in unmatched if place[0] not in sources]
    if not_read:
        names = shortlist(sorted({source for source, _ in not_read}))
        yield f"{CORRECTIONS_NAME}: {len(not_read):,} rows of collections not read: {names}"
    lost = [f"{source}: {path}" for source, path in unmatched if source in sources]
    if lost:
        yield f"{CORRECTIONS_NAME}: {len(lost):,} rows match no picture: {shortlist(lost)}"
