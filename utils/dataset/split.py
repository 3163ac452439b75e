"""Records in, the split of every group out: by the publisher's word, else by the group's hash."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from utils.common.errors import DatasetError
from utils.common.labels import COLLECTED_CLASSES, SPLITS, TEST, TRAIN, VAL
from utils.common.seeds import stable_hash, uniform
from utils.sources.record import Record

TEST_SHARE = 0.15
VAL_SHARE = 0.15
"""Of the groups that are not test."""

FILL_SHARE = {
    TEST: TEST_SHARE,
    VAL: VAL_SHARE * (1 - TEST_SHARE),
    TRAIN: (1 - VAL_SHARE) * (1 - TEST_SHARE),
}
"""The share of a class's groups that an empty split is given."""

MIN_GROUPS = len(SPLITS)


class TooFewGroupsError(DatasetError):
    """A class that cannot fill train, val and test.

    Args:
        label: The class.
        num_groups: How many groups it has.
        remedy: What would fill it, as a request.
    """

    def __init__(self, label: str, num_groups: int, remedy: str = "") -> None:
        self.label = label
        self.num_groups = num_groups
        found = f"{label} has {num_groups} groups (patients, lesions or pictures)"
        super().__init__(
            f"No usable picture for {label}" if num_groups == 0 else found,
            expected=f"at least {MIN_GROUPS} groups, so that train, val and test each get one",
            todo=f"{remedy or 'Add a collection that fills it'}, or give --allow-empty",
        )


def assign_splits(
    records: Iterable[Record], seed: int, *, allow_empty: bool = False
) -> dict[str, str]:
    """Give every group one split.

    A group with a published test picture is test, else one with a published val picture is val;
    else the hash of (seed, group) draws among the splits that the publisher leaves open, so that
    no other collection has a say. A split that a class then lacks is filled with that class's
    lowest-hash groups.

    Args:
        records: The pictures, in any order.
        seed: Another seed is another draw.
        allow_empty: Whether a class may lack pictures or have too few groups.

    Returns:
        The split of each group.

    Raises:
        TooFewGroupsError: If a class has fewer than three groups.
        DatasetError: If a split cannot be filled.
    """
    records = list(records)
    open_splits: dict[str, set[str]] = {}
    for record in records:
        open_splits[record.group] = _strictest(open_splits.get(record.group), record.splits)
    splits = {group: _draw(group, seed, allowed) for group, allowed in open_splits.items()}
    labels_by_group: dict[str, set[str]] = defaultdict(set)
    for record in records:
        labels_by_group[record.group].add(record.label)
    for label in COLLECTED_CLASSES:
        groups = [group for group, labels in labels_by_group.items() if label in labels]
        if len(groups) >= MIN_GROUPS:
            _fill_empty_splits(label, groups, splits, labels_by_group, seed)
        elif not allow_empty:
            raise TooFewGroupsError(label, len(groups))
    return splits


def _strictest(known: set[str] | None, splits: tuple[str, ...]) -> set[str]:
    """Join what two pictures of one group leave open: what is fixed wins, test before val."""
    both = [known, set(splits)] if known else [set(splits)]
    for fixed in ({TEST}, {VAL}):
        if fixed in both:
            return fixed
    return set.intersection(*both)


def _draw(group: str, seed: int, allowed: set[str]) -> str:
    if allowed == {TEST} or (TEST in allowed and uniform(seed, group, TEST) < TEST_SHARE):
        return TEST
    if allowed == {VAL} or (VAL in allowed and uniform(seed, group, VAL) < VAL_SHARE):
        return VAL
    return TRAIN


def _fill_empty_splits(
    label: str,
    groups: list[str],
    splits: dict[str, str],
    labels_by_group: Mapping[str, set[str]],
    seed: int,
) -> None:
    """Move the lowest-hash groups of a class into the splits that it lacks."""
    groups = sorted(groups, key=lambda group: (stable_hash(seed, group), group))
    for empty in (TEST, VAL, TRAIN):
        if any(splits[group] == empty for group in groups):
            continue
        wanted = max(1, round(FILL_SHARE[empty] * len(groups)))
        for group in groups:
            if wanted and _can_leave(group, splits, labels_by_group):
                splits[group] = empty
                wanted -= 1
        if not any(splits[group] == empty for group in groups):
            raise DatasetError(
                f"No group of {label} can go to {empty} without emptying another split",
                todo="Add a collection that fills this class, or give --allow-empty",
            )


def _can_leave(
    group: str, splits: Mapping[str, str], labels_by_group: Mapping[str, set[str]]
) -> bool:
    """Tell whether every class of a group keeps another group in the split that it leaves."""
    left = Counter(
        label
        for other, split in splits.items()
        if split == splits[group] and other != group
        for label in labels_by_group[other]
    )
    return all(left[label] > 0 for label in labels_by_group[group])
