"""What is written in the manifest is what is read from it, whatever the names look like."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.disk.writing import sha256_of_file
from utils.common.errors import DatasetError, OutputError
from utils.dataset.output.manifest import (
    COLUMNS,
    MANIFEST_NAME,
    ManifestRow,
    is_manifest_of,
    manifest_hash,
    read_manifest,
    write_manifest,
)

FACTS: dict[str, object] = {
    "file": "train/PAN/b.jpg",
    "split": "train",
    "label": "PAN",
    "source": "made",
    "original": 'x/a, "b"\n\u00e4.jpg',
    "group": "made/a, b; c",
    "component": "made/a",
    "sha256": "0" * 64,
    "width": 256,
    "height": 341,
    "original_sha256": "1" * 64,
    "original_format": "PNG",
    "original_width": 600,
    "original_height": 800,
    "original_tables": "592 891",
}
LOW = {
    "file": "test/LOW_QUALITY/a.jpg",
    "split": "test",
    "label": "LOW_QUALITY",
    "parent": "test/PAN/a.jpg",
    "degradation": "motion_blur+sensor_noise",
    "severity": 5,
    "parameters": '{"motion_blur":{"length":3.5}}',
}


def row(**facts: object) -> ManifestRow:
    known = {name: value for name, value in (FACTS | facts).items() if name in COLUMNS}
    return ManifestRow(**known)  # type: ignore[arg-type]


def written(folder: Path, *rows: ManifestRow) -> Path:
    write_manifest(folder, sorted(rows, key=lambda row: row.file))
    return folder / MANIFEST_NAME


def test_it_has_the_agreed_columns() -> None:
    agreed = (
        "file split label source original group sha256 width height original_sha256 "
        "original_format original_width original_height parent degradation severity parameters"
    )
    assert [name for name in agreed.split() if name not in COLUMNS] == []
    assert COLUMNS[:4] == ("file", "split", "label", "source")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [row(), row(**LOW)]
    written(tmp_path, *rows)
    assert list(read_manifest(tmp_path)) == sorted(rows, key=lambda row: row.file)


ODD_NAMES = (
    "na\udce4vus\udcff.jpg",
    "=1+1.jpg",
    "@x.jpg",
    "a\rb.jpg",
    r"\x{e4}.jpg",
    "half\ud83d.jpg",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_whatever_a_name_is_the_manifest_is_utf_8_and_reads_back(tmp_path: Path, name: str) -> None:
    rows = [row(original=name, group=name, component=name)]
    content = written(tmp_path, *rows).read_bytes().decode("utf-8")
    assert read_manifest(tmp_path) == rows
    assert is_manifest_of(tmp_path, rows)
    (line,) = csv.DictReader(content.splitlines())
    assert all(line[column][0] not in "=+-@\t" for column in ("original", "group", "component"))


def test_a_manifest_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, row(original="nXvus.jpg"))
    path.write_bytes(path.read_bytes().replace(b"nXvus", b"n\xe4vus"))
    assert [one.original for one in read_manifest(tmp_path)] == ["n\udce4vus.jpg"]


def test_lines_end_alike_everywhere_and_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, row(original="x/a.jpg"), row(**LOW, original="x/a.jpg"))
    content = path.read_bytes()
    assert b"\r" not in content
    assert content.startswith(",".join(COLUMNS).encode() + b"\n")
    assert content.count(b"\n") == 3
    assert manifest_hash(tmp_path) == sha256_of_file(path)


def test_a_missing_manifest_is_one_line_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        list(read_manifest(tmp_path))
    assert str(caught.value) == (
        f"No manifest.csv in {tmp_path}. Expected an assembled data set. "
        "Make it: python create_dataset.py."
    )


@pytest.mark.parametrize("column", ["file", "sha256", "parent"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = written(tmp_path, row(original="a"))
    path.write_text(path.read_text().replace(column, "other", 1))
    with pytest.raises(DatasetError, match=f"has no column {column}"):
        list(read_manifest(tmp_path))


@pytest.mark.parametrize("old", ["256", "341", ",600,"])
def test_a_number_that_is_none_is_one_line(tmp_path: Path, old: str) -> None:
    path = written(tmp_path, row(original="a"))
    path.write_text(path.read_text().replace(old, old.replace(old.strip(","), "wide")))
    with pytest.raises(DatasetError) as caught:
        list(read_manifest(tmp_path))
    assert "\n" not in str(caught.value)


def test_parameters_that_are_no_json_are_one_line(tmp_path: Path) -> None:
    written(tmp_path, replace(row(**LOW), parameters="{"))
    with pytest.raises(DatasetError, match=r"line 3: parameters is '{'\. Expected nothing, or"):
        list(read_manifest(tmp_path))


@pytest.mark.parametrize("content", [b"", b"file,split\ntrain/PAN/a.jpg,train\n"])
def test_a_torn_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(DatasetError):
        list(read_manifest(tmp_path))


def test_a_line_cut_short_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, row(original="a"))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DatasetError):
        list(read_manifest(tmp_path))


WRONG = {
    "file": ("../PAN/a.jpg", "/train/PAN/a.jpg", "train/PAN/../../a.jpg", "C:/train/PAN/a.jpg",
             "train\\PAN\\a.jpg", "train/OTHER/a.jpg", "val/PAN/a.jpg", "train/PAN/", "train/PAN/.",
             ""),
    "split": ("", "Train", "training", "../train"),
    "label": ("", "pan", "CATS", "PAN/.."),
    "sha256": ("", "0" * 63, "g" * 64, "A" * 64),
    "original_sha256": ("", "0" * 65),
    "width": ("", "0", "-1", "1.5", "nan", "1e3", "9" * 400, " 1", "\u0661"),
    "height": ("0",),
    "original_width": ("wide",),
    "original_height": ("",),
    "original_frames": ("0", "many"),
    "parent": ("../../private.jpg", "val/PAN/a.jpg", "train", "/a"),
    "severity": ("0", "6", "1.0", "-1", "high"),
    "parameters": ("{", "[]", "1", "[" * 9000),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_no_cell_takes_what_no_data_set_has(tmp_path: Path, name: str) -> None:
    good = row(original="a")
    for value in WRONG[name]:
        written(tmp_path, row(file="train/PAN/a.jpg", original="a"), replace(good, **{name: value}))
        with pytest.raises(DatasetError) as caught:
            read_manifest(tmp_path)
        line = str(caught.value)
        assert f"{MANIFEST_NAME}, line " in line
        assert f": {name} is " in line
        assert "Expected " in line
        assert line.endswith("Make the data set again: python create_dataset.py.")


def test_a_wrong_cell_is_told_with_its_line(tmp_path: Path) -> None:
    written(
        tmp_path, row(original="a"), replace(row(original="a"), file="train/PAN/c.jpg", width=0)
    )
    with pytest.raises(DatasetError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / MANIFEST_NAME}, line 3: width is '0'. Expected a whole number of at least 1. "
        "Make the data set again: python create_dataset.py."
    )


def test_a_file_that_is_named_twice_is_named(tmp_path: Path) -> None:
    written(tmp_path, row(original="a"), row(original="b"))
    with pytest.raises(DatasetError, match=r"names 1 files more than once: train/PAN/b\.jpg"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("file,", "file,file,", "has the column file more than once"),
        ("\ntrain", "\n\ntrain", "line 2 has 0 cells. Expected 20 at least"),
        (",PAN,", ',"PAN,', "cannot be read: "),
        (",made,", f",{'m' * 200_000},", "cannot be read: field larger than field limit"),
    ],
)
def test_another_form_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = written(tmp_path, row(original="a"))
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=words):
        read_manifest(tmp_path)


def test_more_columns_may_stand_between(tmp_path: Path) -> None:
    path = written(tmp_path, row(original="a"))
    lines = path.read_text().splitlines()
    path.write_text(f"mine,{lines[0]},more\n7,{lines[1]},8\n")
    assert read_manifest(tmp_path) == [row(original="a")]


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    private, folder = tmp_path / "private", tmp_path / "DATASET"
    private.mkdir()
    (private / "b.jpg").write_bytes(b"mine")
    (folder / "train").mkdir(parents=True)
    written(folder, row(original="a"))
    try:
        os.symlink(private, folder / "train" / "PAN")
    except OSError:
        pytest.skip("links need a right here")
    with pytest.raises(DatasetError) as caught:
        read_manifest(folder)
    assert str(caught.value) == (
        f"{folder / MANIFEST_NAME} names 1 links that lead out of {folder}: train/PAN/. Expected "
        "pictures that lie in that folder. Put the pictures themselves there, or make the data set "
        "again."
    )
    (folder / "train" / "PAN").unlink()
    (folder / "train" / "PAN").mkdir()
    os.symlink(private / "b.jpg", folder / "train" / "PAN" / "b.jpg")
    with pytest.raises(DatasetError, match=r"out of .*: train/PAN/b\.jpg\. Expected pictures"):
        read_manifest(folder)


def test_a_folder_in_its_place_is_no_manifest_and_stays(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).mkdir()
    assert not is_manifest_of(tmp_path, [])
    with pytest.raises(OutputError, match="a file is where a folder should be, or the reverse"):
        write_manifest(tmp_path, [])
    assert (tmp_path / MANIFEST_NAME).is_dir()


def test_a_folder_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).mkdir()
    with pytest.raises(DatasetError, match="cannot be read: "):
        read_manifest(tmp_path)
