"""The probe finds what gives a class away, and nothing where nothing does."""

from dataclasses import replace
from pathlib import Path

from utils.evaluation.rows import read_rows
from utils.evaluation.shortcuts import PROBES, probe


def test_it_finds_the_size_of_one_class_and_the_colour_of_all(data_folder: Path) -> None:
    rows = read_rows(data_folder).values()
    train, test = ([row for row in rows if row.split == split] for split in ("train", "test"))
    found = {name: figure.value for name, figure in probe(data_folder, train, test).items()}
    assert list(found) == list(PROBES)
    assert found["originals: format, size, aspect"] == 0.4
    assert found["written pictures: size, aspect, JPEG tables"] == 0.2
    assert found["written pictures: border colour"] == 1
    assert found["written pictures: all of these"] == 1


def test_without_a_manifest_nothing_is_said_of_the_originals(data_folder: Path) -> None:
    rows = [replace(row, source="") for row in read_rows(data_folder).values()]
    found = probe(data_folder, rows, rows)
    figure = found["originals: format, size, aspect"]
    assert (figure.value, figure.reason) == (None, "without a manifest nothing is known of them")
    assert found["written pictures: border colour"].value == 1
