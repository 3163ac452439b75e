"""No group is ever in two splits, and what a publisher calls test stays test."""

import random
from collections import Counter, defaultdict

import pytest

from utils.common.errors import DatasetError
from utils.common.labels import COLLECTED_CLASSES, DERM, DERM_CLINIC, PAN, SPLITS, TEST, TRAIN, VAL
from utils.dataset.planning.split import TooFewGroupsError, assign_splits
from utils.sources.record import (
    ANY_SPLIT,
    TEST_ONLY,
    TRAIN_ONLY,
    TRAIN_OR_VAL,
    VAL_ONLY,
    Record,
)

ROUNDS = 60


def record(label: str, group: str, splits: tuple[str, ...] = ANY_SPLIT, name: str = "") -> Record:
    identity = f"{group}/{label}/{name}"
    return Record("made", f"{identity}.jpg", identity, label, group, splits)


def made_up(rng: random.Random, collection: str, least: int, most: int) -> list[Record]:
    """Return the records of a collection: groups of up to five pictures of one or two classes."""
    records = []
    for label in COLLECTED_CLASSES:
        published = rng.choice([(ANY_SPLIT,), (TRAIN_OR_VAL, TEST_ONLY), (ANY_SPLIT, TEST_ONLY),
                                (TRAIN_ONLY, VAL_ONLY, TEST_ONLY, ANY_SPLIT)])  # fmt: skip
        for number in range(rng.randrange(least, most)):
            group = f"{collection}/{label}/{number}"
            splits = rng.choice(published)
            for picture in range(rng.randrange(1, 6)):
                records.append(record(label, group, splits, f"{picture}"))
                if label == DERM and number % 3 == 0:
                    records.append(record(DERM_CLINIC, group, splits, f"{picture}"))
    return records


