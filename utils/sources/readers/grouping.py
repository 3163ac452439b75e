"""The groups of a collection's pictures, and what the user should know of them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from utils.common.errors import shortlist
from utils.sources.files.ids import id_key, is_rounded, shown
from utils.sources.record import Record

MAX_SHARE = 0.5
MIN_PICTURES = 50
"""Of more pictures than these, one group is hardly more than that share."""


@dataclass(frozen=True)
class Grouping:
    """The groups of a collection's pictures.

    Attributes:
        levels: What the ids are, from the patient downwards.
        names: The group of each picture that has an id.
        keys: What all ids are compared by.
        without: The cells of pictures without an id of the first level, by picture.
        conflicts: Pictures whose rows give different ids of one level.
        respelled: How many ids of each level are written in several ways.
        shared: By level, the ids that several of the level above have, and whether they join them.
    """

    levels: Sequence[str]
    names: Mapping[str, str] = field(default_factory=dict)
    keys: Collection[str] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    conflicts: Collection[str] = ()
    respelled: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, tuple[list[str], bool]] = field(default_factory=dict)

    def knows(self, picture: str) -> bool:
        """Tell whether some row is about this picture."""
        return picture in self.names or picture in self.without

    def name_of(self, picture: str, own: str) -> str:
        """Return a picture's group; without any id that is itself, by its own name."""
        if picture in self.names:
            return self.names[picture]
        return f"picture {own}" if id_key(own) in self.keys else own

    def notes(self, name: str, pictures: Collection[str]) -> list[str]:
        """Say what the user should know of a collection's ids, as far as its pictures are there.

        Args:
            name: Short name of the collection.
            pictures: Those that are there.
        """
        notes = []
        pictures = dict.fromkeys(pictures)
        without = {
            picture: self.without[picture] for picture in pictures if picture in self.without
        }
        rounded = [picture for picture, cell in without.items() if is_rounded(cell)]
        if rounded:
            notes.append(
                f"{name}: {self.levels[0]} of {len(rounded):,} pictures was rounded by a "
                f"spreadsheet ({shortlist({without[picture]: 0 for picture in rounded})}) and "
                "tells no patients apart; it counts as missing"
            )
        if without:
            notes.append(f"{name}: {self._tell_missing(without)}")
        conflicts = [picture for picture in self.conflicts if picture in pictures]
        if conflicts:
            notes.append(
                f"{name}: {len(conflicts):,} pictures have rows with different ids "
                f"({shortlist(conflicts)}); whatever such a picture joins is one group"
            )
        for level, count in self.respelled.items():
            notes.append(
                f"{name}: {count:,} ids ({level}) are written in several ways; each is one"
            )
        for level, (ids, do_join) in self.shared.items():
            above = self.levels[max(0, self.levels.index(level) - 1)]
            notes.append(
                f"{name}: {len(ids):,} ids ({level}) stand under several of {above} "
                f"({shortlist(ids)}); "
                + ("these are one group" if do_join else f"each counts within its {above} only")
            )
        return notes

    def _tell_missing(self, without: Mapping[str, str]) -> str:
        lower = sum(picture in self.names for picture in without)
        alone = len(without) - lower
        marks = Counter(shown(cell) for cell in without.values())
        told = shortlist(f"{mark} {count:,}" for mark, count in marks.most_common())
        found = f"{len(without):,} pictures have no {self.levels[0]} ({told})"
        if not lower:
            return f"{found}: each is a group of its own"
        below = " or ".join(self.levels[1:])
        rest = f", each of the other {alone:,} is a group of its own" if alone else ""
        return f"{found}: {lower:,} are grouped by {below}{rest}"


def tell_large_group(name: str, records: Sequence[Record]) -> list[str]:
    """Say so where one group holds most of a collection: an id that is none would do that."""
    if len(records) <= MIN_PICTURES:
        return []
    ((group, count),) = Counter(record.group for record in records).most_common(1)
    if count <= MAX_SHARE * len(records):
        return []
    written = shown(group.removeprefix(f"{name}/"))
    return [
        f"{name}: {count:,} of its {len(records):,} pictures are one group, {written}, and go into "
        "one split together; see whether that is one patient"
    ]
