"""Decide from records alone which pictures to write, and in which split and class."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from utils.common.labels import COLLECTED_CLASSES, LOW_QUALITY, SPLITS
from utils.common.seeds import stable_hash
from utils.dataset.planning.names import file_name, low_quality_name
from utils.dataset.planning.split import assign_splits
from utils.sources.record import Record


@dataclass(frozen=True, slots=True)
class Planned:
    """One picture to write.

    Attributes:
        name: Its file name.
        label: Its class.
        split: Its split.
        record: Where it comes from; of a synthesized LOW_QUALITY picture, where its parent comes
            from.
        parent: The plan of the picture that a synthesized LOW_QUALITY picture is made from.
        variant: How often that parent was taken before.
    """

    name: str
    label: str
    split: str
    record: Record
    parent: "Planned | None" = None
    variant: int = 0

    @property
    def file(self) -> str:
        """Path of the written picture below the data set's folder."""
        return f"{self.split}/{self.label}/{self.name}"


def plan_pictures(
    records: Sequence[Record],
    unusable: Collection[str],
    seed: int,
    limit: int | None = None,
    component_of: Mapping[str, str] | None = None,
    copies: Collection[str] = (),
    *,
    allow_empty: bool = False,
) -> list[Planned]:
    """Choose one record per identity and give each its place.

    Args:
        records: The pictures offered; of two with one identity the first usable one counts.
        unusable: Originals that cannot be used.
        seed: Decides on splits, and on the order in which `limit` takes pictures.
        limit: Most pictures per class and split, lowest hash first; of real LOW_QUALITY pictures
            half of it, for synthesized ones to have the other half.
        component_of: The component of each group that is joined with others.
        copies: Originals of which a better copy is used; they still have a say in its split.
        allow_empty: Whether a class may stay empty.

    Raises:
        DatasetError: If a class cannot fill all three splits.
    """
    usable = [record for record in records if record.original not in unusable]
    splits = assign_splits(usable, seed, component_of, copies, allow_empty=allow_empty)
    usable = [record for record in usable if record.original not in copies]
    chosen: dict[str, Record] = {}
    for record in usable:
        chosen.setdefault(record.identity, record)
    planned = [
        Planned(file_name(record), record.label, splits[record.group], record)
        for record in chosen.values()
    ]
    return _limited(planned, seed, limit)


def plan_low_quality(
    pictures: Iterable[Planned],
    unfit: Collection[str],
    seed: int,
    ratio: float = 1.0,
    limit: int | None = None,
) -> list[Planned]:
    """Choose the parents of LOW_QUALITY, in every split its own, evenly from the other classes.

    A class with few pictures lends each of them several times, as further variants. Real
    LOW_QUALITY pictures lend nothing; within a limit they take the places of synthesized ones.

    Args:
        pictures: All other pictures, real ones of LOW_QUALITY among them.
        unfit: Names of parents that cannot be degraded.
        seed: Decides on the order in which parents are taken.
        ratio: Number of pictures to synthesize in a split, as a multiple of the mean number of
            pictures of the other classes there.
        limit: Most LOW_QUALITY pictures per split.
    """
    by_place: dict[tuple[str, str], list[Planned]] = defaultdict(list)
    for picture in sorted(pictures, key=lambda picture: _order(picture, seed)):
        by_place[picture.split, picture.label].append(picture)
    planned = []
    for split in SPLITS:
        available = [by_place[split, label] for label in COLLECTED_CLASSES]
        available = [parents for parents in available if parents]
        left = None if limit is None else limit - len(by_place[split, LOW_QUALITY])
        wanted = _wanted([len(parents) for parents in available], ratio, left)
        fit = [[parent for parent in parents if parent.name not in unfit] for parents in available]
        fit = [parents for parents in fit if parents]
        for number, parents in enumerate(fit):
            share = wanted // len(fit) + (number < wanted % len(fit))
            for index in range(share):
                variant, position = divmod(index, len(parents))
                planned.append(_low_quality(parents[position], variant))
    return planned


def _low_quality(parent: Planned, variant: int) -> Planned:
    name = low_quality_name(parent.name, variant)
    return Planned(name, LOW_QUALITY, parent.split, parent.record, parent, variant)


def _wanted(counts: list[int], ratio: float, limit: int | None) -> int:
    if not counts or not ratio:
        return 0
    wanted = max(1, round(ratio * sum(counts) / len(counts)))
    return wanted if limit is None else min(wanted, limit)


def _order(picture: Planned, seed: int) -> tuple[int, str]:
    return stable_hash(seed, picture.record.identity), picture.record.identity


def _limited(planned: list[Planned], seed: int, limit: int | None) -> list[Planned]:
    if limit is None:
        return planned
    taken: dict[tuple[str, str], int] = defaultdict(int)
    kept = []
    for picture in sorted(planned, key=lambda picture: _order(picture, seed)):
        place = picture.split, picture.label
        if taken[place] < ((limit + 1) // 2 if picture.label == LOW_QUALITY else limit):
            taken[place] += 1
            kept.append(picture)
    return kept
