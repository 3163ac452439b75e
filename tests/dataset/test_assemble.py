"""The data set on disk: same bytes however it came about, whole after any interruption."""

import csv
import errno
import hashlib
import io
import json
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from utils.common.disk.location import Location, Originals
from utils.common.errors import DatasetError, OutputError
from utils.common.labels import CLASSES, COLLECTED_CLASSES, LOW_QUALITY, OTHER, SPLITS, TEST
from utils.common.pictures import write_jpeg
from utils.common.seeds import stable_hash
from utils.dataset.assemble import assemble
from utils.dataset.output.manifest import MANIFEST_NAME, REAL, read_manifest
from utils.dataset.output.workspace import STATE_NAME, Workspace
from utils.dataset.recipe import Recipe
from utils.quality.degrade import reapply
from utils.sources.files.tree import FileTree
from utils.sources.record import TEST_ONLY, Record


def pictures(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for split in SPLITS for path in (folder / split).rglob("*.*"))
    return sorted(path.as_posix() for path in found)


class TestTheDrawnDataSet:
    """What the requirement promises of every data set, on all drawn collections."""

    def test_the_manifest_lists_exactly_what_is_there(self, drawn_dataset: Path) -> None:
        rows = list(read_manifest(drawn_dataset))
        assert [row.file for row in rows] == pictures(drawn_dataset)
        assert all("\\" not in row.file and not row.file.startswith("/") for row in rows)

    def test_every_split_of_every_class_is_filled(self, drawn_dataset: Path) -> None:
        counts = Counter((row.split, row.label) for row in read_manifest(drawn_dataset))
        assert set(counts) == {(split, label) for split in SPLITS for label in CLASSES}

    def test_the_path_tells_split_and_class(self, drawn_dataset: Path) -> None:
        for row in read_manifest(drawn_dataset):
            assert row.file.split("/")[:2] == [row.split, row.label]
            assert row.file.count("/") == 2

    def test_every_picture_is_an_rgb_jpeg_of_the_right_size_and_the_noted_bytes(
        self, drawn_dataset: Path
    ) -> None:
        for row in read_manifest(drawn_dataset):
            content = (drawn_dataset / row.file).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row.sha256
            with Image.open(io.BytesIO(content)) as image:
                assert (image.format, image.mode) == ("JPEG", "RGB")
                assert image.size == (row.width, row.height)
                assert min(image.size) == 256
                assert not image.getexif()

    def test_the_originals_are_the_noted_ones(
        self, drawn_dataset: Path, drawn_all_data: Path
    ) -> None:
        for row in read_manifest(drawn_dataset):
            content = (drawn_all_data / row.original).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row.original_sha256
            with Image.open(io.BytesIO(content)) as image:
                assert image.format == row.original_format
                assert image.size == (row.original_width, row.original_height)
                tables = getattr(image, "quantization", {})
            assert row.original_tables == " ".join(str(sum(tables[key])) for key in sorted(tables))

    def test_no_group_is_in_two_splits(self, drawn_dataset: Path) -> None:
        splits: dict[str, set[str]] = defaultdict(set)
        for row in read_manifest(drawn_dataset):
            splits[row.group].add(row.split)
            splits[row.component].add(row.split)
        assert [group for group, found in splits.items() if len(found) > 1] == []

    def test_no_original_is_used_twice_but_for_low_quality(self, drawn_dataset: Path) -> None:
        rows = [row for row in read_manifest(drawn_dataset) if row.label != LOW_QUALITY]
        assert len({row.original for row in rows}) == len(rows)
        assert len({row.original_sha256 for row in rows}) == len(rows)

    def test_the_same_isic_id_is_used_once(self, drawn_dataset: Path) -> None:
        rows = [row for row in read_manifest(drawn_dataset) if row.source.startswith("isic_")]
        ids = Counter(
            Path(row.original).stem.removesuffix("_downsampled")
            for row in rows
            if row.label != LOW_QUALITY
        )
        assert ids
        assert set(ids.values()) == {1}
        assert "ISIC_0035068" not in ids

    def test_published_test_pictures_are_test(
        self, drawn_dataset: Path, drawn_records: list[Record]
    ) -> None:
        published = {record.original for record in drawn_records if record.splits == TEST_ONLY}
        found = {row.split for row in read_manifest(drawn_dataset) if row.original in published}
        assert found == {"test"}

    def test_low_quality_lies_in_the_split_of_its_parent(self, drawn_dataset: Path) -> None:
        by_file = {row.file: row for row in read_manifest(drawn_dataset)}
        for row in by_file.values():
            if row.label != LOW_QUALITY:
                assert (row.parent, row.degradation, row.severity, row.parameters) == (
                    "", "", None, "",
                )  # fmt: skip
                continue
            if row.degradation == REAL:
                continue
            parent = by_file[row.parent]
            assert parent.label in COLLECTED_CLASSES
            assert (parent.split, parent.group, parent.original) == (
                row.split, row.group, row.original,
            )  # fmt: skip
            assert (parent.width, parent.height) == (row.width, row.height)
            assert row.severity in range(1, 6)
            assert row.degradation.split("+")
            assert isinstance(json.loads(row.parameters), dict)

    def test_every_class_lends_parents_evenly(self, drawn_dataset: Path) -> None:
        rows = list(read_manifest(drawn_dataset))
        for split in SPLITS:
            parents = Counter(
                row.parent.split("/")[1] for row in rows if row.parent and row.split == split
            )
            assert max(parents.values()) - min(parents[label] for label in COLLECTED_CLASSES) <= 1
            others = sum(row.split == split and row.label in COLLECTED_CLASSES for row in rows)
            assert parents.total() == max(1, round(others / len(COLLECTED_CLASSES)))

    def test_a_degraded_picture_can_be_made_again_from_its_row(self, drawn_dataset: Path) -> None:
        rows = [row for row in read_manifest(drawn_dataset) if row.parent]
        assert rows
        for row in rows:
            with Image.open(drawn_dataset / row.parent) as image:
                parent = np.asarray(image.convert("RGB"))
            again = reapply(parent, row.degradation, row.severity, row.parameters)
            assert hashlib.sha256(write_jpeg(Image.fromarray(again))).hexdigest() == row.sha256
            assert (
                row.sha256 != hashlib.sha256((drawn_dataset / row.parent).read_bytes()).hexdigest()
            )

    def test_there_is_a_contact_sheet_and_nothing_left_staged(self, drawn_dataset: Path) -> None:
        with Image.open(drawn_dataset / "contact_sheet.png") as sheet:
            assert sheet.format == "PNG"
            assert np.asarray(sheet).std() > 10
        assert not list((drawn_dataset / STATE_NAME).rglob("*.jpg"))
        assert not list(drawn_dataset.rglob("*.partial"))


