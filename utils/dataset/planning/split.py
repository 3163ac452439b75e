"""Split groups of records: by the publisher's word, else by the group's hash."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache

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

Choice = frozenset[str]
"""Some of the splits; the same few objects for any number of groups."""

ANY = frozenset(SPLITS)

STRICTNESS = (TEST, VAL, TRAIN)
"""Where joined pictures disagree, the first of these that one of them has."""


class TooFewGroupsError(DatasetError):
    """A class that cannot fill train, val and test.

    Args:
        label: The class.
        num_groups: How many groups it has.
        remedy: What would fill it, as a request.
    """

    def __init__(
        self, label: str, num_groups: int, remedy: str = "Add a collection that fills it"
    ) -> None:
        self.label = label
        self.num_groups = num_groups
        found = f"{label} has {num_groups} groups (patients, lesions or pictures)"
        super().__init__(
            found if num_groups else f"No usable picture for {label}",
            expected=f"at least {MIN_GROUPS} groups, so that train, val and test each get one",
            todo=f"{remedy}, or give --allow-empty",
        )

    def with_remedy(self, remedy: str) -> "TooFewGroupsError":
        """Return the same error with a better word on what to do."""
        return TooFewGroupsError(self.label, self.num_groups, remedy)


def assign_splits(
    records: Sequence[Record],
    seed: int,
    component_of: Mapping[str, str] | None = None,
    copies: Collection[str] = (),
    *,
    allow_empty: bool = False,
) -> dict[str, str]:
    """Give every group one split.

    A group with a published test picture is test, else one with a published val picture is val;
    else the hash of (seed, group) draws among the splits that the publisher leaves open, so that
    no other collection has a say. Groups of one component all take the strictest split among
    them, test before val before train. A split that a class then lacks is filled with that
    class's lowest-hash components.

    Args:
        records: The pictures, in any order.
        seed: Another seed is another draw.
        component_of: The component of each group that is joined with others.
        copies: Originals that have a say in their component's split, but fill none.
        allow_empty: Whether a class may lack pictures, have too few groups or leave a split empty.

    Returns:
        The split of each group.

    Raises:
        TooFewGroupsError: If a class has fewer than three components.
        DatasetError: If a split cannot be filled.
    """
    component_of = component_of or {}
    open_splits = _open_splits(records)
    splits: dict[str, str] = {}
    may_be: dict[str, Choice] = {}
    for group, allowed in open_splits.items():
        component, split = component_of.get(group, group), _draw(group, seed, allowed)
        splits[component] = min(splits.get(component, split), split, key=STRICTNESS.index)
        may_be[component] = _shared(may_be.get(component, ANY) & allowed)
    labels: dict[str, frozenset[str]] = {}
    for record in records:
        if record.original not in copies:
            component = component_of.get(record.group, record.group)
            labels[component] = _shared(labels.get(component, frozenset()) | {record.label})
    for label in COLLECTED_CLASSES:
        components = [component for component, held in labels.items() if label in held]
        if len(components) >= MIN_GROUPS:
            empty = _fill_empty_splits(label, components, splits, may_be, labels, seed)
            if empty and not allow_empty:
                raise DatasetError(
                    f"No group of {label} can go to {empty[0]} without emptying another split",
                    todo="Add a collection that fills this class, or give --allow-empty",
                )
        elif not allow_empty:
            raise TooFewGroupsError(label, len(components))
    return {group: splits[component_of.get(group, group)] for group in open_splits}


@cache
def _shared(names: frozenset[str]) -> frozenset[str]:
    """Return the one object that stands for all equal ones, for there may be very many."""
    return names


def draw_splits(records: Iterable[Record], seed: int) -> dict[str, str]:
    """Give every group the split of its publisher or its hash, whatever else is there."""
    return {group: _draw(group, seed, allowed) for group, allowed in _open_splits(records).items()}


def _open_splits(records: Iterable[Record]) -> dict[str, Choice]:
    """Return the splits that the publisher leaves open to each group."""
    open_splits: dict[str, Choice] = {}
    for record in records:
        known = open_splits.get(record.group, ANY)
        open_splits[record.group] = _shared(_strictest(known, frozenset(record.splits)))
    return open_splits


def _strictest(one: Choice, other: Choice) -> Choice:
    """Join what two pictures of one group leave open: what is fixed wins, test before val."""
    for fixed in (frozenset({TEST}), frozenset({VAL})):
        if fixed in (one, other):
            return fixed
    return one & other


def _draw(group: str, seed: int, allowed: Choice) -> str:
    if allowed == {TEST} or (TEST in allowed and uniform(seed, group, TEST) < TEST_SHARE):
        return TEST
    if allowed == {VAL} or (VAL in allowed and uniform(seed, group, VAL) < VAL_SHARE):
        return VAL
    return TRAIN


def _fill_empty_splits(
    label: str,
    components: list[str],
    splits: dict[str, str],
    may_be: Mapping[str, Choice],
    labels: Mapping[str, frozenset[str]],
    seed: int,
) -> list[str]:
    """Move the lowest-hash components of a class into the splits that it lacks.

    Those go first to which the publisher leaves that split open, so that a published test stays
    test as long as there is another way. None moves twice, and none leaves a split in which one
    of its classes would have no other left.

    Returns:
        The splits that stay empty.
    """
    ordered = sorted(components, key=lambda component: (stable_hash(seed, component), component))
    held = Counter((splits[component], held) for component in labels for held in labels[component])
    moved: set[str] = set()
    for empty in STRICTNESS:
        if held[empty, label]:
            continue
        wanted = max(1, round(FILL_SHARE[empty] * len(ordered)))
        for is_open in (True, False):
            if not is_open and held[empty, label]:
                break
            for component in ordered:
                left = splits[component]
                if (
                    wanted
                    and component not in moved
                    and (empty in may_be[component]) == is_open
                    and all(held[left, other] > 1 for other in labels[component])
                ):
                    held.update((empty, other) for other in labels[component])
                    held.subtract((left, other) for other in labels[component])
                    splits[component] = empty
                    moved.add(component)
                    wanted -= 1
    return [split for split in STRICTNESS if not held[split, label]]
