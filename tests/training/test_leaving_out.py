"""A training without some collections: what it sees, what it is tested on, what it refuses."""

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from launch_training_test import main
from tests.training.conftest import make_tree
from utils.common.errors import DatasetError, SettingsError
from utils.common.labels import CLASSES, LOW_QUALITY, SPLITS, TEST, TRAIN, VAL
from utils.dataset.output.manifest import ManifestRow, read_manifest, write_manifest
from utils.training.data.leaving_out import check_leaving_out, describe_gaps, leave_out
from utils.training.data.pictures import read_folder
from utils.training.data.pixels import PACKED_NAME, open_pixels
from utils.training.settings import PACKED, read_settings

FOLDER = Path("DATASET")


def row(file: str, source: str, component: str = "", parent: str = "") -> ManifestRow:
    split, label, _ = file.split("/")
    group = component or file
    digest = "0" * 64
    return ManifestRow(
        file, split, label, source, file, group, group, digest, 80, 64, digest, "JPEG", 80, 64,
        parent=parent, degradation="haze" if parent else "",
    )  # fmt: skip


def drawn_rows(seed: int, num: int = 600) -> list[ManifestRow]:
    """Return a manifest in which components lie in one split each, of any collections."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num):
        component = int(rng.integers(num // 2))
        split = SPLITS[component % 3]
        label = CLASSES[rng.integers(len(CLASSES))]
        source = "abcd"[rng.integers(4)]
        rows.append(row(f"{split}/{label}/{number:03}.jpg", source, f"patient {component}"))
    return sorted(rows, key=lambda one: one.file)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("names", [("a",), ("a", "c")])
def test_nothing_of_them_or_of_their_groups_is_trained_on(
    seed: int, names: tuple[str, ...]
) -> None:
    rows = drawn_rows(seed)
    before = {one.file: one for one in rows}
    kept, left_out = leave_out(FOLDER, rows, names)
    assert [one.file for one in kept] == sorted(one.file for one in kept)
    assert all((one.split == TEST) == (one.source in names) for one in kept)
    assert all(one.split == before[one.file].split for one in kept if one.split != TEST)
    assert {one.file for one in kept if one.split == TEST} == {
        one.file for one in rows if one.source in names
    }
    splits_of = {one.component: set() for one in kept}
    for one in kept:
        splits_of[one.component].add(one.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    gone = [one for one in rows if one.file not in {other.file for other in kept}]
    unseen = {one.component for one in rows if one.source in names}
    assert all(one.split == TEST or one.component in unseen for one in gone)
    assert left_out.collections == names
    assert sum(left_out.pictures.values()) == sum(one.source in names for one in rows)
    assert left_out.unused == sum(one.split == TEST for one in gone)
    assert left_out.sharing == {
        split: sum(one.split == split for one in gone) for split in (TRAIN, VAL)
    }
    assert min(left_out.sharing.values()) > 0


def small_rows() -> list[ManifestRow]:
    rows = [
        row(f"{split}/{label}/{source}.jpg", source, f"{split} {source}")
        for split in SPLITS
        for label in CLASSES
        for source in ("one", "two")
    ]
    return sorted(rows, key=lambda one: one.file)


def test_an_unknown_collection_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsError) as caught:
        leave_out(FOLDER, small_rows(), ["two", "three"])
    assert str(caught.value) == (
        f"--leave-out does not know three in {FOLDER / 'manifest.csv'}. Expected some of one, two."
    )


def test_a_class_that_is_left_without_training_pictures_is_named() -> None:
    rows = [
        one
        for one in small_rows()
        if not (one.source == "one" and one.split == TRAIN and one.label in ("DERM", "PAN"))
    ]
    leave_out(FOLDER, rows, ["one"])
    with pytest.raises(SettingsError) as caught:
        leave_out(FOLDER, rows, ["two"])
    assert str(caught.value) == (
        "Without two and what shares a group with it train has no DERM, PAN in DATASET. Expected "
        "other collections with pictures of each class. Leave out fewer, or assemble more "
        "collections with python create_dataset.py."
    )


def test_a_class_that_shares_its_groups_with_them_is_lost_as_well() -> None:
    joined = [
        dataclasses.replace(one, component=f"{one.split} two")
        if one.source == "one" and one.label == "DERM"
        else one
        for one in small_rows()
    ]
    with pytest.raises(SettingsError, match="train has no DERM in"):
        leave_out(FOLDER, joined, ["two"])


def test_without_val_pictures_no_training_begins() -> None:
    rows = [one for one in small_rows() if one.split != VAL or one.source == "two"]
    with pytest.raises(SettingsError, match=r"Without two .* val has no pictures in DATASET"):
        leave_out(FOLDER, rows, ["two"])


def test_what_test_and_val_lack_is_told() -> None:
    rows = [
        one
        for one in small_rows()
        if (one.source, one.label) not in (("two", "OTHER"), ("two", "PAN"))
        and (one.split, one.label) != (VAL, "PAN")
    ]
    kept, _ = leave_out(FOLDER, rows, ["two"])
    assert describe_gaps(kept) == [
        "Test has no OTHER, PAN: balanced accuracy is the mean over the classes that it has.",
        "Val has no PAN: nothing is promised of that.",
    ]
    assert describe_gaps(small_rows()) == []


@pytest.fixture(scope="module")
def two_collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of the collections "one" and "two"; only to be read."""
    folder = make_tree(tmp_path_factory.mktemp("two") / "DATASET", (4, 2, 2))
    names = ("one", "two")
    rows = [
        dataclasses.replace(one, source=names[int(Path(one.file).stem) % 2])
        for one in read_manifest(folder)
    ]
    degraded = {one.file: one.file.replace(LOW_QUALITY, "PAN") for one in rows}
    write_manifest(
        folder,
        [
            dataclasses.replace(one, parent=degraded[one.file], degradation="haze", severity=2)
            if one.label == LOW_QUALITY
            else one
            for one in rows
        ],
    )
    return folder