class TestSameBytes:
    def test_the_number_of_workers_changes_nothing(
        self, tmp_path: Path, build, small_all_data, snapshot
    ) -> None:
        for workers in (1, 2):
            build(tmp_path / str(workers), *small_all_data, workers=workers)
        assert snapshot(tmp_path / "1") == snapshot(tmp_path / "2")

    def test_the_order_of_the_records_changes_nothing(
        self, tmp_path: Path, build, small_all_data, snapshot
    ) -> None:
        root, records = small_all_data
        build(tmp_path / "1", root, records)
        build(tmp_path / "2", root, records[::-1])
        assert snapshot(tmp_path / "1") == snapshot(tmp_path / "2")

    def test_another_seed_is_another_data_set(self, tmp_path: Path, build, small_all_data) -> None:
        manifests = set()
        for seed in (0, 1):
            build(tmp_path / str(seed), *small_all_data, seed=seed)
            manifests.add((tmp_path / str(seed) / MANIFEST_NAME).read_bytes())
        assert len(manifests) == 2


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, small_all_data, snapshot) -> dict[str, bytes]:
    """Return the small data set as a run makes it that nothing stops."""
    folder = tmp_path_factory.mktemp("undisturbed")
    all_data, records = small_all_data
    with Workspace(folder) as workspace:
        assemble(
            records, Originals(all_data), workspace, Recipe(image_size=64, min_size=32, workers=1)
        )
    return snapshot(folder)