def splits_by_label(records: list[Record], splits: dict[str, str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for item in records:
        found[item.label].add(splits[item.group])
    return found


def unfilled(records: list[Record], seed: int) -> dict[str, str]:
    """Return what each record's own group is drawn into where nothing is filled."""
    return {
        group: split
        for item in records
        for group, split in assign_splits([item], seed, allow_empty=True).items()
    }


def test_every_group_has_one_split_and_every_class_all_three() -> None:
    rng = random.Random(0)
    for seed in range(ROUNDS):
        records = made_up(rng, "a", 4, 30)
        splits = assign_splits(records, seed)
        assert set(splits) == {item.group for item in records}
        assert all(found == set(SPLITS) for found in splits_by_label(records, splits).values())


def test_published_test_stays_test_and_published_val_stays_val() -> None:
    for seed in range(ROUNDS):
        records = [
            record(label, f"{label}/{number}", splits)
            for label in COLLECTED_CLASSES
            for number, splits in enumerate([TRAIN_OR_VAL] * 6 + [TEST_ONLY] * 3 + [VAL_ONLY])
        ]
        splits = assign_splits(records, seed)
        for item in records:
            if len(item.splits) == 1:
                assert splits[item.group] == item.splits[0]


def test_an_empty_val_is_filled_from_train_and_not_from_the_published_test() -> None:
    for seed in range(ROUNDS):
        records = [
            record(label, f"{label}/{number}", TRAIN_OR_VAL if number < 5 else TEST_ONLY)
            for label in COLLECTED_CLASSES
            for number in range(10)
        ]
        splits = assign_splits(records, seed)
        moved = [r.group for r in records if r.splits == TEST_ONLY and splits[r.group] != TEST]
        assert moved == []


@pytest.mark.parametrize("others", [ANY_SPLIT, TRAIN_OR_VAL, TRAIN_ONLY, VAL_ONLY])
def test_a_group_with_a_published_test_picture_is_test_whole(others: tuple[str, ...]) -> None:
    base = [
        record(label, f"{label}/{number}", splits)
        for label in COLLECTED_CLASSES
        for number, splits in enumerate([*[ANY_SPLIT] * 30, VAL_ONLY, TEST_ONLY])
    ]
    for seed in range(20):
        mixed = [record(DERM, "patient", others, "1"), record(PAN, "patient", TEST_ONLY, "2")]
        for pair in (mixed, mixed[::-1]):
            assert assign_splits([*base, *pair], seed)["patient"] == TEST


def test_what_was_published_as_training_is_never_drawn_into_test() -> None:
    records = [
        record(label, f"{label}/{number}", splits)
        for label in COLLECTED_CLASSES
        for number, splits in enumerate([TRAIN_OR_VAL] * 300 + [TEST_ONLY] * 3 + [TRAIN_ONLY] * 50)
    ]
    splits = assign_splits(records, 0)
    assert {splits[item.group] for item in records if item.splits == TRAIN_OR_VAL} == {TRAIN, VAL}
    assert {splits[item.group] for item in records if item.splits == TRAIN_ONLY} == {TRAIN}


def test_the_order_of_the_records_does_not_matter() -> None:
    rng = random.Random(1)
    for seed in range(ROUNDS):
        records = made_up(rng, "a", 4, 20)
        shuffled = rng.sample(records, len(records))
        assert assign_splits(shuffled, seed) == assign_splits(records, seed)


def test_adding_a_collection_moves_nothing_that_was_filled() -> None:
    rng = random.Random(2)
    num_compared = 0
    for seed in range(20):
        records = made_up(rng, "a", 60, 90)
        before = unfilled(records, seed)
        splits = assign_splits(records, seed)
        if any(before[item.group] != splits[item.group] for item in records):
            continue
        num_compared += 1
        more = [*made_up(rng, "b", 4, 30), *records, *made_up(rng, "c", 4, 30)]
        after = assign_splits(more, seed)
        assert {group: after[group] for group in splits} == splits
    assert num_compared >= 10


def test_the_drawn_shares_are_about_15_percent() -> None:
    records = [
        record(label, f"{label}/{number}") for label in COLLECTED_CLASSES for number in range(4000)
    ]
    for seed in (0, 1):
        splits = assign_splits(records, seed)
        for label in COLLECTED_CLASSES:
            counts = Counter(splits[f"{label}/{number}"] for number in range(4000))
            assert abs(counts[TEST] / 4000 - 0.15) < 0.02
            assert abs(counts[VAL] / (counts[VAL] + counts[TRAIN]) - 0.15) < 0.02


def test_another_seed_is_another_draw() -> None:
    records = [
        record(label, f"{label}/{number}") for label in COLLECTED_CLASSES for number in range(50)
    ]
    assert assign_splits(records, 0) == assign_splits(records, 0)
    assert assign_splits(records, 0) != assign_splits(records, 1)


class TestFilling:
    @pytest.mark.parametrize("num_groups", [3, 4, 5, 8])
    @pytest.mark.parametrize("splits", [ANY_SPLIT, TRAIN_OR_VAL, TEST_ONLY, TRAIN_ONLY, VAL_ONLY])
    def test_three_groups_are_enough(self, num_groups: int, splits: tuple[str, ...]) -> None:
        for seed in range(20):
            records = [
                record(label, f"{label}/{number}", splits)
                for label in COLLECTED_CLASSES
                for number in range(num_groups)
            ]
            found = splits_by_label(records, assign_splits(records, seed))
            assert all(splits == set(SPLITS) for splits in found.values())

    def test_three_groups_are_enough_where_two_classes_share_them(self) -> None:
        rng = random.Random(3)
        rest = [record(label, f"{label}/{n}") for label in COLLECTED_CLASSES[2:] for n in range(9)]
        for seed in range(200):
            labels = [(DERM, DERM_CLINIC)] * rng.randrange(1, 5)
            labels += [(DERM,)] * rng.randrange(4) + [(DERM_CLINIC,)] * rng.randrange(4)
            records = rest + [
                record(label, f"patient {number}", rng.choice([ANY_SPLIT, TRAIN_OR_VAL]))
                for number, both in enumerate(labels)
                for label in both
            ]
            counts = Counter(label for both in labels for label in both)
            if min(counts[DERM], counts[DERM_CLINIC]) < 3:
                continue
            found = splits_by_label(records, assign_splits(records, seed))
            assert all(splits == set(SPLITS) for splits in found.values())

    def test_the_lowest_hash_groups_fill_the_empty_split_whatever_the_order(self) -> None:
        records = [
            record(label, f"{label}/{n}", TRAIN_ONLY)
            for label in COLLECTED_CLASSES
            for n in range(40)
        ]
        splits = assign_splits(records, 0)
        assert splits == assign_splits(records[::-1], 0)
        for label in COLLECTED_CLASSES:
            counts = Counter(splits[f"{label}/{number}"] for number in range(40))
            assert abs(counts[TEST] - 6) <= 1
            assert abs(counts[VAL] - 5) <= 1

    def test_a_class_that_can_be_filled_is_filled_even_if_another_may_stay_empty(self) -> None:
        records = [record(DERM, f"{number}", TRAIN_ONLY) for number in range(3)]
        splits = assign_splits(records, 0, allow_empty=True)
        assert set(splits.values()) == set(SPLITS)


class TestTooFewGroups:
    @pytest.mark.parametrize("num_groups", [0, 1, 2])
    @pytest.mark.parametrize("label", COLLECTED_CLASSES)
    def test_the_run_stops_and_names_the_class(self, label: str, num_groups: int) -> None:
        records = [
            record(other, f"{other}/{number}", name=str(picture))
            for other in COLLECTED_CLASSES
            for number in range(num_groups if other == label else 9)
            for picture in range(5)
        ]
        with pytest.raises(TooFewGroupsError) as caught:
            assign_splits(records, 0)
        assert (caught.value.label, caught.value.num_groups) == (label, num_groups)
        found = (
            f"{label} has {num_groups} groups (patients, lesions or pictures)"
            if num_groups
            else f"No usable picture for {label}"
        )
        assert str(caught.value) == (
            f"{found}. Expected at least 3 groups, so that train, val and test each get one. "
            "Add a collection that fills it, or give --allow-empty."
        )
        assert set(assign_splits(records, 0, allow_empty=True)) == {r.group for r in records}


def test_a_split_that_no_group_can_fill_stops_the_run_unless_it_may_stay_empty() -> None:
    """Each of the three groups is the only one of another class in its split."""
    pairs = [(DERM, other) for other in COLLECTED_CLASSES if other != DERM]
    assert len(pairs) >= 3
    records = [
        record(label, f"patient {number}", TRAIN_ONLY)
        for number, pair in enumerate(pairs)
        for label in pair
    ]
    with pytest.raises(DatasetError) as caught:
        assign_splits(records, 0)
    assert str(caught.value) == (
        f"No group of {DERM} can go to test without emptying another split. Add a collection that "
        "fills this class, or give --allow-empty."
    )
    assert set(assign_splits(records, 0, allow_empty=True).values()) == {TRAIN}