def test_a_folder_is_listed_with_the_collections_as_its_test(
    two_collections: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = read_folder(two_collections, ("two",))
    assert capsys.readouterr().out == (
        "--leave-out two: all 20 pictures of it, whatever their split, are test. Not used: 5 test "
        "pictures of other collections.\n"
    )
    assert [len(pictures.splits[split]) for split in SPLITS] == [10, 5, 20]
    test = pictures.splits[TEST]
    for picture in test:
        if CLASSES[picture.label] == LOW_QUALITY:
            assert picture.parent is not None
            assert test[picture.parent].file == picture.file.replace(LOW_QUALITY, "PAN")
    assert pictures.fingerprint == read_folder(two_collections).fingerprint


@pytest.mark.parametrize("first", [(), ("one",)])
def test_one_pack_serves_whatever_is_left_out(
    two_collections: Path, capsys: pytest.CaptureFixture[str], first: tuple[str, ...]
) -> None:
    (two_collections / PACKED_NAME).unlink(missing_ok=True)
    open_pixels(read_folder(two_collections, first), PACKED)
    assert "pixels.packed: 40 pictures" in capsys.readouterr().out
    for left_out in ((), ("one",), ("two",)):
        pictures = read_folder(two_collections, left_out)
        packed = pickle.loads(pickle.dumps(open_pixels(pictures, PACKED)))
        assert "pixels.packed: " not in capsys.readouterr().out
        plain = open_pixels(pictures, "none")
        for split in SPLITS:
            for index in range(len(pictures.splits[split])):
                assert (packed.read(split, index) == plain.read(split, index)).all()


def test_without_a_manifest_nobody_knows_the_collections(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    line = (
        f"--leave-out needs to know which collection each picture of {own_dataset} is of. Expected "
        "a manifest.csv, which create_dataset.py writes. Drop --leave-out, or make the data set "
        "with python create_dataset.py."
    )
    for refuse in (
        lambda: check_leaving_out(str(own_dataset), ("one",)),
        lambda: read_folder(own_dataset, ("one",)),
    ):
        with pytest.raises(DatasetError) as caught:
            refuse()
        assert str(caught.value) == line
    read_folder(own_dataset)


def test_the_order_of_the_names_means_nothing() -> None:
    asked = [read_settings(["--leave-out", *names])[0] for names in ("ab", "ba", "aba")]
    assert {one.leave_out for one in asked} == {("a", "b")}


def test_a_mistake_is_told_before_any_question(two_collections: Path) -> None:
    with pytest.raises(SettingsError, match=r"does not know three in .*Expected some of one, two"):
        main(["--data-dir", str(two_collections), "--leave-out", "three"])


@pytest.mark.slow
def test_a_run_keeps_to_it_and_its_report_is_headed_so(
    two_collections: Path,
    arguments: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ("--data-dir", str(two_collections), "--leave-out", "two", "--epochs", "1")
    assert main(arguments(*more)) == 0
    told = capsys.readouterr().out
    run = tmp_path / "runs" / "test_resnet-1"
    heading = "Tested on collections that training never saw: two"
    assert heading in told.splitlines()
    assert f"<h1>test_resnet-1: {heading}</h1>" in (run / "report.html").read_text()
    report = json.loads((run / "report.json").read_text())
    assert report["left_out"] == {
        "collections": ["two"],
        "pictures": {"two": 20},
        "sharing": {"train": 0, "val": 0},
        "unused": 5,
    }
    assert report["unseen_collections"]["two"]["pictures"] == 20
    assert report["pictures"]["test"] == dict.fromkeys(CLASSES, 4)

    assert main(["--resume", str(run), "--epochs", "2"]) == 0
    grown = json.loads((run / "report.json").read_text())
    assert (grown["epochs"], grown["left_out"]) == (2, report["left_out"])
    with pytest.raises(SettingsError, match="leave_out was two and not one two"):
        main(["--resume", str(run), "--epochs", "3", "--leave-out", "one", "two"])