class TestInterruption:
    @pytest.mark.slow
    @pytest.mark.parametrize(("workers", "at"), [(1, 0), (1, 1), (1, 4), (1, 5), (2, 1), (2, 3)])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_stop_while_preparing(
        self, tmp_path: Path, monkeypatch, build, small_all_data, snapshot, undisturbed,
        workers: int, at: int, when: str,
    ) -> None:  # fmt: skip
        note, noted, calls = Workspace.note, [], []

        def interrupted(self: Workspace, results) -> None:
            results = list(results)
            calls.append(len(results))
            stop = len(calls) == at + 1
            if stop and when == "before":
                raise KeyboardInterrupt
            note(self, results)
            noted.extend(result.key for result in results)
            if stop:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Workspace, "note", interrupted)
            with pytest.raises(KeyboardInterrupt):
                build(tmp_path, *small_all_data, workers=workers)
            assert pictures(tmp_path) == []
            assert not (tmp_path / MANIFEST_NAME).exists()
            finished = set(noted)
            noted.clear()
            calls.extend([0] * 100)
            build(tmp_path, *small_all_data, workers=workers)
        assert snapshot(tmp_path) == undisturbed
        assert not finished & set(noted)

    @pytest.mark.parametrize("at", [0, 1, 7, 30])
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
    def test_a_stop_while_moving_into_place(
        self, tmp_path: Path, monkeypatch, build, small_all_data, snapshot, undisturbed,
        at: int, error: BaseException,
    ) -> None:  # fmt: skip
        replace_file, moved = Path.replace, []

        def interrupted(self: Path, target: Path) -> Path:
            if Path(target).parts[-3] in SPLITS:
                if len(moved) == at:
                    raise error
                moved.append(target)
            return replace_file(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", interrupted)
            with pytest.raises((KeyboardInterrupt, OutputError)):
                build(tmp_path, *small_all_data)
        assert len(pictures(tmp_path)) == at
        assert not (tmp_path / MANIFEST_NAME).exists()
        build(tmp_path, *small_all_data)
        assert snapshot(tmp_path) == undisturbed

    @pytest.mark.parametrize("recipe", [{"seed": 9}, {"limit": 2}])
    def test_a_stop_while_changing_an_older_data_set(
        self, tmp_path: Path, monkeypatch, build, small_all_data, snapshot, undisturbed,
        recipe: dict[str, int],
    ) -> None:  # fmt: skip
        build(tmp_path, *small_all_data, **recipe)
        replace_file, moved = Path.replace, []

        def interrupted(self: Path, target: Path) -> Path:
            if Path(target).parts[-3] in SPLITS:
                moved.append(target)
                if len(moved) == 4:
                    raise KeyboardInterrupt
            return replace_file(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", interrupted)
            with pytest.raises(KeyboardInterrupt):
                build(tmp_path, *small_all_data)
        assert not (tmp_path / MANIFEST_NAME).exists()
        build(tmp_path, *small_all_data)
        assert snapshot(tmp_path) == undisturbed


class TestUnreadable:
    BROKEN = (b"", b"<html>404</html>", b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n")

    def test_it_is_left_out_and_listed_with_the_reason(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        bad = tmp_path / "ALL_DATA"
        broken = records[4::9]
        for record in records:
            (bad / record.original).parent.mkdir(parents=True, exist_ok=True)
            (bad / record.original).write_bytes((root / record.original).read_bytes())
        for record, content in zip(broken, self.BROKEN, strict=True):
            (bad / record.original).write_bytes(content)
        gone = records[2]
        (bad / gone.original).unlink()
        wrong = replace(records[20], md5="0" * 32)
        offered = [wrong if record.identity == wrong.identity else record for record in records]
        assembled = build(tmp_path / "DATASET", bad, offered)
        expected = {record.original for record in (*broken, gone, wrong)}
        with (tmp_path / "DATASET" / "rejected.csv").open(encoding="utf-8", newline="") as stream:
            listed = {row["original"]: row["reason"] for row in csv.DictReader(stream)}
        assert set(listed) == expected == {rejected.original for rejected in assembled.rejected}
        assert listed[broken[0].original] == "empty"
        assert listed[broken[1].original] == "not an image"
        assert listed[wrong.original] == "other content than published"
        rows = list(read_manifest(tmp_path / "DATASET"))
        kept = {row.original for row in rows}
        assert kept == {record.original for record in records} - expected
        assert {(row.split, row.label) for row in rows} == {
            (split, label) for split in SPLITS for label in CLASSES
        }
        assert [row.file for row in rows] == pictures(tmp_path / "DATASET")
        assert build(tmp_path / "DATASET", bad, offered).is_unchanged

    def test_one_picture_under_two_classes_is_left_out_and_listed(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        twice = replace(records[9], identity="made/again", group="made/again", label=OTHER)
        assert records[9].label != OTHER
        bad = tmp_path / "ALL_DATA"
        shutil.copytree(root, bad)
        twice = replace(twice, original="again.png")
        shutil.copy(root / records[9].original, bad / twice.original)
        assembled = build(tmp_path / "DATASET", bad, [*records, twice])
        both = {records[9].original, twice.original}
        assert {rejected.original for rejected in assembled.rejected} == both
        assert {rejected.reason for rejected in assembled.rejected} == {"contradictory"}
        assert not both & {row.original for row in read_manifest(tmp_path / "DATASET")}
        assert assembled.accounts["made", "unusable"] == 2

    def test_a_file_that_two_rows_name_is_kept_or_named_once(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        bad = tmp_path / "ALL_DATA"
        shutil.copytree(root, bad)
        again = [
            replace(record, group=f"{record.group}, other case", splits=TEST_ONLY)
            for record in records[:2]
        ]
        (bad / records[1].original).write_bytes(b"broken")
        assembled = build(tmp_path / "DATASET", bad, [*records, *again])
        assert [rejected.original for rejected in assembled.rejected] == [records[1].original]
        rows = {row.original: row for row in read_manifest(tmp_path / "DATASET") if not row.parent}
        assert rows.keys() == {record.original for record in records} - {records[1].original}
        assert rows[records[0].original].split == TEST
        assert assembled.accounts["made", "copies dropped"] == 0

    def test_a_readable_copy_takes_the_place_of_a_broken_one(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        (tmp_path / "other").mkdir()
        for record in records:
            (tmp_path / record.original).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / record.original).write_bytes((root / record.original).read_bytes())
        (tmp_path / "other" / "copy.png").write_bytes((root / records[0].original).read_bytes())
        (tmp_path / records[0].original).write_bytes(b"broken")
        copy = replace(records[0], source="other", original="other/copy.png")
        build(tmp_path / "DATASET", tmp_path, [*records, copy])
        found = {row.original for row in read_manifest(tmp_path / "DATASET") if not row.parent}
        assert "other/copy.png" in found
        assert len(found) == len(records)

    def test_what_cannot_be_read_a_second_time_is_named_and_tried_again(
        self, tmp_path: Path, build, small_all_data, snapshot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For a close look at what may be an altered copy, and for the sheet of look-alikes."""
        root, records = small_all_data
        all_data = tmp_path / "ALL_DATA"
        shutil.copytree(root, all_data)
        mirrored = replace(records[1], original="mirrored.png", identity="made/m", group="made/m")
        picture = Image.open(root / records[1].original)
        ImageOps.mirror(picture).save(all_data / mirrored.original)
        offered = [*records, mirrored]
        assert build(tmp_path / "whole", all_data, offered).leaks.altered
        read, seen = Location.read, Counter[str]()

        def read_so_often(location: Location) -> bytes:
            seen[location.path] += 1
            if location.path.endswith("mirrored.png") and seen[location.path] > most:
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(location)

        for most, reason in ((1, "unreadable"), (2, "")):
            output = tmp_path / f"DATASET {most}"
            seen.clear()
            with monkeypatch.context() as patch:
                patch.setattr(Location, "read", read_so_often)
                assembled = build(output, all_data, offered)
            told = [(one.original, one.reason) for one in assembled.rejected]
            assert told == ([(mirrored.original, reason)] if reason else [])
            assert assembled.may_change == bool(reason)
            kept = {row.original for row in read_manifest(output)}
            assert (mirrored.original in kept) == (not reason)
            assert (output / "look_alikes.png").exists()
            build(output, all_data, offered)
            assert snapshot(output) == snapshot(tmp_path / "whole")

    def test_a_lost_picture_whose_original_is_unreadable_is_named_and_not_asked_for(
        self, tmp_path: Path, build, small_all_data, snapshot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, records = small_all_data
        output = tmp_path / "DATASET"
        build(output, root, records)
        before = snapshot(output)
        lost = next(row for row in read_manifest(output) if not row.parent)
        (output / lost.file).unlink()
        read = Location.read

        def refuse(location: Location) -> bytes:
            if location.path.endswith(lost.original):
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(location)

        with monkeypatch.context() as patch:
            patch.setattr(Location, "read", refuse)
            for _ in range(2):
                assembled = build(output, root, records)
                assert [one.original for one in assembled.rejected] == [lost.original]
                assert lost.original not in {row.original for row in read_manifest(output)}
        build(output, root, records)
        assert snapshot(output) == before

    def test_groups_that_a_copy_joins_are_one_component(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        bad = tmp_path / "ALL_DATA"
        shutil.copytree(root, bad)
        shutil.copy(root / records[0].original, bad / "later.png")
        copy = replace(
            records[0], original="later.png", identity="made/copy", group=records[2].group
        )
        build(tmp_path / "DATASET", bad, [*records, copy])
        by_original = {
            row.original: row for row in read_manifest(tmp_path / "DATASET") if not row.parent
        }
        joined = [by_original[record.original] for record in records[:4]]
        assert len({row.group for row in joined}) == 2
        assert {row.component for row in joined} == {records[0].group}
        for record in records[4:]:
            assert by_original[record.original].component == record.group

    def test_a_class_that_breaks_down_stops_the_run_before_anything_appears(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        offered = [
            replace(record, md5="0" * 32) if record.label == "PAN" else record for record in records
        ]
        with pytest.raises(DatasetError, match="PAN"):
            build(tmp_path, root, offered)
        assert pictures(tmp_path) == []
        assert not (tmp_path / MANIFEST_NAME).exists()

    def test_a_name_that_is_no_text_is_left_out_or_read_but_stops_nothing(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        odd = "pan/fot\udcf3.jpg"
        try:
            (tmp_path / "pan").mkdir()
            (tmp_path / odd).write_bytes((root / records[-1].original).read_bytes())
        except (OSError, UnicodeError):
            pytest.skip("no such names here")
        for record in records:
            (tmp_path / record.original).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / record.original).write_bytes((root / record.original).read_bytes())
        listed = [
            path
            for path in FileTree.scan(tmp_path).files
            if path not in {r.original for r in records}
        ]
        more = [Record("made", path, f"made/{path}", "PAN", f"made/{path}") for path in listed]
        broken = "pan/br\udcf3ken.jpg"
        (tmp_path / broken).write_bytes(b"no picture")
        more.append(Record("made", broken, f"made/{broken}", "PAN", f"made/{broken}"))
        output = tmp_path / "DATASET"
        build(output, tmp_path, [*records, *more])
        assert len(list(read_manifest(output))) > len(records)
        for name in (MANIFEST_NAME, "rejected.csv", "leak_report.json"):
            (output / name).read_bytes().decode("utf-8")
        assert r"pan/br\x{f3}ken.jpg," in (output / "rejected.csv").read_text(encoding="utf-8")


class TestDryRun:
    def test_it_writes_nothing_and_counts_right(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        dry = build(tmp_path / "DATASET", *small_all_data, dry=True)
        assert list(tmp_path.iterdir()) == []
        wet = build(tmp_path / "DATASET", *small_all_data)
        assert Counter((p.split, p.label) for p in dry.plan) == Counter(
            (p.split, p.label) for p in wet.plan
        )
        assert {p.file for p in dry.plan} == {p.file for p in wet.plan}

    def test_it_leaves_a_finished_data_set_as_it_is(
        self, tmp_path: Path, build, small_all_data, snapshot
    ) -> None:
        build(tmp_path / "DATASET", *small_all_data)
        before = snapshot(tmp_path / "DATASET")
        build(tmp_path / "DATASET", *small_all_data, dry=True, limit=1)
        assert snapshot(tmp_path / "DATASET") == before


class TestSizes:
    def test_size_0_keeps_sizes_and_the_bytes_of_plain_jpegs(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        build(tmp_path, root, records, image_size=0)
        rows = [row for row in read_manifest(tmp_path) if not row.parent]
        assert {row.original_format for row in rows} == {"JPEG", "PNG"}
        for row in rows:
            assert (row.width, row.height) == (row.original_width, row.original_height)
            same = (tmp_path / row.file).read_bytes() == (root / row.original).read_bytes()
            assert same == (row.original_format == "JPEG")

    @pytest.mark.parametrize("image_size", [32, 100])
    def test_the_shorter_side_is_what_was_asked_for(
        self, tmp_path: Path, build, small_all_data, image_size: int
    ) -> None:
        build(tmp_path, *small_all_data, image_size=image_size)
        for row in read_manifest(tmp_path):
            assert min(row.width, row.height) == image_size

    def test_a_split_that_a_picture_over_the_limit_decides_is_no_move(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        root, records = small_all_data
        records = [record for record in records if not record.group.endswith("/4")]  # in pairs
        first: dict[str, Record] = {}
        for record in sorted(records, key=lambda record: stable_hash(0, record.identity)):
            first.setdefault(record.label, record)
        groups = {record.group for record in first.values()}
        offered = [
            replace(record, splits=TEST_ONLY)
            if record.group in groups and record not in first.values()
            else record
            for record in records
        ]
        assembled = build(tmp_path, root, offered, limit=1)
        kept = {p.record.original: p for p in assembled.plan if not p.parent}
        files = {kept[record.original].file for record in first.values()}
        assert {file.split("/")[0] for file in files} == {TEST}
        assert not files & {move.file for move in assembled.leaks.moves}

    def test_limit_is_nested_on_disk(self, tmp_path: Path, build, small_all_data) -> None:
        sets = []
        for limit in (1, 3, None):
            build(tmp_path / str(limit), *small_all_data, limit=limit)
            rows = list(read_manifest(tmp_path / str(limit)))
            counts = Counter((row.split, row.label) for row in rows)
            assert limit is None or max(counts.values()) <= limit
            sets.append({row.file for row in rows if not row.parent})
        assert sets[0] < sets[1] < sets[2]
