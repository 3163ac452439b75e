"""The plan takes each picture once, its limits are nested, and LOW_QUALITY is evenly drawn."""

import random
from collections import Counter, defaultdict

import pytest

from utils.common.labels import COLLECTED_CLASSES, LOW_QUALITY, SPLITS
from utils.common.seeds import stable_hash
from utils.dataset.planning.plan import Planned, plan_low_quality, plan_pictures
from utils.sources.record import Record


def made_up(rng: random.Random, least: int = 20, most: int = 60) -> list[Record]:
    return [
        Record("made", f"{label}/{n}.jpg", f"made/{label}/{n}", label, f"{label}/{n // 2}")
        for label in COLLECTED_CLASSES
        for n in range(rng.randrange(least, most))
    ]


def by_place(plan: list[Planned]) -> dict[tuple[str, str], list[Planned]]:
    places: dict[tuple[str, str], list[Planned]] = defaultdict(list)
    for planned in plan:
        places[planned.split, planned.label].append(planned)
    return places


def test_every_picture_is_planned_once_in_the_split_of_its_group() -> None:
    rng = random.Random(0)
    for seed in range(20):
        records = made_up(rng)
        plan = plan_pictures(records, (), seed)
        assert sorted(p.record.identity for p in plan) == sorted(r.identity for r in records)
        splits: dict[str, set[str]] = defaultdict(set)
        for planned in plan:
            splits[planned.record.group].add(planned.split)
            assert planned.label == planned.record.label
            assert planned.file == f"{planned.split}/{planned.label}/{planned.name}"
        assert all(len(found) == 1 for found in splits.values())


def test_of_one_identity_the_first_usable_record_counts() -> None:
    records = made_up(random.Random(1))
    copies = [Record("copy", f"copy/{r.original}", r.identity, r.label, r.group) for r in records]
    assert {p.record.source for p in plan_pictures([*records, *copies], (), 0)} == {"made"}
    broken = {record.original for record in records[::3]}
    plan = plan_pictures([*records, *copies], broken, 0)
    assert len(plan) == len(records)
    assert {p.record.identity for p in plan if p.record.source == "copy"} == {
        record.identity for record in records[::3]
    }


def test_the_limit_takes_the_lowest_hashes_and_is_nested() -> None:
    rng = random.Random(2)
    for seed in range(10):
        records = made_up(rng)
        whole = by_place(plan_pictures(records, (), seed))
        for limit in (1, 5, 10, 1000):
            limited = by_place(plan_pictures(rng.sample(records, len(records)), (), seed, limit))
            for place, planned in whole.items():
                ordered = sorted(planned, key=lambda p: stable_hash(seed, p.record.identity))
                expected = {p.file for p in ordered[:limit]}
                assert {p.file for p in limited[place]} == expected


class TestLowQuality:
    @pytest.mark.parametrize("ratio", [0.25, 1.0, 2.5])
    def test_counts_parents_and_splits(self, ratio: float) -> None:
        rng = random.Random(3)
        for seed in range(10):
            plan = plan_pictures(made_up(rng), (), seed)
            degraded = plan_low_quality(plan, (), seed, ratio)
            assert {planned.label for planned in degraded} == {LOW_QUALITY}
            assert len({planned.name for planned in degraded}) == len(degraded)
            for split in SPLITS:
                others = [planned for planned in plan if planned.split == split]
                here = [planned for planned in degraded if planned.split == split]
                assert len(here) == max(1, round(ratio * len(others) / len(COLLECTED_CLASSES)))
                parents = Counter(p.parent.label for p in here if p.parent)
                assert max(parents.values()) - min(parents[c] for c in COLLECTED_CLASSES) <= 1
                assert all(p.parent in others for p in here)
                assert all(p.parent and p.record == p.parent.record for p in here)

    def test_no_parent_lends_twice_while_another_of_its_class_has_not(self) -> None:
        plan = plan_pictures(made_up(random.Random(4)), (), 0)
        degraded = plan_low_quality(plan, (), 0, 3.0)
        taken = Counter(planned.parent.file for planned in degraded if planned.parent)
        for place, parents in by_place(plan).items():
            counts = [taken[parent.file] for parent in parents]
            assert max(counts) - min(counts) <= 1, place

    def test_unfit_parents_are_replaced_by_others_of_the_same_class(self) -> None:
        plan = plan_pictures(made_up(random.Random(5)), (), 0)
        before = plan_low_quality(plan, (), 0, 0.5)
        unfit = {planned.parent.name for planned in before[::3] if planned.parent}
        after = plan_low_quality(plan, unfit, 0, 0.5)
        assert not {planned.parent.name for planned in after if planned.parent} & unfit
        assert Counter(p.split for p in after) == Counter(p.split for p in before)

    def test_the_order_of_the_pictures_does_not_matter(self) -> None:
        rng = random.Random(6)
        plan = plan_pictures(made_up(rng), (), 0)
        files = [planned.file for planned in plan_low_quality(plan, (), 0)]
        shuffled = rng.sample(plan, len(plan))
        assert [planned.file for planned in plan_low_quality(shuffled, (), 0)] == files

    def test_the_limit_holds_for_it_too(self) -> None:
        plan = plan_pictures(made_up(random.Random(7)), (), 0, 3)
        counts = Counter(planned.split for planned in plan_low_quality(plan, (), 0, 5.0, 3))
        assert counts == dict.fromkeys(SPLITS, 3)

    def test_none_is_none(self) -> None:
        plan = plan_pictures(made_up(random.Random(8)), (), 0)
        assert plan_low_quality(plan, (), 0, 0.0) == []
        assert plan_low_quality([], (), 0) == []
