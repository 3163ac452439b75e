"""What a data set's folder must hold, and what is said when it does not."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from models.preprocessing import Preprocessing
from utils.common.errors import DatasetError
from utils.common.labels import CLASSES, TRAIN, VAL
from utils.training.loader import PictureLoader
from utils.training.pictures import read_folder
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
    with pytest.raises(DatasetError, match=f"no class: CATS. Expected {', '.join(CLASSES)}"):
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
