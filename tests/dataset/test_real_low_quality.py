"""Real LOW_QUALITY pictures are test pictures, and training pictures only if asked for."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.errors import DatasetError
from utils.common.labels import CLASSES, COLLECTED_CLASSES, LOW_QUALITY, SPLITS, TEST
from utils.dataset.output.manifest import REAL, ManifestRow, read_manifest
from utils.dataset.planning.plan import plan_low_quality, plan_pictures
from utils.dataset.planning.real_low_quality import NONE_WANTED, TRAINING, hold_back
from utils.dataset.recipe import Recipe
from utils.dataset.settings import DatasetSettings
from utils.dataset.update import update_dataset
from utils.sources import collect
from utils.sources.catalog import SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.record import ANY_SPLIT, TEST_ONLY, TRAIN_OR_VAL, VAL_ONLY, Record

VOTES = '{"blurred": 5}'


def poor(number: int, splits: tuple[str, ...]) -> Record:
    name = f"made/poor {number}"
    return Record("made", f"{name}.jpg", name, LOW_QUALITY, name, splits, votes=VOTES)


def good(label: str, number: int) -> Record:
    name = f"made/{label} {number}"
    return Record("made", f"{name}.jpg", name, label, name)


RECORDS = [good(label, number) for label in COLLECTED_CLASSES for number in range(100)]


class TestHoldBack:
    OPEN = (TRAIN_OR_VAL, VAL_ONLY, TEST_ONLY, ANY_SPLIT)

    def test_without_being_asked_for_they_are_test_pictures(self) -> None:
        offered = [poor(number, splits) for number, splits in enumerate(self.OPEN)]
        kept, left_out, notes = hold_back([*RECORDS, *offered], Recipe())
        assert kept[: len(RECORDS)] == RECORDS
        assert kept[len(RECORDS) :] == [replace(record, splits=TEST_ONLY) for record in offered[2:]]
        assert [left.original for left in left_out] == [record.original for record in offered[:2]]
        assert notes == [f"made: 2 left out ({TRAINING})"]

    def test_asked_for_they_go_where_their_publisher_has_them(self) -> None:
        offered = [*RECORDS, *(poor(number, splits) for number, splits in enumerate(self.OPEN))]
        assert hold_back(offered, Recipe(real_low_quality=True)) == (offered, [], [])

    @pytest.mark.parametrize("is_asked", [False, True])
    def test_a_data_set_without_the_class_has_none(self, is_asked: bool) -> None:
        recipe = Recipe(low_quality=0, real_low_quality=is_asked)
        kept, left_out, notes = hold_back([*RECORDS, poor(1, TEST_ONLY)], recipe)
        assert (kept, [left.rule for left in left_out]) == (RECORDS, [NONE_WANTED])
        assert len(notes) == 1


class TestLimit:
    @pytest.mark.parametrize("limit", [1, 2, 5, 8, 20, 1000])
    def test_real_and_synthesized_ones_share_it(self, limit: int) -> None:
        records = [*RECORDS, *(poor(number, TEST_ONLY) for number in range(30))]
        plan = plan_pictures(records, (), 0, limit)
        made = plan_low_quality(plan, (), 0, limit=limit)
        counts = Counter((one.split, one.label, one.parent is None) for one in [*plan, *made])
        for split in SPLITS:
            both = [counts[split, LOW_QUALITY, is_real] for is_real in (True, False)]
            assert sum(both) <= limit
            assert both[0] == (min(30, (limit + 1) // 2) if split == TEST else 0)
            assert both[1] or limit == 1
        assert not [one for one in made if one.parent and one.parent.label == LOW_QUALITY]

    def test_without_a_limit_they_come_on_top(self) -> None:
        alone = plan_low_quality(plan_pictures(RECORDS, (), 0), (), 0)
        records = [*RECORDS, *(poor(number, TEST_ONLY) for number in range(30))]
        assert plan_low_quality(plan_pictures(records, (), 0), (), 0) == alone


Made = Callable[..., tuple[list[ManifestRow], str]]


class TestDataSet:
    @pytest.fixture
    def made(self, drawn_all_data: Path, tmp_path: Path) -> Made:
        """Give a function that builds a data set of the drawn collections."""

        def make(*names: str, **flags: object) -> tuple[list[ManifestRow], str]:
            chosen = collect.choose_sources(names) if names else SOURCES
            tree = FileTree.scan(drawn_all_data)
            collected = collect.read_all(chosen, tree)
            settings = DatasetSettings(
                str(drawn_all_data),
                str(tmp_path / "DATASET"),
                image_size=64,
                workers=1,
                allow_empty=True,
                **flags,  # type: ignore[arg-type]
            )
            told = update_dataset(collected.records, collected.left_out, settings, tree.originals)
            return list(read_manifest(tmp_path / "DATASET")), told

        return make

    def test_a_real_one_has_votes_and_no_parent(self, made: Made) -> None:
        rows, told = made("vizwiz")
        real = [row for row in rows if row.degradation == REAL]
        assert real
        for row in real:
            assert (row.label, row.split, row.source) == (LOW_QUALITY, TEST, "vizwiz")
            assert (row.parent, row.severity) == ("", None)
            assert max(json.loads(row.parameters).values()) >= 4
        for row in rows:
            if row.label == LOW_QUALITY and row not in real:
                assert row.parent
                assert row.severity
        assert f"left out ({TRAINING})" in told

    def test_asked_for_they_are_training_pictures_as_well(self, made: Made) -> None:
        default, _ = made("vizwiz")
        rows, told = made("vizwiz", real_low_quality=True)
        real = Counter(row.split for row in rows if row.degradation == REAL)
        assert real[TEST] == sum(row.degradation == REAL for row in default)
        assert real.total() > real[TEST]
        assert TRAINING not in told

    def test_none_is_left_out_for_being_poor(self, made: Made, drawn_all_data: Path) -> None:
        tree = FileTree.scan(drawn_all_data)
        records = collect.read_all(collect.choose_sources(["vizwiz"]), tree).records
        rows, _ = made("vizwiz", real_low_quality=True, min_size=400)
        found = {row.original for row in rows if row.degradation == REAL}
        assert found == {record.original for record in records if record.label == LOW_QUALITY}

    def test_every_file_is_accounted_for_and_a_second_run_changes_nothing(self, made: Made) -> None:
        _, told = made("vizwiz", "pad_ufes_20")
        (line,) = (line.split() for line in told.splitlines() if line.startswith("vizwiz  "))
        read, *fates = map(int, line[1:])
        assert read == sum(fates)
        assert "Of LOW_QUALITY 1 are real, the others synthesized" in told
        _, again = made("vizwiz", "pad_ufes_20")
        assert again.startswith(told.rpartition("\n")[0])
        assert "No picture written: " in again

    def test_a_manifest_that_gives_a_real_one_a_parent_is_refused(
        self, made: Made, tmp_path: Path
    ) -> None:
        rows, _ = made("vizwiz")
        parent = next(row.parent for row in rows if row.parent and row.split == TEST)
        manifest = tmp_path / "DATASET/manifest.csv"
        manifest.write_text(manifest.read_text().replace(f",,{REAL},", f",{parent},{REAL},"))
        with pytest.raises(DatasetError, match="nothing, for the picture is real"):
            read_manifest(tmp_path / "DATASET")

    def test_with_all_collections_every_class_fills_every_split(self, made: Made) -> None:
        rows, _ = made()
        assert {(row.split, row.label) for row in rows} == {
            (split, label) for split in SPLITS for label in CLASSES
        }
        with_synthesized = Counter(row.split for row in rows if row.label == LOW_QUALITY)
        assert all(with_synthesized[split] for split in SPLITS)
