"""What a data set's folder must hold, and what is said when it does not."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from models.preprocessing import Preprocessing
from utils.common.errors import DatasetError
from utils.common.labels import CLASSES, TRAIN, VAL
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.settings import check_data_folder


def test_a_manifest_gives_the_pictures_and_their_hash(own_dataset: Path) -> None:
    pictures = read_folder(own_dataset)
    assert pictures.counts(TRAIN) == [2] * 5
    assert pictures.splits[VAL][0].file == "val/DERM/0.jpg"
    before = pictures.fingerprint
    manifest = own_dataset / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("fake", "other"))
    assert read_folder(own_dataset).fingerprint != before


def test_a_folder_without_manifest_is_read_as_it_lies(
    own_dataset: Path, small_preprocessing: Preprocessing, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_dataset / "manifest.csv").unlink()
    Image.new("RGBA", (300, 200)).save(own_dataset / "val" / "PAN" / "new.PNG")
    (own_dataset / "val" / "PAN" / "Thumbs.db").write_bytes(b"x")
    pictures = read_folder(own_dataset)
    assert "has no manifest.csv" in capsys.readouterr().out
    assert pictures.counts(VAL) == [1, 1, 1, 1, 2]
    loader = PictureLoader(pictures, small_preprocessing, 4, 0, 0)
    assert sum(len(batch.labels) for batch in loader.evaluation_batches(VAL)) == 6
    before = pictures.fingerprint
    (own_dataset / "val" / "PAN" / "new.PNG").unlink()
    assert read_folder(own_dataset).fingerprint != before


def test_an_assembly_that_was_stopped_is_not_taken_for_a_folder_without_manifest(
    own_dataset: Path,
) -> None:
    (own_dataset / ".state").mkdir(exist_ok=True)
    (own_dataset / ".state" / "prepared.jsonl").write_bytes(b"")
    read_folder(own_dataset)
    (own_dataset / "manifest.csv").unlink()
    with pytest.raises(DatasetError, match=r"is not finished.*Run create_dataset.py again"):
        read_folder(own_dataset)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_missing_split_is_named(own_dataset: Path, split: str) -> None:
    shutil.rmtree(own_dataset / split)
    with pytest.raises(DatasetError, match=f"has no {split}/. Expected train/, val/, test/ with"):
        check_data_folder(str(own_dataset))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There is no folder .*Make it with python create_data"):
        check_data_folder(str(tmp_path / "nowhere"))


def test_missing_pictures_are_counted_and_named(own_dataset: Path) -> None:
    shutil.rmtree(own_dataset / "train" / "DERM")
    with pytest.raises(DatasetError, match=r"2 of 20 pictures of .* train/DERM/0.jpg, train/DERM"):
        read_folder(own_dataset)


def test_an_empty_split_is_named(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    shutil.rmtree(own_dataset / "test")
    (own_dataset / "test" / "DERM").mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no pictures in test/"):
        read_folder(own_dataset)


def test_a_class_that_is_tested_must_be_trained(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    shutil.rmtree(own_dataset / "train" / "PAN")
    with pytest.raises(DatasetError, match="has PAN in val/ but not in train/"):
        read_folder(own_dataset)


def test_a_folder_that_is_no_class_is_named(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    (own_dataset / "train" / "CATS").mkdir()
    with pytest.raises(DatasetError, match=f"not classes: CATS. Expected {', '.join(CLASSES)}"):
        read_folder(own_dataset)


def swapped(folder: Path, file: str) -> Path:
    """Put another whole picture in the place of one, as large and as old as it."""
    path = folder / file
    found, content = path.stat(), bytearray(path.read_bytes())
    position = content.index(b"\xff\xda") + 40
    content[position] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return path


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_of_other_bytes_than_the_manifest_tells_is_not_trained_on(
    own_dataset: Path, small_preprocessing: Preprocessing, workers: int
) -> None:
    path = swapped(own_dataset, "val/PAN/0.jpg")
    loader = PictureLoader(read_folder(own_dataset), small_preprocessing, 4, workers, 0)
    with pytest.raises(DatasetError) as caught:
        list(loader.evaluation_batches(VAL))
    loader.close()
    assert str(caught.value) == (
        f"{path} cannot be read: changed, its SHA-256 differs from that in manifest.csv. "
        "Bring the picture back; python create_dataset.py --verify does so for all that it wrote."
    )


def test_one_that_is_swapped_meanwhile_is_told_without_a_manifest_too(
    own_dataset: Path, small_preprocessing: Preprocessing
) -> None:
    (own_dataset / "manifest.csv").unlink()
    loader = PictureLoader(read_folder(own_dataset), small_preprocessing, 4, 0, 0)
    assert len(list(loader.evaluation_batches(VAL))) == 1
    swapped(own_dataset, "val/PAN/0.jpg")
    with pytest.raises(DatasetError, match="its SHA-256 differs from that at the start of this"):
        list(loader.evaluation_batches(VAL))


@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_moved_or_copied_data_set_is_the_same_and_a_swapped_picture_makes_it_another(
    own_dataset: Path, tmp_path: Path, has_manifest: bool
) -> None:
    if not has_manifest:
        (own_dataset / "manifest.csv").unlink()
    before = read_folder(own_dataset).fingerprint
    copy = shutil.copytree(own_dataset, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert read_folder(copy).fingerprint == before
    swapped(copy, "val/PAN/0.jpg")
    assert (read_folder(copy).fingerprint == before) is has_manifest
    (copy / "val" / "PAN" / "0.jpg").rename(copy / "val" / "PAN" / "1.jpg")
    if not has_manifest:
        assert read_folder(copy).fingerprint != before


def test_no_picture_of_a_manifest_lies_elsewhere(own_dataset: Path, tmp_path: Path) -> None:
    Image.new("RGB", (80, 64)).save(tmp_path / "private.jpg")
    manifest = own_dataset / "manifest.csv"
    whole = manifest.read_text()
    for path in ("../private.jpg", str(tmp_path / "private.jpg"), "val/PAN/../../../private.jpg"):
        manifest.write_text(whole.replace("val/PAN/0.jpg,val", f"{path},val"))
        with pytest.raises(DatasetError, match=r"file is .* Expected a path below val/PAN"):
            read_folder(own_dataset)


def test_clutter_and_strangers_in_class_folders_are_counted(
    own_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_dataset / "manifest.csv").unlink()
    picture = (own_dataset / "val/PAN/0.jpg").read_bytes()
    names = ("train/.ipynb_checkpoints/0.jpg", "val/PAN/#recycle/0.jpg", "val/PAN/._0.jpg")
    for name in (*names, "val/PAN/no ending", "val/stray.jpg"):
        (own_dataset / name).parent.mkdir(exist_ok=True)
        (own_dataset / name).write_bytes(picture)
    (own_dataset / "test/PAN/notes.txt").write_text("words")
    pictures = read_folder(own_dataset)
    assert [picture.file for picture in pictures.splits[VAL] if "PAN" in picture.file] == [
        "val/PAN/0.jpg",
        "val/PAN/no ending",
    ]
    assert capsys.readouterr().err == (
        f"Warning: 5 files in {own_dataset} are not used: "
        "3 hidden files, recycle bins and previews, 1 .jpg, 1 .txt.\n"
    )


def test_pictures_that_the_manifest_does_not_name_are_told(
    own_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_folder(own_dataset)
    assert capsys.readouterr().err == ""
    for name in ("train/PAN/mine.jpg", "val/NEW/x.png", "val/PAN/.DS_Store"):
        (own_dataset / name).parent.mkdir(exist_ok=True)
        (own_dataset / name).write_bytes(b"")
    assert read_folder(own_dataset).splits == before.splits
    assert capsys.readouterr().err == (
        f"Warning: 2 files in {own_dataset} are not in its manifest.csv and not used: "
        "train/PAN/mine.jpg, val/NEW/x.png. Pictures of your own belong under ALL_DATA.\n"
    )


def test_masks_beside_pictures_are_not_trained_on(own_dataset: Path, capsys) -> None:
    (own_dataset / "manifest.csv").unlink()
    before = read_folder(own_dataset)
    folder = own_dataset / "train/PAN"
    for number, name in enumerate(("9_mask.png", "0_segmentation.png", "masks/0.png")):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (30, 20 + number)).save(folder / name)
    capsys.readouterr()
    assert read_folder(own_dataset) == before
    assert capsys.readouterr().err == (
        f"Warning: 3 files in {own_dataset} are not used: "
        "3 mask, thumbnail or the like of another picture.\n"
    )


def test_pictures_in_two_splits_or_classes_are_told(own_dataset: Path, capsys) -> None:
    (own_dataset / "manifest.csv").unlink()
    read_folder(own_dataset)
    assert "in more than one" not in capsys.readouterr().err
    shutil.copy(own_dataset / "train/PAN/0.jpg", own_dataset / "test/PAN/copy.jpg")
    shutil.copy(own_dataset / "val/PAN/0.jpg", own_dataset / "val/DERM/copy.jpg")
    read_folder(own_dataset)
    assert capsys.readouterr().err == (
        f"Warning: 1 pictures of {own_dataset} are in more than one split, so the figures "
        "on val and test are too good: for example train/PAN/0.jpg and test/PAN/copy.jpg.\n"
        f"Warning: 1 pictures of {own_dataset} are in more than one class, so they contradict "
        "each other: for example val/DERM/copy.jpg and val/PAN/0.jpg.\n"
    )
