"""The probe finds what gives a class away, and nothing where nothing does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.common.disk.location import Location
from utils.common.labels import CLASSES, LOW_QUALITY, PAN
from utils.common.pictures import write_jpeg
from utils.dataset.images.prepare import PictureJob, prepare_picture
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.rows import read_rows
from utils.evaluation.shortcuts import PROBES, Pictures, original_border, probe

GUESSED = 1 / len(CLASSES)
Rows = list[ManifestRow]


@pytest.fixture
def rows(data_folder: Path) -> tuple[Rows, Rows]:
    """Return the rows of train and of test."""
    known = read_rows(data_folder).values()
    train, test = ([row for row in known if row.split == split] for split in ("train", "test"))
    return train, test


def values(folder: Path, train: Rows, test: Rows) -> dict[str, float | None]:
    return {name: figure.value for name, figure in probe(folder, train, test).items()}


def test_it_finds_the_size_of_one_class_and_the_colour_of_all(
    data_folder: Path, rows: tuple[Rows, Rows]
) -> None:
    found = values(data_folder, *rows)
    assert list(found) == list(PROBES)
    assert found["originals: format, size, aspect, JPEG tables"] == pytest.approx(2 * GUESSED)
    assert found["originals: border colour"] == 1
    assert found["originals: all of these"] == 1
    assert found["written pictures: size, aspect, JPEG tables"] == GUESSED
    assert found["written pictures: border colour"] == 1
    assert found["written pictures: all of these"] == 1


def test_it_finds_the_tables_of_the_originals(data_folder: Path, rows: tuple[Rows, Rows]) -> None:
    def saved(some: Rows) -> Iterator[ManifestRow]:
        for row in some:
            yield replace(row, original_tables="369 523" if row.label == PAN else "592 891")

    train, test = (list(saved(some)) for some in rows)
    found = values(data_folder, train, test)
    assert found["originals: format, size, aspect, JPEG tables"] == pytest.approx(3 * GUESSED)
    assert found["written pictures: size, aspect, JPEG tables"] == GUESSED


def test_the_original_of_a_degraded_picture_is_that_of_its_parent(
    data_folder: Path, rows: tuple[Rows, Rows]
) -> None:
    degraded = next(row for row in rows[1] if row.label == LOW_QUALITY)
    parent = next(row for row in rows[1] if row.label == PAN)
    pictures = Pictures(data_folder)
    asked = original_border(pictures, replace(degraded, parent=parent.file))
    assert asked == pictures.border(parent.file) != pictures.border(degraded.file)


def test_what_is_written_tells_the_border_colour_of_its_original(
    tmp_path: Path, make_picture
) -> None:
    picture = make_picture(7, 1200, 900)
    content = write_jpeg(picture)
    (tmp_path / "original.jpg").write_bytes(content)
    target = tmp_path / "written.jpg"
    job = PictureJob(1, Location(str(tmp_path / "original.jpg")), target, 256, "", 1, 10**9)
    prepare_picture(job)
    width = round(8 * 900 / 256)
    pixels = np.asarray(picture, dtype=float)
    sides = (pixels[:width], pixels[-width:], pixels[:, :width], pixels[:, -width:])
    told = np.reshape(Pictures(tmp_path).border("written.jpg"), (4, 6))
    for side, (*colour, _, _, _) in zip(sides, told, strict=True):
        assert np.abs(side.mean(axis=(0, 1)) - colour).max() < 2


def test_without_a_manifest_nothing_is_said_of_the_originals(
    data_folder: Path, rows: tuple[Rows, Rows]
) -> None:
    unknown = [replace(row, source="") for row in rows[1]]
    found = probe(data_folder, unknown, unknown)
    for name, figure in found.items():
        if name.startswith("originals"):
            assert figure.value is None
            assert figure.reason == "without a manifest nothing is known of them"
    assert found["written pictures: border colour"].value == 1
